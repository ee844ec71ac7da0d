"""The generator's losses: per sample, in ε form, before any weight. Tensors in, tensors out.

ε_φ = `teacher`, ε_ψ = `fake`, ε = `noise`, Δ = ε_φ - ε_ψ. Gradients flow through x_t into both
networks; only parameters are frozen. At ψ = ψ*, E L1 = E L2 = F, the Fisher divergence, so a loss
*value* tells nothing about λ and is never an objective.
"""

from jaxtyping import Float
from torch import Tensor

from sid_sweep import spec

Sample = Float[Tensor, "B ..."]
PerSample = Float[Tensor, " B"]


def inner(a: Sample, b: Sample) -> PerSample:
    """⟨a, b⟩ over everything but the batch."""
    return (a * b).reshape(len(a), -1).sum(1)


def naive(teacher: Sample, fake: Sample) -> PerSample:
    """L1 = ‖Δ‖² (article, first form)."""
    delta = teacher - fake
    return inner(delta, delta)


def projected(teacher: Sample, fake: Sample, noise: Sample) -> PerSample:
    """L2 = ⟨Δ, ε_φ - ε⟩: one ε_ψ of L1 replaced through the score identity (Zhou et al. 2024)."""
    return inner(teacher - fake, teacher - noise)


def sid(teacher: Sample, fake: Sample, noise: Sample, *, lam: float) -> PerSample:
    """L2 - λ L1 (Zhou et al. 2024, their α = λ)."""
    return projected(teacher, fake, noise) - lam * naive(teacher, fake)


def generator_loss(loss: spec.Loss, teacher: Sample, fake: Sample, noise: Sample) -> PerSample:
    """The loss that a specification names."""
    match loss:
        case spec.Sid():
            return sid(teacher, fake, noise, lam=loss.lambda_)
        case spec.Naive():
            return naive(teacher, fake)
