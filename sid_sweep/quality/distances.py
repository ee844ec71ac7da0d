"""Distances between samples and what they should follow, as plain functions of tensors and
arrays."""

import math

import numpy as np
import torch
from jaxtyping import Float
from scipy.ndimage import gaussian_filter
from torch import Tensor

Array = np.ndarray


def sliced_w2(
    samples: Float[Tensor, "N D"],
    directions: Float[Tensor, "P D"],
    quantiles: Float[Array, "P N"],
) -> float:
    """Sliced W2 (Rabin et al. 2011) of a sample to what has these quantiles along each direction.

    W2² on a line is the mean square of the differences between quantiles of equal level; of N
    samples, those at (i - ½)/N.
    """
    # NumPy's vectorised sort is some fifty times faster than torch's, which also returns indices
    along = np.sort((directions @ samples.T).numpy(), axis=-1)
    return math.sqrt(np.square(along - quantiles).mean())


def directions(num: int, dim: int, *, generator: torch.Generator) -> Float[Tensor, "P D"]:
    """Uniform unit vectors; in the plane evenly spaced ones, turned by a random angle."""
    if dim == 2:
        turn = torch.rand(1, generator=generator, dtype=torch.float64)
        angles = (torch.arange(num, dtype=torch.float64) + turn) * (math.pi / num)
        return torch.stack([angles.cos(), angles.sin()], 1).float()
    vectors = torch.randn(num, dim, generator=generator, dtype=torch.float64)
    return (vectors / vectors.norm(dim=1, keepdim=True)).float()


def jensen_shannon(p: Float[Array, "..."], q: Float[Array, "..."]) -> float:
    """½ KL(p ‖ m) + ½ KL(q ‖ m), m = (p + q)/2, in bits (Lin 1991): 0 for equal ones, 1 for those
    that share nothing.

    Args:
        p: mass in each cell; what is missing to 1 lies where q has none.
        q: likewise.
    """
    total = 0.0
    for own, other in ((p, q), (q, p)):
        some = own > 0
        total += float((own[some] * np.log2(2 * own[some] / (own + other)[some])).sum())
        total += max(1 - float(own.sum()), 0.0)
    return total / 2


def histogram(
    points: Float[Array, "N d"], *, reach: float, cells: int, bandwidth: float
) -> Float[Array, "..."]:
    """Shares of points in the cells of a grid over [-reach, reach]^d, smoothed by a Gaussian.

    Args:
        bandwidth: its deviation, in units of the points; mass that it carries over the border is
            lost, as points beyond it are.
    """
    dim = points.shape[1]
    counts, _ = np.histogramdd(points, bins=cells, range=[(-reach, reach)] * dim)
    width = 2 * reach / cells
    return gaussian_filter(counts / len(points), bandwidth / width, mode="constant")


def class_score(probabilities: Float[Tensor, "N C"]) -> float:
    """exp E KL(p(y|x) ‖ p(y)), the Inception score's formula (Salimans et al. 2016)."""
    p = probabilities.double()
    marginal = p.mean(0)
    divergence = torch.xlogy(p, p).sum(1) - torch.xlogy(p, marginal).sum(1)
    return float(divergence.mean().exp())


def kl_divergence(p: Float[Tensor, " K"], q: Float[Tensor, " K"]) -> float:
    """KL(p ‖ q) = Σ p log(p/q) in nats, where 0 log 0 = 0."""
    return float(torch.xlogy(p, p / q).sum())
