"""What happens in a sweep, for those who watch it: the terminal, a tracker."""

from typing import Protocol

from .folder import Result
from .sweep_folder import Entry


class Watcher(Protocol):
    """Told by the driver, in its own thread; must return at once and never raise."""

    def started(self, entry: Entry) -> None:
        """A trial was handed to a worker."""

    def progressed(self, entry: Entry, images: int, metrics: dict[str, float]) -> None:
        """A trial was evaluated; its folder holds the measurement."""

    def ended(self, entry: Entry, result: Result) -> None:
        """A trial finished, diverged or failed, now or in an earlier run of the sweep."""

    def interrupted(self, why: str = "") -> None:
        """The sweep was stopped; what was running goes on another time. `why`: unless somebody
        stopped it."""

    def concluded(self, report: str, *, failed: bool) -> None:
        """All trials have an end; the comparison, in Markdown. `failed`: some trials failed."""
