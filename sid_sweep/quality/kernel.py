"""Kernel distance of two sets of features (Bińkowski et al. 2018); KID where these are
Inception's."""

import torch
from jaxtyping import Float
from torch import Tensor

BLOCK = 1000  # members of a block, at least; the article's


def kernel_distance(
    a: Float[Tensor, "N F"], b: Float[Tensor, "M F"], *, generator: torch.Generator
) -> float:
    """Mean of the unbiased squared MMD over random blocks that share no member; its expectation is
    0 for equal distributions at any number of samples, so a value may be negative."""
    num = max(1, min(len(a), len(b)) // BLOCK)
    pairs = zip(_blocks(a, num, generator), _blocks(b, num, generator), strict=True)
    return float(torch.stack([squared_mmd(x, y) for x, y in pairs]).mean())


def _blocks(x: Tensor, num: int, generator: torch.Generator) -> list[Tensor]:
    order = torch.randperm(len(x), generator=generator).to(x.device)
    return [x[rows] for rows in order.tensor_split(num)]


def squared_mmd(a: Float[Tensor, "N F"], b: Float[Tensor, "M F"]) -> Float[Tensor, ""]:
    """Σ k(a, a')/(N(N-1)) + Σ k(b, b')/(M(M-1)) - 2 Σ k(a, b)/(NM), pairs of different members
    (eq. 4)."""
    a, b = a.double(), b.double()
    return _within(a) + _within(b) - 2 * _cubic(a, b).mean()


def _within(x: Float[Tensor, "N F"]) -> Float[Tensor, ""]:
    kernel = _cubic(x, x)
    return (kernel.sum() - kernel.trace()) / (len(x) * (len(x) - 1))


def _cubic(a: Float[Tensor, "N F"], b: Float[Tensor, "M F"]) -> Float[Tensor, "N M"]:
    """(aᵀb/F + 1)³ (section 4)."""
    inner = a @ b.T / a.shape[1] + 1
    return inner * inner * inner  # ten times as fast as a power
