"""One optimiser step: average over ranks, clip, schedule, Adam."""

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sid_sweep import spec

from .ranks import SOLO, Ranks


def learning_rate(adam: spec.nets.Adam, images: int, *, budget_images: int) -> float:
    """The rate at a point of the budget: linear warm-up, then constant, linear or cosine to 0."""
    warmup = min(1.0, (images + 1) / adam.warmup_images) if adam.warmup_images else 1.0
    progress = min(images / budget_images, 1.0)
    match adam.decay:
        case "constant":
            fall = 1.0
        case "linear":
            fall = 1 - progress
        case "cosine":
            fall = 0.5 * (1 + math.cos(math.pi * progress))
    return adam.lr * warmup * fall


class Optimiser:
    """Adam over some parameters, driven by gradients that the caller computed."""

    NUM_MOMENTS = 2

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        adam: spec.nets.Adam,
        *,
        budget_images: int,
        ranks: Ranks = SOLO,
    ) -> None:
        self.parameters = list(parameters)
        self._adam = adam
        self._budget_images = budget_images
        self._ranks = ranks
        self._torch = torch.optim.Adam(
            self.parameters, lr=adam.lr, betas=(adam.beta1, adam.beta2), eps=adam.eps, fused=True
        )

    def descend(self, loss: Tensor, images: int) -> None:
        """One step down the gradient of `loss`, with respect to these parameters alone.

        A parameter that the loss does not reach, such as the last bias of a log density that is
        known by its gradient, has gradient 0.
        """
        gradients = list(torch.autograd.grad(loss, self.parameters, materialize_grads=True))
        self._ranks.average(gradients)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        if self._adam.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, self._adam.clip_norm)
        for group in self._torch.param_groups:
            group["lr"] = learning_rate(self._adam, images, budget_images=self._budget_images)
        self._torch.step()

    def state(self) -> dict[int, Any]:
        """The moments, by the position of their parameter."""
        return self._torch.state_dict()["state"]

    def load(self, state: dict[int, Any]) -> None:
        """Continue from `state`."""
        groups = self._torch.state_dict()["param_groups"]
        own = copy.deepcopy(state)  # torch would train on in the caller's tensors
        self._torch.load_state_dict({"state": own, "param_groups": groups})
