"""Methods: ways from a teacher to few steps or one, and the losses of score distillation."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import Count, Positive, Spec
from .nets import MLP, Adam, Net

# ---- the generator's loss in score distillation (sid_sweep/distill/losses.py)


class SidLoss(Spec):
    """L2 - λ L1 with L1 = |ε_φ - ε_ψ|² and L2 = <ε_φ - ε_ψ, ε_φ - ε> (Zhou et al. 2024)."""

    kind: Literal["sid"] = "sid"
    lambda_: float = Field(default=1.0, alias="lambda")
    """λ; the official code calls it alpha (1.2, for AFHQ 1.0)."""
    lambda_end: float | None = None
    """λ at the end of the budget, reached linearly in images; null: constant."""


class NaiveLoss(Spec):
    """L1 alone, the first form of the article; reported not to train."""

    kind: Literal["naive"]


class MiddleLoss(Spec):
    """|ε_φ|² - 2<ε_φ, ε> + |ε_ψ|²: only the cross term converted (article, like LSGAN)."""

    kind: Literal["middle"]


class FullLoss(Spec):
    """|ε_φ|² - 2<ε_φ, ε> + <ε_ψ, ε>: everything converted (article: no experiments known)."""

    kind: Literal["full"]


class TeacherOnlyLoss(Spec):
    """|ε_φ - ε|²: the fake score left out; the article warns that it collapses."""

    kind: Literal["teacher_only"]


class PlaneLoss(Spec):
    """|ε_φ|² - 2<ε_φ, (1-c) ε_ψ + c ε> + <ε_ψ, (1-s) ε_ψ + s ε>, which contains the others.

    (0, 0) naive, (1/2, 1) L2, (1, 0) middle, (1, 1) full; L2 - λ L1 over 1 - λ lies at
    c = 1/(2(1-λ)), s = 2c.
    """

    kind: Literal["plane"]
    cross: float
    """c: how much of the cross term is converted through the score identity."""
    self_: float = Field(alias="self")
    """s: how much of the self term is."""


Loss = Annotated[
    SidLoss | NaiveLoss | MiddleLoss | FullLoss | TeacherOnlyLoss | PlaneLoss,
    Field(discriminator="kind"),
]


# ---- methods


class Critic(Spec):
    """A network with one output that the generator plays against."""

    net: Net = MLP()
    """Its architecture; the mean of the outputs is the score."""
    optim: Adam = Adam(lr=0.001, beta1=0.5)
    """Its optimiser."""


class Sid(Spec):
    """Score identity Distillation (Zhou et al. 2024): fake score and generator in turn."""

    kind: Literal["sid"] = "sid"


class DiffInstruct(Spec):
    """Diff-Instruct (Luo et al. 2023): reverse KL, gradient w (ε_φ - ε_ψ) on x_t, networks
    detached."""

    kind: Literal["diff_instruct"]


class KD(Spec):
    """Knowledge distillation (Luhman & Luhman 2021): regress g(z) on the teacher's deterministic
    sample from the same z."""

    kind: Literal["kd"]
    pairs: Count = 32_768
    """Pairs (z, sample), made once before training."""
    steps: Count = 16
    """Heun steps of the teacher for each pair (two evaluations each, the last one)."""
    sigma_min: Positive = 0.02
    """Last noise level of those steps before 0."""
    sigma_max: Positive = 20.0
    """First noise level."""


class GAN(Spec):
    """LSGAN (Mao et al. 2017) on the data: no teacher is asked, unless weights start from it."""

    kind: Literal["gan"]
    discriminator: Critic = Critic()
    """Told apart data (1) from samples (0)."""


class DDE(Spec):
    """Denoising Density Estimators (Bigdeli et al. 2020): two scalar networks estimate log
    densities at one noise level, of the data and of the generator, which descends the smoothed
    reverse KL. Needs noise.kind = fixed."""

    kind: Literal["dde"]
    estimator: Critic = Critic()
    """Each of the two; the one of the data goes on learning with the other."""
    warmup_steps: Annotated[int, Field(ge=0)] = 500
    """Steps of the data's estimator before the generator begins."""


class Progressive(Spec):
    """Progressive distillation (Salimans & Ho 2022): N steps become N/2, ..., 2, 1."""

    kind: Literal["progressive"]
    start_steps: Annotated[int, Field(ge=2)] = 16
    """Steps of the first student's sampler, a power of two; its teacher takes twice as many."""
    sigma_min: Positive = 0.02
    """Last noise level of the sampler before 0."""
    sigma_max: Positive = 20.0
    """First noise level."""

    @model_validator(mode="after")
    def _power_of_two(self) -> "Progressive":
        if self.start_steps & (self.start_steps - 1):
            raise ValueError(f"start_steps = {self.start_steps} must be a power of two, such as 16")
        return self


class Sampler(Spec):
    """The teacher itself: nothing is trained."""

    kind: Literal["sampler"]
    solver: Literal["ancestral", "ddim", "heun"] = "ddim"
    """ancestral: DDPM (Ho et al. 2020); ddim: Euler (Song et al. 2021); heun: second order (Karras
    et al. 2022), two evaluations a step but for the last."""
    steps: Count = 50
    """Steps from the first noise level to 0."""
    sigma_min: Positive = 0.02
    """Last noise level before 0."""
    sigma_max: Positive = 20.0
    """First noise level."""
    rho: Positive = 7.0
    """Exponent of the schedule between them (Karras et al. 2022, eq. 5)."""


Method = Annotated[
    Sid | DiffInstruct | KD | GAN | DDE | Progressive | Sampler, Field(discriminator="kind")
]
