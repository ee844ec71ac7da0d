"""Means of what training shows, and whether it may go on; kept on the device until someone asks."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sid_sweep.nets.loss_scale import COLLAPSED, LossScale
from sid_sweep.nets.ranks import SOLO, Ranks

LARGEST_DEVIATIONS = 100.0  # samples this far out, in deviations of the data, have diverged


class Meters:
    """Means since the last reset: of everything, and by bin.

    Within a bin, samples count by their `ratio`, the likelihood ratio that they were drawn with, so
    that a mean is that of the unchanged distribution of levels.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        bins: Sequence[str] = (),
        device: torch.device | str = "cpu",
    ) -> None:
        """
        Args:
            names: what is measured.
            bins: names of the bins.
        """
        self.names, self.bins = tuple(names), tuple(bins)
        self._device = device
        self.reset()

    def add(
        self,
        values: Float[Tensor, "M B"],
        *,
        ratio: Float[Tensor, " B"] | None = None,
        bins: Int[Tensor, " B"] | None = None,
    ) -> None:
        """Add a batch: M numbers of each sample, and each sample's bin if there are bins."""
        if ratio is not None:
            values = values * ratio
        self._sums[:, -1] += values.sum(1)
        self._counts[-1] += values.shape[1]
        if self.bins:
            assert bins is not None
            self._sums.index_add_(1, bins, values)
            self._counts.index_add_(0, bins, torch.ones_like(values[0]) if ratio is None else ratio)

    def means(self) -> dict[str, float]:
        """`name` for all samples and `name/bin` for those of a bin; no bin that stayed empty."""
        means, counts = (self._sums / self._counts).tolist(), self._counts.tolist()
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

    @property
    def tables(self) -> list[Tensor]:
        """The sums so far, themselves; their mean over ranks gives the means over all ranks."""
        return [self._sums, self._counts]

    def state(self) -> dict[str, Any]:
        """The sums so far."""
        return {"sums": self._sums, "counts": self._counts}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self._sums, self._counts = state["sums"].clone(), state["counts"].clone()


class Monitor:
    """All meters of a method by name, and how far out the student's samples lie.

    A look, `trouble`, shares the sums: every rank then holds their mean over ranks. So means are
    those of the last look, and the state of one rank is that of all.
    """

    def __init__(self, *, device: torch.device | str = "cpu", ranks: Ranks = SOLO) -> None:
        self._device, self._ranks = device, ranks
        self._meters: dict[str, Meters] = {}
        self._largest = torch.zeros((), device=device)
        self._scales: dict[str, LossScale] = {}

    def __getitem__(self, name: str) -> Meters:
        return self._meters[name]

    def add(self, name: str, quantities: Sequence[str], *, bins: Sequence[str] = ()) -> None:
        """A new table of means."""
        self._meters[name] = Meters(quantities, bins=bins, device=self._device)

    def watch(self, name: str, scale: LossScale) -> None:
        """Count the steps that the factor of a loss costs, and see that it does not collapse."""
        self._scales[name] = scale
        self.add(f"{name}/steps", [f"{name}_skipped_steps"])

    def note_samples(self, x0: Float[Tensor, "B ..."]) -> None:
        """Watch how far out samples lie."""
        self._largest = torch.maximum(self._largest, x0.detach().abs().amax())

    def means(self) -> dict[str, float]:
        """Of everything from the last reset to the last look, over all ranks."""
        return {k: v for meters in self._meters.values() for k, v in meters.means().items()}

    def reset(self) -> None:
        """Begin new means."""
        for meters in self._meters.values():
            meters.reset()
        self._largest.zero_()

    def trouble(self, *, sigma_data: float) -> str:
        """A look: why training cannot go on, or "": a number that is not finite, a sample further
        out than any of the data, whose deviation is `sigma_data`."""
        totals = [meters.total for meters in self._meters.values()]
        tables = [table for meters in self._meters.values() for table in meters.tables]
        numbers = torch.stack([*totals, self._largest])
        self._ranks.average([numbers, *tables])  # a NaN on any rank is a NaN on all
        if not bool(numbers.isfinite().all()):
            return "a loss became infinite or no number (NaN)"
        for name, scale in self._scales.items():
            if (factor := float(scale.factor)) < COLLAPSED:
                return f"the gradient of {name} overflows float16 at a loss scale of {factor:.3g}"
        if self._ranks.largest(self._largest) > LARGEST_DEVIATIONS * sigma_data:
            return f"samples left the data's range ({LARGEST_DEVIATIONS:g} σ)"
        return ""

    def state(self) -> dict[str, Any]:
        """The sums so far."""
        meters = {name: own.state() for name, own in self._meters.items()}
        return {"meters": meters, "largest": self._largest}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        for name, own in self._meters.items():
            own.load(state["meters"][name])
        self._largest = state["largest"].clone()
