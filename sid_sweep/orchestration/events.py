"""What happens in a sweep, for those who watch it: the terminal and the tracker."""

from dataclasses import dataclass
from typing import Protocol

from sid_sweep.spec import Arm, Trial

from .folder import Result, TrialFolder


@dataclass(frozen=True)
class Run:
    """One trial as its watchers see it."""

    arm: int
    """Position of its arm in the ledger, from 0."""
    values: Arm
    """The arm: swept knobs and their values."""
    seed: int
    trial: Trial
    digest: str
    folder: TrialFolder


class Watcher(Protocol):
    """Told by the driver, in its own thread; must return at once and never raise."""

    def started(self, run: Run) -> None:
        """A trial was handed to a worker."""

    def progressed(self, run: Run, images: int, metrics: dict[str, float]) -> None:
        """A trial was evaluated; its folder holds the record."""

    def ended(self, run: Run, result: Result) -> None:
        """A trial finished, diverged or failed, now or in an earlier run of the sweep."""
