"""Noise: processes, which levels are drawn, and how much each counts.

σ = β̄/ᾱ is the noise-to-signal ratio of x_t = ᾱ x_0 + β̄ ε; levels of noise are always given as σ.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .base import Fraction, Positive, Spec, Unit

if TYPE_CHECKING:
    from .trial import Trial

# ---- processes


class _Process(Spec):
    single_level: ClassVar[bool] = False
    """One noise level: no ODE, and nothing to choose from."""
    beta_above_one: ClassVar[bool] = False
    """β̄ is not bounded by 1."""
    infinite_at_one: ClassVar[bool] = False
    """σ(1) is infinite."""


class VP(_Process):
    """Variance preserving, ᾱ² + β̄² = 1, with the linear schedule of Song et al. 2021 (App. C)."""

    kind: Literal["vp"] = "vp"
    beta_min: Positive = 0.1
    """Rate of noise at t = 0."""
    beta_max: Positive = 20.0
    """Rate of noise at t = 1."""


class EDM(_Process):
    """ᾱ = 1, β̄ = σ; t in [0, 1] runs along the ρ-schedule of Karras et al. 2022 (eq. 5)."""

    beta_above_one: ClassVar[bool] = True

    kind: Literal["edm"]
    sigma_min: Positive = 0.002
    """σ at t = 0."""
    sigma_max: Positive = 80.0
    """σ at t = 1."""
    rho: Positive = 7.0
    """Exponent of the schedule; larger puts more of [0, 1] at small σ."""


class FixedNoise(_Process):
    """A single noise level, ᾱ = 1 and β̄ = sigma, as in Denoising Density Estimators (2020)."""

    lacks: ClassVar[tuple[str, ...]] = ("fd_ratio",)  # its teacher has no samples to compare with
    single_level: ClassVar[bool] = True
    beta_above_one: ClassVar[bool] = True

    kind: Literal["fixed"]
    sigma: Positive
    """The one noise level."""


class Flow(_Process):
    """Straight lines, ᾱ = 1 - t and β̄ = t (Lipman et al. 2023; Liu et al. 2023)."""

    infinite_at_one: ClassVar[bool] = True

    kind: Literal["flow"]


Noise = Annotated[VP | EDM | Flow | FixedNoise, Field(discriminator="kind")]


# ---- which noise levels are drawn, and how much each counts


class UniformTimes(Spec):
    """t uniform on [low, high], then σ(t) of the noise process."""

    kind: Literal["uniform"] = "uniform"
    low: Unit = 0.001
    """Smallest t."""
    high: Unit = 0.99
    """Largest t; below 1 with noise.kind = flow, where σ(1) is infinite."""

    @model_validator(mode="after")
    def _ordered(self) -> "UniformTimes":
        if self.low >= self.high:
            raise ValueError(f"low = {self.low} must be below high = {self.high}")
        return self

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        if trial.noise.infinite_at_one and self.high == 1:
            yield f"{path}.high = 1 is σ = ∞ with noise.kind = {trial.noise.kind}; use 0.99"


class LogNormalTimes(Spec):
    """ln σ normal, as EDM trains (Karras et al. 2022, Table 1)."""

    kind: Literal["log_normal"]
    mean: float = -1.2
    """Mean of ln σ."""
    deviation: Positive = 1.2
    """Standard deviation of ln σ."""


class LogitNormalTimes(Spec):
    """t = logistic(n) with n normal (Esser et al. 2024, eq. 19), then σ(t) of the noise process."""

    kind: Literal["logit_normal"]
    mean: float = 0.0
    """Mean of n; larger means more noise."""
    deviation: Positive = 1.0
    """Standard deviation of n."""


class KarrasTimes(Spec):
    """t uniform on [low, high], σ(t) on the ρ-schedule of Karras et al. 2022 (eq. 5), whichever the
    noise process: the generator's levels in the official SiD code."""

    kind: Literal["karras"]
    low: Unit = 0.0
    """Smallest t."""
    high: Unit = 0.8
    """Largest t (official: 800 of 1,000, which is σ = 24.4)."""
    sigma_min: Positive = 0.002
    """σ at t = 0."""
    sigma_max: Positive = 80.0
    """σ at t = 1."""
    rho: Positive = 7.0
    """Exponent of the schedule."""

    @model_validator(mode="after")
    def _ordered(self) -> "KarrasTimes":
        if self.low >= self.high:
            raise ValueError(f"low = {self.low} must be below high = {self.high}")
        return self


class LogUniformTimes(Spec):
    """ln σ uniform between low and high."""

    kind: Literal["log_uniform"]
    low: Positive
    """Smallest σ."""
    high: Positive
    """Largest σ."""

    @model_validator(mode="after")
    def _ordered(self) -> "LogUniformTimes":
        if self.low >= self.high:
            raise ValueError(f"low = {self.low} must be below high = {self.high}")
        return self


Times = Annotated[
    UniformTimes | LogNormalTimes | LogUniformTimes | LogitNormalTimes | KarrasTimes,
    Field(discriminator="kind"),
]


class Importance(Spec):
    """Levels drawn more often where the loss is large, and weighted down by as much: unbiased.

    The distribution is cut into bins of equal probability; a bin is drawn in proportion to the
    running root mean square of the weighted loss in it (Nichol & Dhariwal 2021, Sec. 3.3).
    """

    bins: Annotated[int, Field(ge=2)] = 16
    """Bins of equal probability under the unchanged distribution."""
    uniform_fraction: Fraction = 0.1
    """Part of the draws that keep the unchanged distribution, which bounds the weights."""
    half_life_images: Positive = 20_000.0
    """Samples after which a squared loss counts half."""

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        if trial.noise.single_level:
            yield (
                f"{path} chooses among noise levels, and noise.kind = {trial.noise.kind} has one; "
                "remove it"
            )


class PowerWeight(Spec):
    """w = σ^exponent on the ε form of a loss: 0 none, 2 the x_0 form, -1 is 1/σ, -2 the signal-to-
    noise ratio."""

    kind: Literal["power"] = "power"
    exponent: float = 0.0
    """Power of σ."""


class EDMWeight(Spec):
    """EDM's weight, 1/σ² + 1/σ_data² on the x_0 form: all levels count alike at the start."""

    kind: Literal["edm"]


class ComplementWeight(Spec):
    """w = 1 - β̄ on the ε form: little weight where little signal is left. Needs β̄ ≤ 1."""

    kind: Literal["complement"]

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        if trial.noise.beta_above_one:
            yield (
                f"{path}.kind = complement is 1 - β̄, which is negative where β̄ > 1, as with "
                f"noise.kind = {trial.noise.kind}; use noise.kind = vp or flow, or another weight"
            )


class SidLegacyWeight(Spec):
    """w = σ²/mean|x_g - f_φ| on the ε form, detached, per sample, the mean at least 1e-5: the
    official SiD code. It depends on the sample and so breaks the score identity, over pixels
    mildly, in low dimension badly."""

    kind: Literal["sid_legacy"]

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        if path != "generator.weight":
            yield (
                f"{path}.kind = sid_legacy is made from the teacher's error, which this loss does "
                "not have; it is for generator.weight"
            )


Weight = Annotated[
    PowerWeight | EDMWeight | ComplementWeight | SidLegacyWeight, Field(discriminator="kind")
]
