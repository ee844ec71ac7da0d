"""The referee of a sweep that runs: the table's own rules, asked before there is a table.

They are loaded when they are first asked, with all their statistics: most sweeps never ask.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sid_sweep.spec import Sweep
from sid_sweep.trials import Entry
from sid_sweep.trials.rows import rows_of

if TYPE_CHECKING:
    from pandas import DataFrame


class TableReferee:
    """Judges by the rules of the table, so that what stops a sweep is what the table then says."""

    def __init__(self, sweep: Sweep) -> None:
        from analysis.question import Question

        self._sweep = sweep.sweep
        self._question = Question.from_outline(sweep.outline())
        self._asked: Sequence[Entry] = ()
        self._made: DataFrame | None = None

    def kept(self, entries: Sequence[Entry]) -> list[int]:
        from analysis.verdicts.referee import kept

        return kept(self._frame(entries), self._question)

    def baseline(self, entries: Sequence[Entry]) -> int | None:
        from analysis.verdicts.referee import baseline

        return baseline(self._frame(entries), self._question)

    def outclassed(self, entries: Sequence[Entry]) -> set[int]:
        from analysis.verdicts.referee import outclassed

        return outclassed(self._frame(entries), self._question)

    def settled(self, entries: Sequence[Entry]) -> set[int]:
        from analysis.verdicts.referee import settled

        return settled(self._frame(entries), self._question)

    def _frame(self, entries: Sequence[Entry]) -> "DataFrame":
        """Made once for all that is asked of the same list, since every log is read for it."""
        from analysis.frame import tidy

        if self._made is None or self._asked is not entries:
            self._asked = entries
            self._made = tidy(rows_of(self._sweep, entries), self._question)
        return self._made
