"""The generator's losses in score distillation; the formulas are in sid_sweep/distill/losses.py.

Each declares `crosses`, the networks that its gradient crosses to their input on the way to x_t:
what it costs beyond the generator's own backward pass.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from .base import Spec


class _Loss(Spec):
    crosses: ClassVar[int]
    """Of teacher and fake score, how many a gradient crosses."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        if "crosses" not in vars(cls):
            raise TypeError(f"{cls.__name__} must say how many networks its gradient crosses")


class SidLoss(_Loss):
    """L2 - λ L1 with L1 = |ε_φ - ε_ψ|² and L2 = <ε_φ - ε_ψ, ε_φ - ε> (Zhou et al. 2024)."""

    crosses: ClassVar[int] = 2

    kind: Literal["sid"] = "sid"
    lambda_: float = Field(default=1.0, alias="lambda")
    """λ; the official code calls it alpha (1.2, for AFHQ 1.0)."""
    lambda_end: float | None = None
    """λ at the end of the budget, reached linearly in images; null: constant."""


class NaiveLoss(_Loss):
    """L1 alone, the first form of the article; reported not to train."""

    crosses: ClassVar[int] = 2

    kind: Literal["naive"]


class MiddleLoss(_Loss):
    """|ε_φ|² - 2<ε_φ, ε> + |ε_ψ|²: only the cross term converted (article, like LSGAN)."""

    crosses: ClassVar[int] = 2

    kind: Literal["middle"]


class FullLoss(_Loss):
    """|ε_φ|² - 2<ε_φ, ε> + <ε_ψ, ε>: everything converted (article: no experiments known)."""

    crosses: ClassVar[int] = 2

    kind: Literal["full"]


class TeacherOnlyLoss(_Loss):
    """|ε_φ - ε|²: the fake score left out; the article warns that it collapses."""

    crosses: ClassVar[int] = 1

    kind: Literal["teacher_only"]


class PlaneLoss(_Loss):
    """|ε_φ|² - 2<ε_φ, (1-c) ε_ψ + c ε> + <ε_ψ, (1-s) ε_ψ + s ε>, which contains the others.

    (0, 0) naive, (1/2, 1) L2, (1, 0) middle, (1, 1) full; L2 - λ L1 over 1 - λ lies at
    c = 1/(2(1-λ)), s = 2c.
    """

    crosses: ClassVar[int] = 2

    kind: Literal["plane"]
    cross: float
    """c: how much of the cross term is converted through the score identity."""
    self_: float = Field(alias="self")
    """s: how much of the self term is."""


class ReverseKLLoss(_Loss):
    """<ε_φ - ε_ψ, x_t>, both networks detached: the gradient of the KL divergence from student to
    teacher. With it, method sid is Diff-Instruct (Luo et al. 2023)."""

    crosses: ClassVar[int] = 0

    kind: Literal["reverse_kl"]


Loss = Annotated[
    SidLoss | NaiveLoss | MiddleLoss | FullLoss | TeacherOnlyLoss | PlaneLoss | ReverseKLLoss,
    Field(discriminator="kind"),
]
