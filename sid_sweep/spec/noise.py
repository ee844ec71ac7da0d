"""Noise: processes, which levels are drawn, and how much each counts.

σ = β̄/ᾱ is the noise-to-signal ratio of x_t = ᾱ x_0 + β̄ ε; levels of noise are always given as σ.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import Positive, Spec, Unit

# ---- processes


class VP(Spec):
    """Variance preserving, ᾱ² + β̄² = 1, with the linear schedule of Song et al. 2021 (App. C)."""

    kind: Literal["vp"] = "vp"
    beta_min: Positive = 0.1
    """Rate of noise at t = 0."""
    beta_max: Positive = 20.0
    """Rate of noise at t = 1."""


class EDM(Spec):
    """ᾱ = 1, β̄ = σ; t in [0, 1] runs along the ρ-schedule of Karras et al. 2022 (eq. 5)."""

    kind: Literal["edm"]
    sigma_min: Positive = 0.002
    """σ at t = 0."""
    sigma_max: Positive = 80.0
    """σ at t = 1."""
    rho: Positive = 7.0
    """Exponent of the schedule; larger puts more of [0, 1] at small σ."""


class FixedNoise(Spec):
    """A single noise level, ᾱ = 1 and β̄ = sigma, as in Denoising Density Estimators (2020)."""

    kind: Literal["fixed"]
    sigma: Positive
    """The one noise level."""


class Flow(Spec):
    """Straight lines, ᾱ = 1 - t and β̄ = t (Lipman et al. 2023; Liu et al. 2023)."""

    kind: Literal["flow"]


Noise = Annotated[VP | EDM | Flow | FixedNoise, Field(discriminator="kind")]


# ---- which noise levels are drawn, and how much each counts


class UniformTimes(Spec):
    """t uniform on [low, high], then σ(t) of the noise process."""

    kind: Literal["uniform"] = "uniform"
    low: Unit = 0.001
    """Smallest t."""
    high: Unit = 1.0
    """Largest t (the official SiD generator: 0.8)."""

    @model_validator(mode="after")
    def _ordered(self) -> "UniformTimes":
        if self.low >= self.high:
            raise ValueError(f"low = {self.low} must be below high = {self.high}")
        return self


class LogNormalTimes(Spec):
    """ln σ normal, as EDM trains (Karras et al. 2022, Table 1)."""

    kind: Literal["log_normal"]
    mean: float = -1.2
    """Mean of ln σ."""
    deviation: Positive = 1.2
    """Standard deviation of ln σ."""


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


Times = Annotated[UniformTimes | LogNormalTimes | LogUniformTimes, Field(discriminator="kind")]


class PowerWeight(Spec):
    """w = σ^exponent on the ε form of a loss: 0 leaves the ε form, 2 makes it the x_0 form."""

    kind: Literal["power"] = "power"
    exponent: float = 0.0
    """Power of σ."""


class EDMWeight(Spec):
    """EDM's weight, 1/σ² + 1/σ_data² on the x_0 form: all levels count alike at the start."""

    kind: Literal["edm"]


Weight = Annotated[PowerWeight | EDMWeight, Field(discriminator="kind")]
