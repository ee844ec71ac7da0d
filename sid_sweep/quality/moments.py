"""Mean and covariance of features that come piece by piece, and the Fréchet distance of two such.

Everything is float64: a FID is a small difference of large traces.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

LEAST_VARIANCE = 1e-6  # of a direction, over the largest; below it is rounding of float32


@dataclass(frozen=True)
class Moments:
    """Of a sample: its size, its mean and its scatter Σ (x - μ)(x - μ)ᵀ."""

    num: int
    mean: Float[Tensor, " F"]
    scatter: Float[Tensor, "F F"]

    @classmethod
    def of(cls, features: Float[Tensor, "N F"]) -> "Moments":
        """Of one piece."""
        x = features.double()
        centred = x - x.mean(0)
        return cls(len(x), x.mean(0), centred.T @ centred)

    @classmethod
    def merged(cls, pieces: Iterable["Moments"]) -> "Moments":
        """Of all pieces together, whoever saw them."""
        return reduce(_merge, pieces)

    @property
    def covariance(self) -> Float[Tensor, "F F"]:
        """Unbiased; NaN of a single one."""
        return self.scatter / (self.num - 1) if self.num > 1 else self.scatter * torch.nan


def whitening(covariance: Float[Tensor, "F F"]) -> Float[Tensor, "F F"]:
    """The map by which features have the covariance I; directions without variance are left out."""
    values, vectors = torch.linalg.eigh(covariance)
    kept = values > LEAST_VARIANCE * values.max()
    return vectors * torch.where(kept, values, torch.inf).rsqrt()


def scaling(covariance: Float[Tensor, "F F"]) -> Float[Tensor, "F F"]:
    """The map by which features have variance 1 on average."""
    return torch.eye(len(covariance)).to(covariance) / (covariance.trace() / len(covariance)).sqrt()


def _merge(a: Moments, b: Moments) -> Moments:
    """Chan, Golub & LeVeque 1983, eq. 2.1, for vectors."""
    num, apart = a.num + b.num, b.mean - a.mean
    between = torch.outer(apart, apart) * (a.num * b.num / num)
    return Moments(num, a.mean + apart * (b.num / num), a.scatter + b.scatter + between)


def frechet(
    mean_a: Float[Tensor, " F"],
    cov_a: Float[Tensor, "F F"],
    mean_b: Float[Tensor, " F"],
    cov_b: Float[Tensor, "F F"],
) -> float:
    """|μ_a - μ_b|² + tr(S_a + S_b - 2 (S_a S_b)^½) (Heusel et al. 2017, eq. 6).

    S_a S_b has the eigenvalues of the symmetric S_a^½ S_b S_a^½, none of them negative; so the
    trace of the root is a sum over these, also where a covariance is singular.
    """
    root = _root(cov_a)
    values = torch.linalg.eigvalsh(root @ cov_b @ root)
    trace = cov_a.trace() + cov_b.trace() - 2 * _known(values).sqrt().sum()
    return float((mean_a - mean_b).square().sum() + trace)


def frechet_between(a: Float[Tensor, "N F"], b: Float[Tensor, "M F"]) -> float:
    """The Fréchet distance of the Gaussian fits of two samples."""
    one, two = Moments.of(a), Moments.of(b)
    return frechet(one.mean, one.covariance, two.mean, two.covariance)


def _root(covariance: Float[Tensor, "F F"]) -> Float[Tensor, "F F"]:
    """The symmetric square root."""
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * _known(values).sqrt()) @ vectors.T


def _known(values: Float[Tensor, " F"]) -> Float[Tensor, " F"]:
    """Eigenvalues, those that rounding made set to 0: roots of thousands of them would add up."""
    rounding = len(values) * torch.finfo(values.dtype).eps * values.abs().max()
    return torch.where(values > rounding, values, 0.0)
