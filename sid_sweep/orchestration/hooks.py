"""Where Tune meets the ledger: a searcher that hands out its trials, a callback that tells how they
end.

What is called trial here is Tune's: a slip with an id, under which one of our trials is run.
"""

import sys
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ray import tune
from ray.tune.search import Searcher

from sid_sweep.files import disk_full
from sid_sweep.search import Ledger
from sid_sweep.trials import Entry, Result, Watcher

from .failures import explain_death, names_lost_node


class Gate(Protocol):
    """Where trials may be held back."""

    def admits(self, entry: Entry) -> bool:
        """Whether a trial may be handed out."""
        ...

    def handed(self, entry: Entry) -> None:
        """It was."""

    def returned(self, entry: Entry) -> None:
        """It will be handed out again."""


@dataclass
class Handed:
    """The ledger's entries by the ids under which Tune runs them."""

    ledger: Ledger
    config: Callable[[Entry], dict[str, Any]]
    gate: Gate
    entries: dict[str, Entry] = field(default_factory=dict)
    """What is out: handed out and not yet ended."""
    room: Callable[[], int] = lambda: sys.maxsize
    """How many may be out."""
    _again: deque[Entry] = field(default_factory=deque)
    _tries: Counter[str] = field(default_factory=Counter)
    _reached: dict[str, int] = field(default_factory=dict)
    """Images at which trials had come to when they last lost a node."""

    def take(self, trial_id: str) -> dict[str, Any] | str | None:
        """The configuration of the next entry. None: Tune asks again, since there is no room, or
        what is next depends on a trial that is out, if only on whether it must be tried again;
        FINISHED: nothing is left that the gate admits."""
        if len(self.entries) >= self.room():
            return None
        entry = self._again.popleft() if self._again else self._next()
        if entry is None:
            return None if self.entries else Searcher.FINISHED
        self.entries[trial_id] = entry
        return self.config(entry)

    def _next(self) -> Entry | None:
        entry = self.ledger.upcoming()
        if entry is None or not self.gate.admits(entry):
            return None
        self.gate.handed(entry)
        return self.ledger.next_entry()

    def put_back(self, entry: Entry) -> int | None:
        """Have a trial tried again; which try that is, None where it has had them all."""
        if self._tries[entry.key] == self.ledger.sweep.resources.retries:
            return None
        self._take_back(entry)
        self._tries[entry.key] += 1
        return self._tries[entry.key]

    def move(self, entry: Entry, *, images: int) -> bool:
        """Have a trial go on that has lost a node, which costs it no try if it has come further
        since it last did; whether it has."""
        if images <= self._reached.get(entry.key, -1):
            return False
        self._reached[entry.key] = images
        self._take_back(entry)
        return True

    def _take_back(self, entry: Entry) -> None:
        self._again.append(entry)
        self.gate.returned(entry)

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
        self,
        handed: Handed,
        watchers: Sequence[Watcher],
        *,
        check: Callable[[bool], None],
        say: Callable[[str], None],
        logs: Path | None,
    ) -> None:
        """
        Args:
            check: called at every step, with whether a trial runs or none is out; may raise.
            say: tells the user a line.
            logs: where Ray's logs will lie, if on this machine.
        """
        self._handed = handed
        self._watchers = watchers
        self._check = check
        self._say = say
        self._logs = logs
        self.lost_node: Callable[[], bool] = bool
        """Whether what has just died may have died with its node."""
        self._running: set[str] = set()
        self._passing: set[str] = set()
        self._lost: set[str] = set()
        """Those that have lost a node."""
        self._unwritten: dict[str, str] = {}
        """Why trials failed that could not write it down."""
        self._ended: list[Any] = []
        """Since the last step; Tune still looks at them within it."""

    def __reduce__(self) -> Any:
        return (tune.Callback, ())  # as for Handed

    def on_step_begin(self, iteration: int, trials: list, **info: Any) -> None:
        while self._ended:
            _lighten(self._ended.pop())
        self._check(bool(self._running) or not self._handed.entries)

    def on_trial_start(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        self._running.add(trial.trial_id)
        for watcher in self._watchers:
            watcher.started(self._handed.entries[trial.trial_id])

    def on_trial_result(
        self, iteration: int, trials: list, trial: Any, result: dict, **info: Any
    ) -> None:
        if result.get("over"):
            self._passing |= {trial.trial_id} if result["passing"] else set()
            self._lost |= {trial.trial_id} if result["lost_node"] else set()
            if result["unwritten"]:
                self._unwritten[trial.trial_id] = result["unwritten"]
            return
        entry = self._handed.entries[trial.trial_id]
        metrics = {name: result[name] for name in entry.trial.metrics if name in result}
        self._handed.ledger.evaluated(entry, result["images"], metrics)
        for watcher in self._watchers:
            watcher.progressed(entry, result["images"], metrics)

    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        self._end(trial, "", died=False)

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        """The process died: whatever a trial raises by itself is in its folder already."""
        self._check(True)  # for what dies with the whole of Ray, no trial is to blame
        self._end(trial, Path(trial.error_file).read_text(), died=True)

    def _end(self, trial: Any, report: str, *, died: bool) -> None:
        """Its folder says how it ended; what may well go better another time is tried again."""
        self._running.discard(trial.trial_id)
        entry = self._handed.entries.pop(trial.trial_id)
        if cause := self._unwritten.pop(trial.trial_id, ""):
            self._write_down(entry, cause)
        elif (died and entry.folder.result() is None) or not entry.folder.standing().is_end:
            cause, trace = explain_death(report, logs=self._logs)
            entry.folder.write_failure(cause, traceback=trace)
            died = True
        self._ended.append(trial)
        result = entry.folder.standing()
        if full := disk_full(result.cause):  # no other trial could be written either
            raise full
        passing = died or trial.trial_id in self._passing
        lost = names_lost_node(report) or trial.trial_id in self._lost
        lost = lost or (passing and self.lost_node())
        self._passing.discard(trial.trial_id)
        self._lost.discard(trial.trial_id)
        if result.outcome == "failed" and passing and (again := self._again(entry, result, lost)):
            self._say(f"{entry}: {again}")
            return
        self._handed.ledger.tell(entry, result)
        for watcher in self._watchers:
            watcher.ended(entry, result)

    def _write_down(self, entry: Entry, cause: str) -> None:
        """Note a failure in the trial's stead.

        Raises:
            OSError: that cannot be done here either; the failure itself is said before.
        """
        try:
            entry.folder.write_failure(cause, traceback=cause)
        except OSError:
            self._say(f"{entry}: {cause}")
            raise

    def _again(self, entry: Entry, result: Result, lost: bool) -> str:
        """Have a trial go on, and in which words; "" where it has had all its tries."""
        if lost and self._handed.move(entry, images=result.images):
            return "its node is lost; it goes on elsewhere, from its checkpoint"
        if not (attempt := self._handed.put_back(entry)):
            return ""
        most = self._handed.ledger.sweep.resources.retries
        return f"{result.cause}; tried again ({attempt} of {most})"


def _lighten(trial: Any) -> None:
    """Free what Tune notes of a trial, more than 100 kB each, and keeps until the sweep ends.

    It is its configuration, what it last reported, and what it would have reported had it reported
    nothing, each with a copy of its specification, and statistics of all figures that it ever
    reported. Nobody asks for them. Where no report is left, Tune fetches the other: so one is.
    """
    noted = trial.run_metadata
    noted.last_result, noted.metric_analysis, noted.metric_n_steps = {"done": True}, {}, {}
    trial._default_result_or_future = None
    for name in ("config", "_Trial__unresolved_config", "evaluated_params"):
        setattr(trial, name, {})
