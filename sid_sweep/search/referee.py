"""What the ledger does not know: which results show enough."""

from collections.abc import Sequence
from typing import Protocol

from sid_sweep.trials import Entry


class Referee(Protocol):
    """Judges by the entries that it is given, all of which have ended, and by nothing else: the
    same entries, the same answer. Arms are named by their numbers."""

    def kept(self, entries: Sequence[Entry]) -> list[int]:
        """The arms to confirm on fresh seeds, best first, without the baseline."""
        ...

    def baseline(self, entries: Sequence[Entry]) -> int | None:
        """The arm that others are compared with; None if none has run."""
        ...

    def outclassed(self, entries: Sequence[Entry]) -> set[int]:
        """The arms that are shown to be worse than another, by a test that may be asked at any
        time."""
        ...

    def settled(self, entries: Sequence[Entry]) -> set[int]:
        """The arms whose verdict against the baseline stands, whatever follows."""
        ...
