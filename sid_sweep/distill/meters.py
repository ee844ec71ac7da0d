"""Means of what training shows, kept on the device until someone asks."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sid_sweep.nets.ranks import SOLO, Ranks


class Meters:
    """Means since the last reset, over all ranks: of everything, and by bin.

    Within a bin, samples count by their `share`, the importance that they were drawn with, so that
    a mean is that of the unchanged distribution of levels.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        bins: Sequence[str] = (),
        device: torch.device | str = "cpu",
        ranks: Ranks = SOLO,
    ) -> None:
        """
        Args:
            names: what is measured.
            bins: names of the bins.
        """
        self.names, self.bins = tuple(names), tuple(bins)
        self._device, self._ranks = device, ranks
        self.reset()

    def add(
        self,
        values: Float[Tensor, "M B"],
        *,
        share: Float[Tensor, " B"] | None = None,
        bins: Int[Tensor, " B"] | None = None,
    ) -> None:
        """Add a batch: M numbers of each sample, and each sample's bin if there are bins."""
        if share is not None:
            values = values * share
        self._sums[:, -1] += values.sum(1)
        self._counts[-1] += values.shape[1]
        if self.bins:
            assert bins is not None
            self._sums.index_add_(1, bins, values)
            self._counts.index_add_(0, bins, torch.ones_like(values[0]) if share is None else share)

    def means(self) -> dict[str, float]:
        """`name` for all samples and `name/bin` for those of a bin; no bin that stayed empty."""
        sums, counts = self._sums.clone(), self._counts.clone()
        self._ranks.average([sums, counts])
        means, counts = (sums / counts).tolist(), counts.tolist()
        labels = [*(f"/{name}" for name in self.bins), ""]
        return {
            f"{name}{label}": value
            for name, row in zip(self.names, means, strict=True)
            for label, value, count in zip(labels, row, counts, strict=True)
            if count > 0
        }

    def reset(self) -> None:
        """Begin new means."""
        size = len(self.bins) + 1
        self._sums = torch.zeros(len(self.names), size, device=self._device)
        self._counts = torch.zeros(size, device=self._device)

    @property
    def total(self) -> Float[Tensor, ""]:
        """A number that is finite if and only if all sums are."""
        return self._sums.sum() * 0

    def state(self) -> dict[str, Any]:
        """The sums so far."""
        return {"sums": self._sums, "counts": self._counts}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self._sums, self._counts = state["sums"].clone(), state["counts"].clone()
