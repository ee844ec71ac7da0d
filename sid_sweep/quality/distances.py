"""Distances between samples, as plain functions of tensors."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def projections(
    samples: Float[Tensor, "N D"], directions: Float[Tensor, "P D"]
) -> Float[Tensor, "P N"]:
    """Each direction's projections in rising order: all that sliced W2 needs of a sample."""
    # NumPy's vectorised sort is some fifty times faster than torch's, which also returns indices
    return torch.from_numpy(np.sort((directions @ samples.T).numpy(), axis=-1))


def sliced_w2_squared(a: Float[Tensor, "P N"], b: Float[Tensor, "P N"]) -> Float[Tensor, ""]:
    """SW2² of two samples of equal size from their sorted projections (Rabin et al. 2011)."""
    return (a - b).square().mean()


def directions(num: int, dim: int, *, generator: torch.Generator) -> Float[Tensor, "P D"]:
    """Uniform unit vectors."""
    vectors = torch.randn(num, dim, generator=generator, dtype=torch.float64)
    return (vectors / vectors.norm(dim=1, keepdim=True)).float()


def frechet(a: Float[Tensor, "N D"], b: Float[Tensor, "M D"]) -> float:
    """Fréchet distance of Gaussian fits, |μ1-μ2|² + tr(S1 + S2 - 2 (S1 S2)^½) (Heusel et al. 2017).

    tr (S1 S2)^½ is the sum of the square roots of the eigenvalues of S1 S2, which are real and not
    negative; rounding below 0 is cut.
    """
    a, b = a.double(), b.double()
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    cross = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0).sqrt().sum()
    between = (a.mean(0) - b.mean(0)).square().sum()
    return float(between + cov_a.trace() + cov_b.trace() - 2 * cross)


def class_score(probabilities: Float[Tensor, "N C"]) -> float:
    """exp E KL(p(y|x) ‖ p(y)), the Inception score's formula (Salimans et al. 2016)."""
    p = probabilities.double()
    marginal = p.mean(0)
    divergence = torch.xlogy(p, p).sum(1) - torch.xlogy(p, marginal).sum(1)
    return float(divergence.mean().exp())


def w2_squared(a: Float[Tensor, "N D"], b: Float[Tensor, "M D"]) -> float:
    """Squared 2-Wasserstein distance of two sets of points, exactly (network simplex of POT)."""
    with _quiet():
        import ot

    cost = torch.cdist(a.double(), b.double()).square().numpy()
    return float(ot.emd2([], [], cost))  # pyright: ignore[reportArgumentType]


def energy(a: Float[Tensor, "N D"], b: Float[Tensor, "M D"]) -> float:
    """2 E|X-Y| - E|X-X'| - E|Y-Y'| (Székely & Rizzo 2013, eq. 5), over distinct pairs.

    Unbiased, and so a little negative now and then where both sets are of one distribution.
    """
    a, b = a.double(), b.double()
    within = [torch.cdist(x, x).sum() / (len(x) * (len(x) - 1)) for x in (a, b)]
    return float(2 * torch.cdist(a, b).mean() - within[0] - within[1])


@contextmanager
def _quiet() -> Iterator[None]:
    """POT's other array libraries are not looked for: only NumPy's arrays are given to it."""
    for name in ("JAX", "CUPY", "TENSORFLOW", "PYTORCH"):
        os.environ.setdefault(f"POT_BACKEND_DISABLE_{name}", "1")
    yield
