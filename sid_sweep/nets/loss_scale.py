"""Dynamic loss scaling (Micikevicius et al. 2018, Sec. 3.2): float16 has no small gradients.

The loss is multiplied before its backward pass and the gradient divided after it. A gradient that
overflows costs its step, which is counted, and halves the factor; many good steps double it.
Everything stays on the device: nothing waits for it.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

FIRST = 2.0**16
LARGEST = 2.0**24  # beyond it nothing is gained, and float32 would overflow before float16 does
GOOD_STEPS = 2000  # before the factor is doubled
COLLAPSED = 1.0  # below it float16 does not even hold the gradient as it is


class LossScale:
    """The factor of one loss."""

    def __init__(self, *, device: torch.device | str = "cpu") -> None:
        self.factor = torch.full((), FIRST, device=device)
        self._good = torch.zeros((), device=device)
        self.skipped = torch.zeros((), device=device)
        """1 if the latest step was skipped, else 0."""

    @torch.no_grad()
    def undo(self, gradients: Sequence[Tensor]) -> Float[Tensor, ""]:
        """Divide gradients by the factor, in place, and adapt it; 1 if one is not finite, else
        0."""
        torch._foreach_div_(list(gradients), self.factor)
        sums = torch.stack(torch._foreach_norm(list(gradients), float("inf")))
        self.skipped = (~sums.isfinite()).any().to(self.factor.dtype)
        self._adapt()
        return self.skipped

    def _adapt(self) -> None:
        bad = self.skipped > 0
        good = torch.where(bad, 0, self._good + 1)
        grown = torch.where(good >= GOOD_STEPS, 2 * self.factor, self.factor)
        self.factor = torch.where(bad, self.factor / 2, grown).clamp(max=LARGEST)
        self._good = torch.where(good >= GOOD_STEPS, 0, good)

    def state(self) -> dict[str, Any]:
        """The factor and how long it has been good."""
        return {"factor": self.factor, "good": self._good}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.factor, self._good = state["factor"].clone(), state["good"].clone()
