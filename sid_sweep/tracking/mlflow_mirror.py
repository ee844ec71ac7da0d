"""Makes MLflow's runs equal to a sweep's folders: whatever is missing there is sent, nothing twice.

A parent run for the sweep, a child for each arm, a grandchild for each seed (two levels where there
is one seed). A trial's points are sent from where MLflow's end; and whatever else is sent, tags,
files, pictures, replaces itself.
"""

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sid_sweep.files import set_aside
from sid_sweep.spec import Sweep, departures, digest, plain
from sid_sweep.spec.paths import leaves
from sid_sweep.trials import Entry, Measurement, Result, SweepFolder

from .client import absolute, connect_to_write, reason, redact, ui_hint
from .cursor import Cursor
from .identity import IDENTITY, identity
from .runs import SWEEP, Runs, arm_key
from .showcase import OUTCOME, Exhibit, Showcase
from .store import Point, Status, Store
from .summary import CLOCK, MEMORY, SYSTEM, end_of
from .tracker import Tracker

if TYPE_CHECKING:
    from mlflow import MlflowClient


def track(
    sweep: Sweep, folder: SweepFolder, *, uri: str | None, exhibit: Exhibit = dict
) -> Tracker:
    """A tracker that mirrors a sweep into the MLflow at `uri`; None: MLflow's default store.

    Args:
        exhibit: called once all trials have an end.
    """
    remarks: list[str] = []

    def drawn() -> Mapping[str, str | bytes]:
        try:
            return exhibit()
        except Exception as error:  # of ours or of a library: the store is not to blame
            remarks.append(f"answer, samples and report could not be made: {reason(error)}")
            return {}

    def open_mirror() -> MlflowMirror:
        client = connect_to_write(uri, remark=remarks.append)
        cursor = cursor_of(folder, client.tracking_uri)
        if cursor.is_damaged:
            aside = set_aside(cursor.path)
            remarks.append(f"{cursor.path} was damaged; it was set aside as {aside.name}")
            cursor = Cursor(cursor.path)
        known = {"identity": identity(folder), "uri": uri, "exhibit": drawn}
        return MlflowMirror(client, sweep, cursor, **known)

    name = redact(uri or "MLflow's default store")
    return Tracker(open_mirror, store=name, hint=ui_hint(uri), remarks=remarks)


def cursor_of(folder: SweepFolder, uri: str) -> Cursor:
    """What was sent from a sweep's folder to a store."""
    return Cursor(folder.cursor(digest({"uri": redact(absolute(uri))})))


def run_ids(folder: SweepFolder) -> dict[str, str]:
    """MLflow's run of each entry, by `Entry.key`, in the store that was last sent to."""
    for path in folder.cursors():
        return {key: note["run_id"] for key, note in Cursor(path).items() if "/" in key}
    return {}


def store_of(folder: SweepFolder) -> tuple[str, str]:
    """Address and experiment of the store that was last sent to, without credentials; "" where
    there is none."""
    for path in folder.cursors():
        note = Cursor(path)[IDENTITY]
        return note.get("uri", ""), note.get("experiment_id", "")
    return "", ""


