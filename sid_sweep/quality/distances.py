"""Distances between samples, as plain functions of tensors."""

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

EXACT = "donot_use_mm_for_euclid_dist"  # differences first: the product form cancels
MOST_PIVOTS = 10_000_000  # far above what the simplex needs; its own limit ends it early


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
    """W2² of two samples, exactly: the cost of the optimal plan between them.

    By the network simplex of POT (Flamary et al. 2021); NaN if a coordinate is not finite, of which
    the simplex would make zero.
    """
    costs = torch.cdist(a.double(), b.double(), compute_mode=EXACT).square()
    if not bool(costs.isfinite().all()):
        return math.nan
    weights = [np.full(num, 1 / num) for num in costs.shape]
    return float(_solver()(*weights, costs.numpy(), numItermax=MOST_PIVOTS))


def _solver() -> Callable[..., Any]:
    """POT's `emd2`, without the array libraries that POT would load wherever they are installed."""
    for library in ("JAX", "TENSORFLOW", "CUPY"):
        os.environ.setdefault(f"POT_BACKEND_DISABLE_{library}", "1")
    from ot import emd2  # here, as it takes most of a second

    return emd2


def energy(a: Float[Tensor, "N D"], b: Float[Tensor, "M D"]) -> float:
    """2 E|X-Y| - E|X-X'| - E|Y-Y'| (Székely & Rizzo 2013).

    Each mean is over distinct points, so the estimate has no bias, and is below zero for many a
    pair of samples from one distribution.
    """
    a, b = a.double(), b.double()
    between = torch.cdist(a, b, compute_mode=EXACT).mean()
    return float(2 * between - torch.pdist(a).mean() - torch.pdist(b).mean())


def kl_divergence(p: Float[Tensor, " K"], q: Float[Tensor, " K"]) -> float:
    """KL(p ‖ q) = Σ p log(p/q) in nats, where 0 log 0 = 0."""
    return float(torch.xlogy(p, p / q).sum())
