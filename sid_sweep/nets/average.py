"""Exponential moving average of weights, on the clock of images."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sid_sweep import spec


def step(
    ema: spec.nets.EMA,
    average: Sequence[Tensor],
    weights: Sequence[Tensor],
    *,
    batch_images: int,
    images: int,
) -> None:
    """Let `average` follow `weights`, in place, after a step of `batch_images` from `images`."""
    half_life, ramp_up = ema.half_life_images, ema.ramp_up
    update(average, weights, decay(batch_images, images, half_life=half_life, ramp_up=ramp_up))


def decay(batch_images: int, images: int, *, half_life: float, ramp_up: float | None) -> float:
    """β of one step: ½^(batch/H), with H at most `ramp_up` times the images seen.

    Source: Karras et al. 2022, training loop of the official code; SiD keeps it.
    """
    if ramp_up is not None:
        half_life = min(half_life, ramp_up * images)
    return 0.5 ** (batch_images / max(half_life, 1e-8))


@torch.no_grad()
def update(average: Sequence[Tensor], weights: Sequence[Tensor], beta: float) -> None:
    """average ← β average + (1 - β) weights, in place."""
    torch._foreach_lerp_(list(average), list(weights), 1 - beta)
