"""Kernel distance of two sets of features (Bińkowski et al. 2018); KID where these are
Inception's."""

import torch
from jaxtyping import Float
from torch import Tensor

NUM_SUBSETS = 100
SUBSET = 1000  # members of each; both numbers are the article's


def kernel_distance(
    a: Float[Tensor, "N F"], b: Float[Tensor, "M F"], *, generator: torch.Generator
) -> float:
    """Mean of the unbiased squared MMD over random subsets; its expectation is 0 for equal
    distributions at any number of samples, so a value may be negative."""
    size = min(SUBSET, len(a), len(b))

    def some(features: Tensor) -> Tensor:
        chosen = torch.randperm(len(features), generator=generator)[:size]
        return features[chosen.to(features.device)]

    found = [squared_mmd(some(a), some(b)) for _ in range(NUM_SUBSETS)]
    return float(torch.stack(found).mean())


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
    return (a @ b.T / a.shape[1] + 1) ** 3
