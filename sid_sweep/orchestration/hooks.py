"""Where Tune meets the ledger: a searcher that hands out its trials, a callback that tells how they
end.

What is called trial here is Tune's: a slip with an id, under which one of our trials is run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from sid_sweep.files import disk_full
from sid_sweep.search import Ledger
from sid_sweep.trials import Entry, Watcher

from .failures import explain_death


@dataclass
class Handed:
    """The ledger's entries by the ids under which Tune runs them."""

    ledger: Ledger
    config: Callable[[Entry], dict[str, Any]]
    entries: dict[str, Entry] = field(default_factory=dict)

    def take(self, trial_id: str) -> dict[str, Any] | str | None:
        """The configuration of the next entry. None: Tune asks again, since what is next depends on
        a trial that it still runs; FINISHED: nothing is left."""
        entry = self.ledger.next_entry()
        if entry is None:
            return None if self.ledger.waits else Searcher.FINISHED
        self.entries[trial_id] = entry
        return self.config(entry)

    def __reduce__(self) -> Any:
        return (str, ("handed",))  # Tune pickles its parts into snapshots that nobody restores


class Dispatcher(Searcher):
    """Hands the ledger's entries to Tune, one at a time."""

    def __init__(self, handed: Handed) -> None:
        super().__init__()
        self._handed = handed

    def suggest(self, trial_id: str) -> Any:
        return self._handed.take(trial_id)

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Nothing: the trial's folder knows better, and Relay reads it."""

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a sweep is resumed from its ledger")


class Relay(tune.Callback):
    """Tells ledger and watchers what happens; between two of Tune's steps it is safe to stop."""

    def __init__(
        self, handed: Handed, watchers: Sequence[Watcher], *, check: Callable[[], None]
    ) -> None:
        self._handed = handed
        self._watchers = watchers
        self._check = check

    def __reduce__(self) -> Any:
        return (tune.Callback, ())  # as for Handed

    def on_step_begin(self, iteration: int, trials: list, **info: Any) -> None:
        self._check()

    def on_trial_start(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        for watcher in self._watchers:
            watcher.started(self._handed.entries[trial.trial_id])

    def on_trial_result(
        self, iteration: int, trials: list, trial: Any, result: dict, **info: Any
    ) -> None:
        if result.get("over"):
            return
        entry = self._handed.entries[trial.trial_id]
        metrics = {name: result[name] for name in entry.trial.metrics if name in result}
        for watcher in self._watchers:
            watcher.progressed(entry, result["images"], metrics)

    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        self._end(self._handed.entries[trial.trial_id])

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        """The process died: whatever a trial raises by itself is in its folder already."""
        entry = self._handed.entries[trial.trial_id]
        if entry.folder.result() is None:
            _note_death(entry, Path(trial.error_file).read_text())
        self._end(entry)

    def _end(self, entry: Entry) -> None:
        """Its folder says how it ended."""
        if not entry.folder.standing().is_end:
            _note_death(entry, "")
        result = entry.folder.standing()
        if full := disk_full(result.cause):  # no other trial could be written either
            raise full
        self._handed.ledger.tell(entry, result)
        for watcher in self._watchers:
            watcher.ended(entry, result)


def _note_death(entry: Entry, report: str) -> None:
    cause, trace = explain_death(report)
    entry.folder.write_failure(cause, traceback=trace)
