"""Makes MLflow's runs equal to a sweep's folders: whatever is missing there is sent, nothing twice.

A parent run for the sweep, a child for each arm, a grandchild for each seed (two levels where there
is one seed). What has been sent is noted in a cursor beside the folders, after the fact: a kill in
between sends again what MLflow already has, and MLflow ignores an equal point, its time included.
"""

import json
from typing import TYPE_CHECKING

from sid_sweep.spec import LOST, Sweep, digest, plain
from sid_sweep.spec.paths import leaves
from sid_sweep.trials import Entry, Measurement, Result, SweepFolder
from sid_sweep.trials.sweep_folder import RECORD

from .client import VIEW, absolute, connect, redact, ui_hint
from .cursor import Cursor
from .provenance import provenance
from .store import TAG, Point, Store
from .tracker import Tracker

if TYPE_CHECKING:
    from mlflow import MlflowClient

SWEEP = "sweep"  # key of the parent's note in the cursor


def track(sweep: Sweep, folder: SweepFolder, *, uri: str | None) -> Tracker:
    """A tracker that mirrors a sweep into the MLflow at `uri`; None: MLflow's default store."""

    def open_mirror() -> MlflowMirror:
        client = connect(uri)
        return MlflowMirror(client, sweep, cursor_of(folder, client.tracking_uri), uri=uri)

    name = redact(uri or "MLflow's default store")
    return Tracker(open_mirror, store=name, hint=ui_hint(uri))


def cursor_of(folder: SweepFolder, uri: str) -> Cursor:
    """What was sent from a sweep's folder to a store."""
    return Cursor(folder.cursor(digest({"uri": redact(absolute(uri))})))


def run_ids(folder: SweepFolder) -> dict[str, str]:
    """MLflow's run of each entry, by `Entry.key`, in the store that was last sent to."""
    for path in folder.cursors():
        return {key: note["run_id"] for key, note in Cursor(path).items() if "/" in key}
    return {}


