"""One optimiser step: add up gradients, average over ranks, clip, schedule, Adam."""

import copy
import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from sid_sweep import spec

from .exchange import Exchange
from .loss_scale import LossScale
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
    """Adam over some parameters: losses are added, then comes a step."""

    NUM_MOMENTS = 2

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        adam: spec.nets.Adam,
        *,
        budget_images: int,
        ranks: Ranks = SOLO,
        scale: LossScale | None = None,
    ) -> None:
        """
        Args:
            scale: the factor of the loss where the networks compute in float16.
        """
        self.parameters = list(parameters)
        self.scale = scale
        self._adam = adam
        self._budget_images = budget_images
        self._exchange = Exchange(self.parameters, ranks) if ranks.size > 1 else None
        self._torch = torch.optim.Adam(
            self.parameters, lr=adam.lr, betas=(adam.beta1, adam.beta2), eps=adam.eps, fused=True
        )

    def descend(self, loss: Tensor, images: int) -> None:
        """One step down the gradient of one loss."""
        self.add(loss)
        self.step(images)

    def add(self, loss: Tensor, *, last: bool = True, retain: bool = False) -> None:
        """Add the gradient of `loss` with respect to these parameters alone.

        Args:
            last: no other loss follows before the step, so what is complete may go to the others.
            retain: keep the graph, for another loss of the same passes.
        """
        if self.scale is not None:
            loss = loss * self.scale.factor
        exchange = self._exchange if last else None
        with nullcontext() if exchange is None else exchange.during():
            torch.autograd.backward(loss, inputs=self.parameters, retain_graph=retain)

    def step(self, images: int) -> None:
        """One step by all that was added.

        A parameter that no loss reaches, such as the last bias of a log density that is known by
        its gradient, has gradient 0.
        """
        gradients = self._gathered()
        if self.scale is not None:
            self._torch.found_inf = self.scale.undo(gradients)  # pyright: ignore
        if self._adam.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, self._adam.clip_norm)
        for group in self._torch.param_groups:
            group["lr"] = learning_rate(self._adam, images, budget_images=self._budget_images)
        self._torch.step()
        self._torch.zero_grad(set_to_none=True)

    def _gathered(self) -> list[Tensor]:
        """The gradients, averaged over ranks."""
        if self._exchange is not None:
            self._exchange.finish()
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return [parameter.grad for parameter in self.parameters if parameter.grad is not None]

    def state(self) -> dict[int | str, Any]:
        """The moments, by the position of their parameter, and the loss's factor if it has one."""
        moments = self._torch.state_dict()["state"]
        return moments if self.scale is None else moments | {"scale": self.scale.state()}

    def load(self, state: dict[int | str, Any]) -> None:
        """Continue from `state`."""
        groups = self._torch.state_dict()["param_groups"]
        own = copy.deepcopy(state)  # torch would train on in the caller's tensors
        if self.scale is not None:
            self.scale.load(own.pop("scale"))
        self._torch.load_state_dict({"state": own, "param_groups": groups})
