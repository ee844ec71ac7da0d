"""What a trial costs: passes counted where they are made, bytes of what it holds."""

from collections.abc import Iterable
from typing import Any

from torch import nn

from sid_sweep.nets.optim import Optimiser

TEACHER_PASSES = 3  # of an image in the teacher's training: forward, and backward to all weights


class Costs:
    """Passes through networks so far, per sample, over all ranks.

    A backward pass to the input alone counts 1, to the weights too 2. A closed-form teacher counts
    as a network: that is what takes its place on real data.
    """

    def __init__(self) -> None:
        self.forwards = self.backwards = 0.0

    def count(self, num: int, *, forwards: int = 0, backwards: int = 0) -> None:
        """Note passes over `num` samples."""
        self.forwards += num * forwards
        self.backwards += num * backwards

    def metrics(self, *, teacher_images: int | None) -> dict[str, float]:
        """All that follows from the passes.

        Args:
            teacher_images: what the teacher was trained with; None if nothing was spent on it.
        """
        evaluations = self.forwards + self.backwards
        passes = {
            "cost/forwards": self.forwards,
            "cost/backwards": self.backwards,
            "cost/evaluations": evaluations,
        }
        if teacher_images is None:
            return passes
        return passes | {"cost/of_teacher": evaluations / (TEACHER_PASSES * teacher_images)}

    def state(self) -> dict[str, Any]:
        """The counts."""
        return {"forwards": self.forwards, "backwards": self.backwards}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.forwards, self.backwards = state["forwards"], state["backwards"]


def state_bytes(networks: Iterable[nn.Module], optimisers: Iterable[Optimiser]) -> int:
    """Of weights, each tensor once however many networks share it, gradients and moments."""
    weights = {p.data_ptr(): p for network in networks for p in network.parameters()}
    learning = [p for optimiser in optimisers for p in optimiser.parameters]
    moving = 1 + Optimiser.NUM_MOMENTS  # a gradient and its moments
    return sum(p.nbytes for p in weights.values()) + sum(moving * p.nbytes for p in learning)