class MlflowMirror:
    """The runs of one sweep in one MLflow store."""

    def __init__(
        self, client: "MlflowClient", sweep: Sweep, cursor: Cursor, *, uri: str | None = None
    ) -> None:
        self.sweep = sweep
        self._store = Store(client, sweep.sweep, description=sweep.question)
        self._cursor = cursor
        self._uri = uri
        self._ended: dict[int, dict[int, tuple[Result, int]]] = {}
        """By arm and seed, how a trial ended, and when in milliseconds."""
        self._open_parent()

    @property
    def hint(self) -> str:
        return ui_hint(self._uri, experiment_id=self._store.experiment_id)

    # ---- events

    def show(self, entry: Entry) -> None:
        if entry.folder.has_begun() and not self._cursor[entry.key].get("done"):
            self._send(entry)

    def end(self, entry: Entry, result: Result) -> None:
        if not self._cursor[entry.key].get("done"):
            self._send(entry)
            self._close(entry, result)
        ended = self._ended.setdefault(entry.number, {})
        ended[entry.seed] = (result, _end_of(entry))
        if self._is_complete(ended):
            self._end_of_arm(entry.number)

    def conclude(self, report: str, *, failed: bool) -> None:
        """Question and table become the description of the sweep's run, which ends; the arms have
        all the seeds that they get."""
        for number in self._ended:
            self._end_of_arm(number)
        self._store.describe(self._parent, f"{self._words()}\n{report}")
        self._store.text(self._parent, report, "table.md")
        self._store.end(self._parent, "FAILED" if failed else "FINISHED")

    def interrupt(self) -> None:
        """Killed, every run that is open, to be opened again by the next run of the sweep."""
        for key, note in self._cursor.items():
            if note.get("open"):
                self._store.end(note["run_id"], "KILLED")
                self._cursor.note(key, open=False)
        self._store.end(self._parent, "KILLED")

    # ---- the sweep

    @property
    def _parent(self) -> str:
        return self._cursor[SWEEP].get("run_id", "")

    def _open_parent(self) -> None:
        self._store.restore({own["run_id"] for _, own in self._cursor.items() if "run_id" in own})
        if self._parent and not self._store.reopen(self._parent):
            self._cursor.clear()  # the store was deleted or replaced: everything is sent anew
        if not self._parent:
            run_id = self._store.create(self.sweep.sweep, {"level": "sweep"}, parent="")
            self._cursor.note(SWEEP, run_id=run_id)
        self._store.describe(self._parent, self._words())
        self._store.view(VIEW, self._columns())
        self._store.json(self._parent, self.sweep.outline(), "question.json")
        self._store.json(self._parent, plain(self.sweep), RECORD)
        self._store.json(self._parent, provenance(), "provenance.json")

    def _columns(self) -> list[str]:
        """Of the runs table: metric, further metrics, knobs, outcome."""
        outline = self.sweep.outline()
        metrics = [f"metrics.`{name}`" for name in (outline["metric"], *outline["columns"])]
        params = [f"params.`{knob}`" for knob in self.sweep.domains]
        return [*metrics, *params, f"tags.`{TAG}outcome`"]

    def _words(self) -> str:
        sweep = self.sweep
        words = {"Question": sweep.question, "Expected": sweep.expect, "Found": sweep.found}
        return "".join(f"{name}: {text}\n\n" for name, text in words.items() if text)

    # ---- arms

    def _arm_run(self, entry: Entry) -> str:
        """The run of an arm, open; the parent where there is one seed."""
        if self._has_one_seed:
            return self._parent
        key = _arm_key(entry.number)
        note = self._cursor[key]
        if "run_id" not in note:
            run_id = self._store.create(str(entry.arm), {"level": "arm"}, parent=self._parent)
            self._cursor.note(key, run_id=run_id, open=True)
        elif not note.get("open"):
            self._store.reopen(note["run_id"])
            self._cursor.note(key, open=True)
        note = self._cursor[key]
        if not note.get("described"):
            self._store.params(note["run_id"], dict(entry.arm))
            self._cursor.note(key, described=True)
        return note["run_id"]

    @property
    def _has_one_seed(self) -> bool:
        return len(self.sweep.seeds.all) == 1

    def _is_complete(self, ended: dict[int, tuple[Result, int]]) -> bool:
        """Whether an arm has all the seeds of a phase, and none of a later one. Where fewer may do,
        only the end of the sweep says that it has all it gets."""
        seeds = self.sweep.seeds
        confirmed = set(seeds.confirm) & set(ended)
        return set(seeds.screen) <= set(ended) and len(confirmed) in (0, len(seeds.confirm))

    def _end_of_arm(self, number: int) -> None:
        """The mean over the seeds that the table reports, or over those that screened where the arm
        has no others, so that arms can be compared in the UI."""
        ended, note = self._ended[number], self._cursor[_arm_key(number)]
        signature = [[seed, result.outcome] for seed, (result, _) in sorted(ended.items())]
        known = all(pair in note.get("done", []) for pair in signature)
        if not note or (known and not note.get("open")):
            return
        confirmed = {seed: own for seed, own in ended.items() if seed in self.sweep.seeds.confirm}
        own = list((confirmed or ended).values())
        finished = [result for result, _ in own if result.outcome == "finished"]
        outcomes = [result.outcome for result, _ in own]
        if finished:
            images, now = max(r.images for r in finished), max(when for _, when in own)
            names = [n for n in finished[0].metrics if all(n in r.metrics for r in finished)]
            mean = self.sweep.mean
            means = {name: mean(name, (r.metrics[name] for r in finished)) for name in names}
            self._store.points(note["run_id"], [(k, v, now, images) for k, v in means.items()])
        counts = {name: str(outcomes.count(name)) for name in ("finished", *LOST)}
        self._store.tag(note["run_id"], counts)
        failed = any(result.outcome == "failed" for result, _ in ended.values())
        self._store.end(note["run_id"], "FAILED" if failed else "FINISHED")
        self._cursor.note(_arm_key(number), open=False, done=signature)

    # ---- seeds

    def _open(self, entry: Entry) -> str:
        """The run of a trial: created, opened again, or as it is."""
        note = self._cursor[entry.key]
        if "run_id" not in note:
            self._create(entry)
        elif not note.get("open"):
            self._arm_run(entry)
            self._store.reopen(note["run_id"])
            self._store.tag(note["run_id"], {"outcome": "running", "cause": "", "end": ""})
            self._cursor.note(entry.key, open=True)
        note = self._cursor[entry.key]
        if not note.get("described"):
            self._store.params(note["run_id"], dict(leaves(plain(entry.trial))))
            name = entry.folder.specification.name
            self._store.json(note["run_id"], plain(entry.trial), name)
            self._cursor.note(entry.key, described=True)
        return note["run_id"]

    def _create(self, entry: Entry) -> None:
        tags = {
            "level": "seed",
            "values": json.dumps(dict(entry.arm)),
            "arm": str(entry.number),
            "seed": str(entry.seed),
            "trial": entry.folder.path.name,
            "parent": self._parent,
            "outcome": "running",
        }
        name = str(entry.arm) if self._has_one_seed else str(entry)
        run_id = self._store.create(name, tags, parent=self._arm_run(entry))
        self._cursor.note(entry.key, run_id=run_id, open=True)

    def _send(self, entry: Entry) -> None:
        run_id, sent = self._open(entry), self._cursor[entry.key].get("images", -1)
        new = [own for own in entry.folder.measurements() if own.images > sent]
        if new:
            self._store.file(run_id, entry.folder.log)  # first: a run with points has a log
            self._store.points(run_id, [point for own in new for point in _points(own)])
            self._cursor.note(entry.key, images=new[-1].images)
        shown = self._cursor[entry.key].get("pictures", -1)
        for images, path in entry.folder.pictures():
            if images > shown:
                self._store.picture(run_id, path, images=images)
                self._cursor.note(entry.key, pictures=images)

    def _close(self, entry: Entry, result: Result) -> None:
        run_id = self._cursor[entry.key]["run_id"]
        for path in entry.folder.exports():
            self._store.file(run_id, path)
        spent = {"seconds": result.seconds, "peak_memory_bytes": result.peak_memory_bytes}
        if result.images > max(self._cursor[entry.key].get("images", -1), 0):
            last = Measurement(
                images=result.images, **spent, metrics={}, timestamp_ms=_end_of(entry)
            )
            self._store.points(run_id, _points(last))
        end = json.dumps({"images": result.images, **spent})
        self._store.tag(run_id, {"outcome": result.outcome, "cause": result.cause, "end": end})
        if entry.folder.failure.exists():
            failure = entry.folder.failure
            self._store.text(run_id, failure.read_text("utf-8"), failure.name)
        failed = result.outcome == "failed"  # tried again by the next run, so opened again
        self._store.end(run_id, "FAILED" if failed else "FINISHED")
        self._cursor.note(entry.key, open=False, done=not failed)


def _arm_key(number: int) -> str:
    return f"arm {number}"


def _points(own: Measurement) -> list[Point]:
    """All that a measurement says, costs by the clock included."""
    spent = {
        "cost/seconds": own.seconds,
        "cost/peak_memory_bytes": float(own.peak_memory_bytes),
    }
    values = own.metrics | spent
    return [(name, value, own.timestamp_ms, own.images) for name, value in values.items()]


def _end_of(entry: Entry) -> int:
    """When a trial ended, in milliseconds since 1970: the same whenever it is asked."""
    path = entry.folder.ending if entry.folder.ending.exists() else entry.folder.path
    return int(path.stat().st_mtime * 1000)
