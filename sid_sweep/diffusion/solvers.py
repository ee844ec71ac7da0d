"""From noise to samples, by the probability-flow ODE in σ, dx̃/dσ = ε(x_t), x̃ = x_t/ᾱ = x_0 + σ ε.

In this variable the ODE is the same for every process (Karras et al. 2022, eq. 4; DDIM is its Euler
step, Song et al. 2021), so one function serves all.
"""

import itertools
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from .noise import Epsilon, Process


def sigma_steps(
    num: int, *, sigma_min: float, sigma_max: float, rho: float = 7.0
) -> Float[Tensor, " S"]:
    """`num` falling levels and a final 0 (Karras et al. 2022, eq. 5)."""
    ramp = torch.linspace(0, 1, num, dtype=torch.float64)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return torch.cat([(high + ramp * (low - high)) ** rho, ramp.new_zeros(1)])


def heun_evaluations(steps: int) -> int:
    """Evaluations of `steps` Heun steps that end at σ = 0, the last of which is Euler's."""
    return 2 * steps - 1


def ancestral(
    epsilon: Epsilon,
    start: Float[Tensor, "B ..."],
    sigmas: Float[Tensor, " S"],
    *,
    process: Process,
    random: torch.Generator,
) -> Float[Tensor, "B ..."]:
    """DDPM's steps (Ho et al. 2020, Alg. 2) from x̃ at `sigmas[0]` to `sigmas[-1]`.

    Each step draws from q(x̃' | x̃, x_0) with x_0 replaced by the denoised D = x̃ - σ ε:
    mean D + (σ'²/σ²)(x̃ - D), variance σ'² (σ² - σ'²)/σ².
    """
    x = start
    for here, there in itertools.pairwise(sigmas.tolist()):
        kept = (there / here) ** 2
        level = process.level(x.new_full((1,) * x.ndim, here))
        denoised = x - here * epsilon(level.alpha * x, level)
        fresh = torch.randn(x.shape, generator=random, device=random.device, dtype=x.dtype)
        x = denoised + kept * (x - denoised) + there * (1 - kept) ** 0.5 * fresh.to(x.device)
    return x


def solve(
    epsilon: Epsilon,
    start: Float[Tensor, "B ..."],
    sigmas: Float[Tensor, " S"],
    *,
    process: Process,
    order: Literal[1, 2] = 1,
) -> Float[Tensor, "B ..."]:
    """Follow the ODE from x̃ at `sigmas[0]` to `sigmas[-1]`.

    Args:
        start: x̃ = x_0 + σ ε at the first level.
        order: 1 for Euler (DDIM), 2 for Heun; a step that ends at σ = 0 is always Euler.
    """

    def slope(x: Tensor, sigma: float) -> Tensor:
        level = process.level(x.new_full((1,) * x.ndim, sigma))  # one for the whole batch
        return epsilon(level.alpha * x, level)

    x = start
    levels = sigmas.tolist()
    for here, there in itertools.pairwise(levels):
        first = slope(x, here)
        ahead = x + (there - here) * first
        if order == 2 and there > 0:
            ahead = x + (there - here) * 0.5 * (first + slope(ahead, there))
        x = ahead
    return x


def sample(
    solver: Literal["ancestral", "ddim", "heun"],
    epsilon: Epsilon,
    start: Float[Tensor, "B ..."],
    sigmas: Float[Tensor, " S"],
    *,
    process: Process,
    random: torch.Generator,
) -> Float[Tensor, "B ..."]:
    """From x̃ at `sigmas[0]` to a sample, by the solver's name; only ancestral draws numbers."""
    match solver:
        case "ancestral":
            return ancestral(epsilon, start, sigmas, process=process, random=random)
        case "ddim":
            return solve(epsilon, start, sigmas, process=process, order=1)
        case "heun":
            return solve(epsilon, start, sigmas, process=process, order=2)
