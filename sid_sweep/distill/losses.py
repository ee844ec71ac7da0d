"""The generator's losses: per sample, in ε form, before any weight. Tensors in, tensors out.

ε_φ = `teacher`, ε_ψ = `fake`, ε = `noise`, Δ = ε_φ - ε_ψ. Gradients flow through x_t into both
networks; only parameters are frozen. All come from one line, the score identity: for any u of x_t,
E⟨u, ε_ψ*⟩ = E⟨u, ε⟩. At ψ = ψ* every point of the plane below, and so each loss up to its factor,
has one value, the Fisher divergence F = E‖Δ‖², and a gradient of its own. So the *value* of a loss
tells nothing about which is better, and is never an objective.
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


def plane(teacher: Sample, fake: Sample, noise: Sample, *, cross: float, self_: float) -> PerSample:
    """‖ε_φ‖² - 2⟨ε_φ, (1-c) ε_ψ + c ε⟩ + ⟨ε_ψ, (1-s) ε_ψ + s ε⟩.

    c = `cross` says how much of the cross term is converted, s = `self_` how much of the self term:
    (0, 0) naive, (½, 1) L2, (1, 0) middle, (1, 1) full, (1, 2) twice L2 - ½ L1, the exact gradient.
    (L2 - λ L1)/(1 - λ) is the point c = 1/(2(1-λ)), s = 2c. Written with Δ and ε - ε_ψ, which are
    small where training ends, so that nothing large cancels.
    """
    delta, miss = teacher - fake, noise - fake
    return inner(delta, delta) - 2 * cross * inner(teacher, miss) + self_ * inner(fake, miss)


def middle(teacher: Sample, fake: Sample, noise: Sample) -> PerSample:
    """‖ε_φ‖² - 2⟨ε_φ, ε⟩ + ‖ε_ψ‖²: the cross term alone converted (article, like LSGAN)."""
    return plane(teacher, fake, noise, cross=1.0, self_=0.0)


def full(teacher: Sample, fake: Sample, noise: Sample) -> PerSample:
    """‖ε_φ‖² - 2⟨ε_φ, ε⟩ + ⟨ε_ψ, ε⟩: everything converted (article: no experiments known)."""
    return plane(teacher, fake, noise, cross=1.0, self_=1.0)


def teacher_only(teacher: Sample, noise: Sample) -> PerSample:
    """‖ε_φ - ε‖², without a fake score: right about location, wrong about spread."""
    return inner(teacher - noise, teacher - noise)


def reverse_kl(teacher: Sample, fake: Sample, xt: Sample) -> PerSample:
    """⟨ε_φ - ε_ψ, x_t⟩ with both networks detached, whose gradient in x_t is that of the KL
    divergence from student to teacher, times β̄ (Luo et al. 2023, eq. 5)."""
    return inner((teacher - fake).detach(), xt)


def generator_loss(
    loss: spec.Loss,
    *,
    teacher: Sample,
    fake: Sample,
    noise: Sample,
    xt: Sample,
    progress: float = 0.0,
) -> PerSample:
    """The loss that a specification names, `progress` of the budget having been seen."""
    match loss:
        case spec.losses.SidLoss():
            return sid(teacher, fake, noise, lam=scheduled_lambda(loss, progress))
        case spec.losses.NaiveLoss():
            return naive(teacher, fake)
        case spec.losses.MiddleLoss():
            return middle(teacher, fake, noise)
        case spec.losses.FullLoss():
            return full(teacher, fake, noise)
        case spec.losses.TeacherOnlyLoss():
            return teacher_only(teacher, noise)
        case spec.losses.PlaneLoss():
            return plane(teacher, fake, noise, cross=loss.cross, self_=loss.self_)
        case spec.losses.ReverseKLLoss():
            return reverse_kl(teacher, fake, xt)


def scheduled_lambda(loss: spec.losses.SidLoss, progress: float) -> float:
    """λ at a point of the budget: constant, or linear to its end."""
    if loss.lambda_end is None:
        return loss.lambda_
    return loss.lambda_ + (loss.lambda_end - loss.lambda_) * min(progress, 1.0)
