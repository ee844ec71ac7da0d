"""How a raw network F becomes a denoiser (Karras et al. 2022, Table 1), by what it was made for.

For x̃ = x_t/ᾱ = x_0 + σ ε the denoised sample is D = c_skip x̃ + c_out F(c_in x̃; c_noise), and the
ε form is ε = (x̃ - D)/σ, written out so that nothing cancels at small σ:

| kind | c_skip | c_out | c_in | c_noise | ε |
|---|---|---|---|---|---|
| edm | σ_d²/(σ² + σ_d²) | σ σ_d c_in | 1/√(σ² + σ_d²) | ln(σ)/4 | c_in (σ c_in x̃ - σ_d F) |
| vp | 1 | -σ | 1/√(σ² + 1) | (M - 1) t(σ) | F |
| ve | 1 | σ | 1 | ln(σ/2) | -F |
| iddpm | 1 | -σ | 1/√(σ² + 1) | M - 1 - argmin_j abs(u_j - σ) | F |
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from sid_sweep import spec


@runtime_checkable
class Preconditioning(Protocol):
    """What surrounds a raw network."""

    def c_in(self, sigma: Float[Tensor, "B ..."]) -> Tensor:
        """Factor of what it sees."""
        ...

    def c_noise(self, sigma: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        """The level as it is told."""
        ...

    def epsilon(self, x: Tensor, raw: Tensor, sigma: Tensor) -> Tensor:
        """ε from x̃ and F."""
        ...

    def denoised(self, x: Tensor, raw: Tensor, sigma: Tensor) -> Tensor:
        """D from x̃ and F."""
        ...


@dataclass(frozen=True)
class EDM:
    """Input, output and training target of unit variance."""

    sigma_data: float

    def c_in(self, sigma: Float[Tensor, "B ..."]) -> Tensor:
        return torch.rsqrt(sigma.square() + self.sigma_data**2)

    def c_noise(self, sigma: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        return sigma.log() / 4

    def epsilon(self, x: Tensor, raw: Tensor, sigma: Tensor) -> Tensor:
        c_in = self.c_in(sigma)
        return c_in * (sigma * c_in * x - self.sigma_data * raw)

    def denoised(self, x: Tensor, raw: Tensor, sigma: Tensor) -> Tensor:
        c_in = self.c_in(sigma)
        return (self.sigma_data * c_in).square() * x + sigma * self.sigma_data * c_in * raw


class _SaysEpsilon:
    """F is ε, and sees x_t of unit variance (Ho et al. 2020, eq. 14)."""

    def c_in(self, sigma: Float[Tensor, "B ..."]) -> Tensor:
        return torch.rsqrt(sigma.square() + 1)

    def epsilon(self, x: Tensor, raw: Tensor, sigma: Tensor) -> Tensor:
        return raw

    def denoised(self, x: Tensor, raw: Tensor, sigma: Tensor) -> Tensor:
        return x - sigma * raw


@dataclass(frozen=True)
class VP(_SaysEpsilon):
    """t(σ) solves σ² = exp(β_d t²/2 + β_min t) - 1 (Song et al. 2021, eq. 32)."""

    beta_d: float
    beta_min: float
    steps: int

    def c_noise(self, sigma: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        twice_integral = 2 * self.beta_d * sigma.square().log1p()
        time = ((self.beta_min**2 + twice_integral).sqrt() - self.beta_min) / self.beta_d
        return (self.steps - 1) * time


@dataclass(frozen=True)
class VE:
    """F is -ε, and sees x̃ itself (Song et al. 2021, App. C)."""

    def c_in(self, sigma: Float[Tensor, "B ..."]) -> Tensor:
        return torch.ones_like(sigma)

    def c_noise(self, sigma: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        return (sigma / 2).log()

    def epsilon(self, x: Tensor, raw: Tensor, sigma: Tensor) -> Tensor:
        return -raw

    def denoised(self, x: Tensor, raw: Tensor, sigma: Tensor) -> Tensor:
        return x + sigma * raw


@dataclass(frozen=True)
class IDDPM(_SaysEpsilon):
    """The level is that of M discrete ones which is nearest (Karras et al. 2022, App. C.3.4)."""

    levels: Float[Tensor, " M1"]
    """u_0 > ... > u_M = 0."""

    def c_noise(self, sigma: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        levels = self.levels.to(sigma.device, sigma.dtype)
        nearest = (sigma[:, None] - levels).abs().argmin(1)
        return (len(levels) - 2 - nearest).to(sigma.dtype)


def iddpm_levels(steps: int, *, least_ratio: float, shift: float) -> Float[Tensor, " M1"]:
    """u_M = 0, u_{j-1}² = (u_j² + 1)/max(ᾱ_{j-1}/ᾱ_j, C_1) - 1, ᾱ_j = sin²(π j/(2M (1 + C_2)))."""
    alphas = [math.sin(0.5 * math.pi * j / steps / (shift + 1)) ** 2 for j in range(steps + 1)]
    levels = [0.0]
    for j in range(steps, 0, -1):
        ratio = max(alphas[j - 1] / alphas[j], least_ratio)
        levels.append(math.sqrt((levels[-1] ** 2 + 1) / ratio - 1))
    return torch.tensor(levels[::-1], dtype=torch.float64)


def preconditioning(kind: spec.nets.Preconditioning, *, sigma_data: float) -> Preconditioning:
    """That of a specification."""
    match kind:
        case spec.nets.EDMPreconditioning():
            return EDM(sigma_data)
        case spec.nets.VPPreconditioning():
            return VP(kind.beta_d, kind.beta_min, kind.steps)
        case spec.nets.VEPreconditioning():
            return VE()
        case spec.nets.IDDPMPreconditioning():
            levels = iddpm_levels(kind.steps, least_ratio=kind.least_ratio, shift=kind.shift)
            return IDDPM(levels)