class MlflowMirror:
    """One sweep in one MLflow store: its trials here, what they come to in a `Showcase`."""

    def __init__(
        self,
        client: "MlflowClient",
        sweep: Sweep,
        cursor: Cursor,
        *,
        identity: str,
        uri: str | None = None,
        exhibit: Exhibit = dict,
    ) -> None:
        self.sweep = sweep
        self._uri, self._cursor = uri, cursor
        self._store = Store(client, sweep.sweep, description=sweep.question)
        self._runs = Runs(self._store, cursor, identity=identity)
        self._showcase = Showcase(sweep, self._runs, exhibit=exhibit)
        self._sent: dict[str, int] = {}
        """Images of a run's last point, where that is known."""
        self._runs.open_sweep(sweep.sweep)
        self._showcase.open()

    @property
    def hint(self) -> str:
        return ui_hint(self._uri, experiment_id=self._store.experiment_id)

    @property
    def is_drawing(self) -> bool:
        return self._showcase.is_drawing

    # ---- events

    def show(self, entry: Entry) -> None:
        runs_again = entry.folder.result() is None
        if entry.folder.has_begun() and (runs_again or not self._cursor[entry.key].get("done")):
            self._send(entry)

    def end(self, entry: Entry, result: Result) -> None:
        note = self._cursor[entry.key]
        if not note.get("done") or note.get("ended") != _ended(result):
            self._send(entry)
            self._close(entry, result)
        self._showcase.add(entry, result)

    def conclude(self, report: str, *, failed: bool) -> None:
        self._showcase.close(report, failed=failed)

    def interrupt(self, why: str = "") -> None:
        self._runs.settle()
        self._showcase.interrupt(why)
        self._runs.kill()

    # ---- runs

    def _open(self, entry: Entry) -> None:
        """The run of a trial: made, opened again, or as it is."""
        key, runs = entry.key, self._runs
        was_open, was_met = self._cursor[key].get("open"), runs.has_met(key)
        if runs.reopened(key):
            if not was_met:
                self._open_above(entry)
            if not was_open:
                self._store.tag(runs[key], {OUTCOME: "running", "cause": "", "end": ""})
        else:
            self._make(entry, above=self._open_above(entry))
        if not self._cursor[key].get("described"):
            own = dict(leaves(departures(entry.trial))) | dict(entry.arm)
            self._store.params(runs[key], {"seed": entry.seed} | own)
            self._store.json(runs[key], plain(entry.trial), entry.folder.specification.name)
            self._cursor.note(key, described=True)

    def _make(self, entry: Entry, *, above: str) -> None:
        tags = {
            "level": "seed",
            "values": json.dumps(dict(entry.arm)),
            "arm": str(entry.number),
            "seed": str(entry.seed),
            "trial": entry.folder.path.name,
            "parent": self._runs[SWEEP],
            OUTCOME: "running",
        }
        name = str(entry.arm) if self._showcase.has_one_seed else str(entry)
        self._runs.make(entry.key, name, tags, parent=above)

    def _open_above(self, entry: Entry) -> str:
        """The run of an arm, open; that of the sweep where there is one seed."""
        runs, key = self._runs, arm_key(entry.number)
        if self._showcase.has_one_seed:
            return runs[SWEEP]
        if not runs.reopened(key):
            runs.make(key, str(entry.arm), {"level": "arm"}, parent=runs[SWEEP])
            for own, note in self._cursor.items():
                if own.startswith(f"{entry.number}/"):  # of an arm that was lost
                    self._store.nest(note["run_id"], runs[key])
        if not self._cursor[key].get("described"):
            self._store.params(runs[key], dict(entry.arm))
            self._cursor.note(key, described=True)
        return runs[key]

    # ---- what they hold

    def _send(self, entry: Entry) -> None:
        self._open(entry)
        new = [own for own in entry.folder.measurements() if own.images > self._last(entry)]
        if new:
            # first the log: a run with points has one
            self._store.file(self._runs[entry.key], entry.folder.log)
            self._send_points(entry, new)
        shown = self._cursor[entry.key].get("pictures", -1)
        for images, path in entry.folder.pictures():
            if images > shown:
                self._store.picture(self._runs[entry.key], path, images=images)
                self._cursor.note(entry.key, pictures=images)

    def _last(self, entry: Entry) -> int:
        """Images of the last point that was sent, noted or not. A trial that goes on from a
        checkpoint measures again what came after it, at another time: MLflow would keep both."""
        if entry.key in self._runs.blank:
            return -1
        if entry.key not in self._sent:
            noted = self._cursor[entry.key].get("images", -1)
            sent = self._store.last_step(self._runs[entry.key], CLOCK)
            self._sent[entry.key] = max(noted, sent)
        return self._sent[entry.key]

    def _send_points(self, entry: Entry, new: list[Measurement]) -> None:
        self._runs.blank.discard(entry.key)
        self._sent.pop(entry.key, None)  # until there is an answer, only the store knows
        self._store.points(self._runs[entry.key], [_points(own) for own in new])
        self._cursor.note(entry.key, images=new[-1].images)
        self._sent[entry.key] = new[-1].images

    def _close(self, entry: Entry, result: Result) -> None:
        run_id = self._runs[entry.key]
        for path in entry.folder.exports():
            self._store.file(run_id, path)
        spent = {"seconds": result.seconds, "peak_memory_bytes": result.peak_memory_bytes}
        if result.images > max(self._last(entry), 0):
            gone = _gone(entry) if result.outcome == "diverged" else {}
            when = end_of(entry, result)
            last = Measurement(images=result.images, **spent, metrics=gone, timestamp_ms=when)
            self._send_points(entry, [last])
        self._showcase.send_finals(entry.key, [(entry, result)])
        end = json.dumps({"images": result.images, **spent})
        self._store.tag(run_id, {OUTCOME: result.outcome, "cause": result.cause, "end": end})
        if pictures := entry.folder.pictures():
            self._store.describe(run_id, self._showcase.picture_of(entry, pictures[-1][0]))
        if (failure := entry.folder.failure).exists():
            self._store.text(run_id, failure.read_text("utf-8"), failure.name)
        is_done = result.outcome != "failed"  # that is tried again by the next run
        self._runs.end(entry.key, _status(result), done=is_done, ended=_ended(result))


def _ended(result: Result) -> list[str | int]:
    """What of an end is noted: a result that was damaged is made again, perhaps to another end."""
    return [result.outcome, result.images]


def _status(result: Result) -> Status:
    match result.outcome:
        case "failed":
            return "FAILED"
        case "diverged" | "collapsed" | "pruned":
            return "KILLED"
        case _:
            return "FINISHED"


def _points(own: Measurement) -> list[Point]:
    """All that a measurement says, costs by the clock included."""
    spent = {CLOCK: own.seconds, MEMORY: float(own.peak_memory_bytes)}
    values = own.metrics | spent | {SYSTEM + name: value for name, value in own.system.items()}
    return [(name, value, own.timestamp_ms, own.images) for name, value in values.items()]


def _gone(entry: Entry) -> dict[str, float]:
    """The metrics of a student that diverged: else MLflow would show those from before."""
    measured = entry.folder.measurements()
    names = measured[-1].metrics if measured else ()
    return {name: math.nan for name in names if not name.startswith("cost/")}
