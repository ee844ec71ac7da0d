"""Noise processes x_t = ᾱ x_0 + β̄ ε, indexed by σ = β̄/ᾱ.

Every process is the same family of noisy samples up to the scale ᾱ: x_t/ᾱ = x_0 + σ ε. So a level
of noise is its σ, and a process is two things: how σ splits into (ᾱ, β̄), and where t in [0, 1]
lies on σ.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from sid_sweep import spec


@dataclass(frozen=True)
class Level:
    """One noise level per sample, shaped to broadcast against the samples."""

    alpha: Float[Tensor, "B ..."]
    beta: Float[Tensor, "B ..."]

    @property
    def sigma(self) -> Float[Tensor, "B ..."]:
        """σ = β̄/ᾱ."""
        return self.beta / self.alpha

    def __getitem__(self, part: slice) -> "Level":
        return Level(self.alpha[part], self.beta[part])


@runtime_checkable
class Epsilon(Protocol):
    """A denoiser in ε form: ε(x_t, level), an estimate of E[ε | x_t]."""

    def __call__(self, xt: Float[Tensor, "B ..."], level: Level) -> Float[Tensor, "B ..."]: ...


def diffuse(
    x0: Float[Tensor, "B ..."], noise: Float[Tensor, "B ..."], level: Level
) -> Float[Tensor, "B ..."]:
    """x_t = ᾱ x_0 + β̄ ε (article, eq. 1)."""
    return level.alpha * x0 + level.beta * noise


def denoising_error(
    epsilon: Epsilon,
    x0: Float[Tensor, "B ..."],
    noise: Float[Tensor, "B ..."],
    level: Level,
) -> Float[Tensor, " B"]:
    """‖ε(x_t) - ε‖², whose minimiser is E[ε | x_t] (article, eq. 2 and 3)."""
    error = epsilon(diffuse(x0, noise, level), level) - noise
    return error.square().flatten(1).sum(1)


@runtime_checkable
class Process(Protocol):
    """How σ splits, and where t lies."""

    def level(self, sigma: Float[Tensor, "..."]) -> Level:
        """(ᾱ, β̄) with β̄/ᾱ = σ."""
        ...

    def sigma(self, t: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """σ at time t in [0, 1], rising."""
        ...


@dataclass(frozen=True)
class VP:
    """Variance preserving: ᾱ² + β̄² = 1, β(t) linear (Song et al. 2021, eq. 32)."""

    beta_min: float = 0.1
    beta_max: float = 20.0

    def level(self, sigma: Float[Tensor, "..."]) -> Level:
        alpha = torch.rsqrt(1 + sigma.square())
        return Level(alpha, sigma * alpha)

    def sigma(self, t: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        integral = 0.5 * (self.beta_max - self.beta_min) * t.square() + self.beta_min * t
        return torch.expm1(integral).sqrt()


@dataclass(frozen=True)
class EDM:
    """ᾱ = 1, β̄ = σ, with the ρ-schedule (Karras et al. 2022, eq. 5; t runs from low to high σ)."""

    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rho: float = 7.0

    def level(self, sigma: Float[Tensor, "..."]) -> Level:
        return Level(torch.ones_like(sigma), sigma)

    def sigma(self, t: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        low, high = self.sigma_min ** (1 / self.rho), self.sigma_max ** (1 / self.rho)
        return (low + t * (high - low)) ** self.rho


@dataclass(frozen=True)
class Fixed:
    """One level for teacher, fake score and loss alike: ᾱ = 1, β̄ = constant (DDE 2020)."""

    constant: float

    def level(self, sigma: Float[Tensor, "..."]) -> Level:
        return Level(torch.ones_like(sigma), torch.full_like(sigma, self.constant))

    def sigma(self, t: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return torch.full_like(t, self.constant)


@dataclass(frozen=True)
class Flow:
    """Straight lines: ᾱ = 1 - t, β̄ = t (Lipman et al. 2023), so σ = t/(1 - t)."""

    def level(self, sigma: Float[Tensor, "..."]) -> Level:
        alpha = 1 / (1 + sigma)
        return Level(alpha, sigma * alpha)

    def sigma(self, t: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return t / (1 - t)


def process(noise: spec.Noise) -> Process:
    """The noise process that a specification names."""
    match noise:
        case spec.noise.VP():
            return VP(noise.beta_min, noise.beta_max)
        case spec.noise.EDM():
            return EDM(noise.sigma_min, noise.sigma_max, noise.rho)
        case spec.noise.Flow():
            return Flow()
        case spec.noise.FixedNoise():
            return Fixed(noise.sigma)


def draw_sigma(
    times: spec.Times, process: Process, uniforms: Float[Tensor, " B"]
) -> Float[Tensor, " B"]:
    """Noise levels by inverse transform of uniform numbers, so that randomness stays outside."""
    match times:
        case spec.noise.UniformTimes():
            return process.sigma(times.low + (times.high - times.low) * uniforms)
        case spec.noise.LogNormalTimes():
            return (times.mean + times.deviation * _normal(uniforms)).exp()
        case spec.noise.LogitNormalTimes():
            return process.sigma((times.mean + times.deviation * _normal(uniforms)).sigmoid())
        case spec.noise.KarrasTimes():
            schedule = EDM(times.sigma_min, times.sigma_max, times.rho)
            return schedule.sigma(times.low + (times.high - times.low) * uniforms)
        case spec.noise.LogUniformTimes():
            low, high = math.log(times.low), math.log(times.high)
            return (low + (high - low) * uniforms).exp()


def _normal(uniforms: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Standard normal numbers by inverse transform, cut at 4.8 deviations."""
    return torch.special.ndtri(uniforms.clamp(1e-6, 1 - 1e-6))


LEGACY_FLOOR = 1e-5  # of the official SiD code


def loss_weight(
    weight: spec.Weight,
    level: Level,
    *,
    sigma_data: float,
    error: Float[Tensor, "B ..."] | None = None,
) -> Float[Tensor, " B"]:
    """w for a loss in ε form.

    EDM weighs the x_0 form by (σ² + σ_data²)/(σ σ_data)² (Karras et al. 2022, Table 1); the ε form
    is the x_0 form over σ², hence (σ² + σ_data²)/σ_data². SiD's own weight has the mean over the
    sample's coordinates of |x_g - f_φ| = σ |ε_φ - ε| below the line.

    Args:
        error: ε_φ - ε; only sid_legacy asks for it.
    """
    sigma = level.sigma.flatten()
    match weight:
        case spec.noise.PowerWeight():
            return sigma**weight.exponent
        case spec.noise.EDMWeight():
            return (sigma.square() + sigma_data**2) / sigma_data**2
        case spec.noise.ComplementWeight():
            return 1 - level.beta.flatten()
        case spec.noise.SidLegacyWeight():
            assert error is not None  # the specification allows it for the generator alone
            distance = sigma * error.detach().flatten(1).abs().mean(1)
            return sigma.square() / distance.clamp(min=LEGACY_FLOOR)


def x0_from_epsilon(
    epsilon: Float[Tensor, "B ..."], xt: Float[Tensor, "B ..."], level: Level
) -> Float[Tensor, "B ..."]:
    """f = (x_t - β̄ ε)/ᾱ."""
    return (xt - level.beta * epsilon) / level.alpha


def epsilon_from_x0(
    x0: Float[Tensor, "B ..."], xt: Float[Tensor, "B ..."], level: Level
) -> Float[Tensor, "B ..."]:
    """ε = (x_t - ᾱ f)/β̄."""
    return (xt - level.alpha * x0) / level.beta


def epsilon_from_v(
    v: Float[Tensor, "B ..."], xt: Float[Tensor, "B ..."], level: Level
) -> Float[Tensor, "B ..."]:
    """ε from v = ᾱ ε - β̄ x_0 (Salimans & Ho 2022) at any ᾱ, β̄: ε = (ᾱ v + β̄ x_t)/(ᾱ² + β̄²)."""
    return (level.alpha * v + level.beta * xt) / (level.alpha.square() + level.beta.square())


def v_from_epsilon(
    epsilon: Float[Tensor, "B ..."], xt: Float[Tensor, "B ..."], level: Level
) -> Float[Tensor, "B ..."]:
    """v = ᾱ ε - β̄ x_0."""
    return level.alpha * epsilon - level.beta * x0_from_epsilon(epsilon, xt, level)


def epsilon_from_velocity(
    velocity: Float[Tensor, "B ..."], xt: Float[Tensor, "B ..."], level: Level
) -> Float[Tensor, "B ..."]:
    """ε from a flow's velocity ε - x_0: x_t = ᾱ x_0 + β̄ ε gives ε = (x_t + ᾱ velocity)/(ᾱ + β̄)."""
    return (xt + level.alpha * velocity) / (level.alpha + level.beta)
