"""Makes MLflow's runs equal to a sweep's folders: whatever is missing there is sent, nothing twice.

A parent run for the sweep, a child for each arm, a grandchild for each seed (two levels where there
is one seed). What has been sent is noted in a cursor beside the folders, after the fact. A kill in
between, or an answer that was lost, is made good by asking: runs carry the folder's identity and
their key in it, so that one that was made and not noted is found; a trial's points are sent from
where MLflow's end; and whatever else is sent, tags, files, pictures, replaces itself.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from sid_sweep.files import set_aside
from sid_sweep.spec import LOST, Sweep, departures, digest, plain
from sid_sweep.spec.paths import leaves
from sid_sweep.trials import Entry, Measurement, Result, SweepFolder
from sid_sweep.trials.sweep_folder import RECORD

from .client import absolute, connect_to_write, reason, redact, ui_hint
from .cursor import Cursor
from .identity import IDENTITY, identity
from .provenance import provenance
from .store import TAG, Point, Store, is_bare, picture_name
from .summary import CLOCK, MEMORY, Ending, best, course, end_of, finals, outcomes
from .tracker import Tracker
from .view import FINAL, SAMPLES, SHEET, run_page, shown, view_state

if TYPE_CHECKING:
    from mlflow import MlflowClient

SWEEP = "sweep"  # key of the parent's note in the cursor
ANSWER, TILES = "answer.md", "samples.png"  # what an exhibit may hold: words, and a sheet of arms
OUTCOME = "outcome"
DIGITS = 4  # of a value that is shown in a table; all of them stand in its curve
MOST_SHOWN = 6  # pictures of seeds in an arm's description

Exhibit = Callable[[], Mapping[str, str | bytes]]
"""What is made of a whole sweep for its run: files by their names."""


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


class MlflowMirror:
    """The runs of one sweep in one MLflow store."""

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
        self._store = Store(client, sweep.sweep, description=sweep.question)
        self._cursor = cursor
        self._identity = identity
        self._uri = uri
        self._exhibit = exhibit
        self._ended: dict[int, dict[int, Ending]] = {}
        """By arm and seed, how a trial ended."""
        self._sent: dict[str, int] = {}
        """Images of a run's last point, where that is known."""
        self._met: set[str] = set()
        """Whose run the store is known to have."""
        self._asked: set[str] = set()
        """For which a run was asked for; whether one was made is known once it is noted."""
        self.is_drawing = False
        self._is_late = False
        """Whether one may still be made that was asked for twice."""
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
        ended[entry.seed] = (entry, result)
        if self._is_complete(ended):
            self._end_of_arm(entry.number)

    def conclude(self, report: str, *, failed: bool) -> None:
        """Question and table become the description of the sweep's run, which ends; the arms have
        all the seeds that they get."""
        for number in self._ended:
            self._end_of_arm(number, is_over=True)
        self._settle()
        self._sum_up()
        self._describe(report)
        self._store.text(self._parent, report, "table.md")
        self._store.end(self._parent, "FAILED" if failed else "FINISHED")
        self._show_all(report)

    def interrupt(self, why: str = "") -> None:
        """Killed, every run that is open, to be opened again by the next run of the sweep."""
        self._settle()
        ended = outcomes(self.sweep, self._all_ended())
        words = filter(None, (ended, why or "interrupted"))
        self._store.tag(self._parent, {OUTCOME: "; ".join(words)})
        for key, note in self._cursor.items():
            if note.get("open") and key != SWEEP:
                self._store.end(note["run_id"], "KILLED")
                self._cursor.note(key, open=False)
        self._store.end(self._parent, "KILLED")

    # ---- the sweep

    @property
    def _parent(self) -> str:
        return self._cursor[SWEEP].get("run_id", "")

    def _open_parent(self) -> None:
        self._store.restore(self._identity)
        if self._parent:
            if self._store.reopen(self._parent):
                self._store.tag(self._parent, {OUTCOME: "running"})
            else:
                self._cursor.clear()  # the store was deleted or replaced: everything is sent anew
        if not self._cursor[IDENTITY]:
            self._cursor.note(IDENTITY, value=self._identity)
        known = self._parent
        self._adopt()
        if not self._parent:
            self._make(SWEEP, self.sweep.sweep, {"level": "sweep"}, parent="")
        elif self._parent != known:
            self._store.reopen(self._parent)
        self._store.introduce(run_page(self._store.experiment_id, self._parent))
        self._store.describe(self._parent, self._words())
        places = {"level": f"{TAG}level", "outcome": f"{TAG}{OUTCOME}"}
        self._store.view(view_state(self.sweep, **places, nested=not self._has_one_seed))
        self._store.json(self._parent, self.sweep.outline(), "question.json")
        self._store.json(self._parent, plain(self.sweep), RECORD)
        self._store.json(self._parent, provenance(), "provenance.json")

    def _make(self, key: str, name: str, tags: dict[str, str], *, parent: str) -> None:
        """A new run for `key`, unless one was made that nobody noted."""
        if key in self._asked:
            self._is_late = True
            self._adopt()
        if "run_id" in self._cursor[key]:
            return
        self._asked.add(key)
        own = tags | {"key": key, IDENTITY: self._identity}
        run_id = self._store.create(name, own, parent=parent)
        self._cursor.note(key, run_id=run_id, open=True)
        self._sent[key] = -1
        self._met.add(key)
        self._asked.discard(key)

    def _adopt(self) -> None:
        """Note the runs of this folder that no note names, and disown those that stand twice: a
        server that hung may have made one long after nobody waited for it any more."""
        known = {note["run_id"] for _, note in self._cursor.items() if "run_id" in note}
        for run in self._store.unknown(self._identity, known):
            key, is_open = run.data.tags[f"{TAG}key"], run.info.status == "RUNNING"
            if "run_id" not in self._cursor[key]:
                self._cursor.note(key, run_id=run.info.run_id, open=is_open)
            elif is_bare(run):
                self._store.disown(run.info.run_id)

    def _settle(self) -> None:
        """Before the end: look for what was made late, where that can be."""
        if self._is_late:
            self._adopt()

    def _sum_up(self) -> None:
        """How all trials ended, and the value of the best arm."""
        self._store.tag(self._parent, {OUTCOME: outcomes(self.sweep, self._all_ended())})
        self._send_finals(SWEEP, best(self.sweep, [self._reported(n) for n in self._ended]))

    def _all_ended(self) -> list[Ending]:
        return [pair for own in self._ended.values() for pair in own.values()]

    def _show_all(self, report: str) -> None:
        """The exhibit, which is made once of the same table: it takes seconds. Where there is none,
        words and table stand."""
        signature = digest({"report": report})
        if self._cursor[SWEEP].get("shown") != signature:
            if not (found := self._drawn()):
                return
            for name, content in found.items():
                self._store.content(self._parent, content, name)
            if isinstance(tiles := found.get(TILES), bytes):
                self._store.sheet(self._parent, tiles, name=TILES, key=SHEET)
            told = {"answer": str(found.get(ANSWER, "")), "sheet": TILES in found}
            self._cursor.note(SWEEP, shown=signature, **told)
        note, sheet = self._cursor[SWEEP], ""
        if note["sheet"]:
            sheet = shown("samples of all arms", run_id=self._parent, path=TILES)
        self._describe(report, note["answer"], sheet)

    def _describe(self, report: str, *above: str) -> None:
        parts = (*above, self._words().strip(), report)
        self._store.describe(self._parent, "\n\n".join(filter(None, parts)))

    def _drawn(self) -> Mapping[str, str | bytes]:
        self.is_drawing = True
        try:
            return self._exhibit()
        finally:
            self.is_drawing = False

    def _words(self) -> str:
        sweep = self.sweep
        words = {"Question": sweep.question, "Expected": sweep.expect, "Found": sweep.found}
        return "".join(f"{name}: {text}\n\n" for name, text in words.items() if text)

    def _reopened(self, key: str) -> str | None:
        """The run that is noted for `key`, open; None where there is none, or where the store has
        lost it for ever, as `mlflow gc` does."""
        note = self._cursor[key]
        if "run_id" not in note or (note.get("open") and key in self._met):
            return note.get("run_id")
        if not self._store.reopen(note["run_id"]):
            self._cursor.forget(key)
            return None
        if not note.get("open"):
            self._cursor.note(key, open=True)
        self._met.add(key)
        return note["run_id"]

    # ---- arms

    def _arm_run(self, entry: Entry) -> str:
        """The run of an arm, open; the parent where there is one seed."""
        if self._has_one_seed:
            return self._parent
        key = _arm_key(entry.number)
        if self._reopened(key) is None:
            self._make(key, str(entry.arm), {"level": "arm"}, parent=self._parent)
            for own, note in self._cursor.items():
                if own.startswith(f"{entry.number}/"):  # of an arm that was lost
                    self._store.nest(note["run_id"], self._cursor[key]["run_id"])
        note = self._cursor[key]
        if not note.get("described"):
            self._store.params(note["run_id"], dict(entry.arm))
            self._cursor.note(key, described=True)
        return note["run_id"]

    @property
    def _has_one_seed(self) -> bool:
        return len(self.sweep.seeds.all) == 1

    def _is_complete(self, ended: dict[int, tuple[Entry, Result]]) -> bool:
        """Whether an arm has all the seeds of a phase, and none of a later one. Where fewer may do,
        only the end of the sweep says that it has all it gets."""
        seeds = self.sweep.seeds
        confirmed = set(seeds.confirm) & set(ended)
        return set(seeds.screen) <= set(ended) and len(confirmed) in (0, len(seeds.confirm))

    def _end_of_arm(self, number: int, *, is_over: bool = False) -> None:
        """How its seeds ended, and what they have in common, so that arms can be compared in the
        UI: of the seeds that the table reports, or of those that screened where it has no others.

        Args:
            is_over: whether no arm gets any further seed.
        """
        ended, note = self._ended[number], self._cursor[_arm_key(number)]
        signature = [[seed, result.outcome] for seed, (_, result) in sorted(ended.items())]
        is_known = all(pair in note.get("done", []) for pair in signature)
        is_last = is_over or not self.sweep.seeds.confirm or self._is_confirmed(number)
        is_shown = note.get("curves") or not is_last
        if not note or (is_known and is_shown and not note.get("open")):
            return
        own = self._reported(number)
        num = Counter(result.outcome for _, result in own)
        self._send_finals(_arm_key(number), own)
        if is_last and not num["failed"]:
            self._send_course(number, [pair for pair in own if pair[1].outcome == "finished"])
            self._show_arm(number, own)
        counts = {name: str(num[name]) for name in ("finished", *LOST)}
        self._store.tag(note["run_id"], counts | {OUTCOME: outcomes(self.sweep, own)})
        failed = any(result.outcome == "failed" for _, result in ended.values())
        over = "FINISHED" if num["finished"] else "KILLED"
        self._store.end(note["run_id"], "FAILED" if failed else over)
        self._cursor.note(_arm_key(number), open=False, done=signature, curves=is_last)

    def _reported(self, number: int) -> list[Ending]:
        ended = self._ended[number]
        confirmed = {seed: own for seed, own in ended.items() if seed in self.sweep.seeds.confirm}
        return list((confirmed or ended).values())

    def _is_confirmed(self, number: int) -> bool:
        return bool(set(self.sweep.seeds.confirm) & set(self._ended[number]))

    def _send_finals(self, key: str, own: Sequence[Ending]) -> None:
        """At no image, as what has no course: MLflow then draws bars, and it shows all digits that
        it has. Where there was a value, and a further seed has none, the value is taken back."""
        values, note = finals(self.sweep, own), self._cursor[key]
        names = [*values, *(name for name in note.get("finals", ()) if name not in values)]
        if not names:
            return
        when = max((end_of(*pair) for pair in own), default=note.get("when", 0))
        shown = {name: float(f"{value:.{DIGITS}g}") for name, value in values.items()}
        points = [(f"{FINAL}{n}", shown.get(n, math.nan), when, 0) for n in names]
        if "finals" in note:
            self._store.supersede(note["run_id"], points)
        else:
            self._store.points(note["run_id"], [points])
        self._cursor.note(key, finals=names, when=when)

    def _send_course(self, number: int, finished: list[Ending]) -> None:
        """Means over images."""
        points, key = course(self.sweep, finished), _arm_key(number)
        if self._sent.pop(key, None) == -1:
            self._store.points(self._cursor[key]["run_id"], [[own] for own in points])
        else:
            self._store.supersede(self._cursor[key]["run_id"], points)

    def _show_arm(self, number: int, own: Sequence[Ending]) -> None:
        """What its students draw: that of one seed among the arm's pictures, some in its words."""
        run_id = self._cursor[_arm_key(number)]["run_id"]
        drawn = [(entry, entry.folder.pictures()[-1:]) for entry, _ in own]
        found = [(entry, pictures[0]) for entry, pictures in drawn if pictures]
        if not found:
            return
        self._store.picture(run_id, found[0][1][1], images=0)
        tiles = [self._shown(entry, images) for entry, (images, _) in found[:MOST_SHOWN]]
        self._store.describe(run_id, " ".join(tiles))

    def _shown(self, entry: Entry, images: int) -> str:
        path = f"images/{picture_name(images, key=SAMPLES)}.png"
        return shown(f"seed {entry.seed}", run_id=self._cursor[entry.key]["run_id"], path=path)

    # ---- seeds

    def _open(self, entry: Entry) -> str:
        """The run of a trial: created, opened again, or as it is."""
        was_open, was_met = self._cursor[entry.key].get("open"), entry.key in self._met
        run_id = self._reopened(entry.key)
        if run_id is None:
            self._make_seed(entry)
        else:
            if not was_met:
                self._arm_run(entry)
            if not was_open:
                self._store.tag(run_id, {OUTCOME: "running", "cause": "", "end": ""})
        note = self._cursor[entry.key]
        if not note.get("described"):
            own = dict(leaves(departures(entry.trial))) | dict(entry.arm)
            self._store.params(note["run_id"], {"seed": entry.seed} | own)
            name = entry.folder.specification.name
            self._store.json(note["run_id"], plain(entry.trial), name)
            self._cursor.note(entry.key, described=True)
        return note["run_id"]

    def _make_seed(self, entry: Entry) -> None:
        tags = {
            "level": "seed",
            "values": json.dumps(dict(entry.arm)),
            "arm": str(entry.number),
            "seed": str(entry.seed),
            "trial": entry.folder.path.name,
            "parent": self._parent,
            OUTCOME: "running",
        }
        name = str(entry.arm) if self._has_one_seed else str(entry)
        self._make(entry.key, name, tags, parent=self._arm_run(entry))

    def _send(self, entry: Entry) -> None:
        run_id = self._open(entry)
        new = [own for own in entry.folder.measurements() if own.images > self._last(entry)]
        if new:
            self._store.file(run_id, entry.folder.log)  # first: a run with points has a log
            self._send_points(entry, new)
        shown = self._cursor[entry.key].get("pictures", -1)
        for images, path in entry.folder.pictures():
            if images > shown:
                self._store.picture(run_id, path, images=images)
                self._cursor.note(entry.key, pictures=images)

    def _last(self, entry: Entry) -> int:
        """Images of the last point that was sent, noted or not. A trial that goes on from a
        checkpoint measures again what came after it, at another time: MLflow would keep both."""
        if (last := self._sent.get(entry.key)) is None:
            note = self._cursor[entry.key]
            last = max(note.get("images", -1), self._store.last_step(note["run_id"], CLOCK))
            self._sent[entry.key] = last
        return last

    def _send_points(self, entry: Entry, new: list[Measurement]) -> None:
        self._sent.pop(entry.key, None)  # until there is an answer, only the store knows
        self._store.points(self._cursor[entry.key]["run_id"], [_points(own) for own in new])
        self._cursor.note(entry.key, images=new[-1].images)
        self._sent[entry.key] = new[-1].images

    def _close(self, entry: Entry, result: Result) -> None:
        run_id = self._cursor[entry.key]["run_id"]
        for path in entry.folder.exports():
            self._store.file(run_id, path)
        spent = {"seconds": result.seconds, "peak_memory_bytes": result.peak_memory_bytes}
        when = end_of(entry, result)
        if result.images > max(self._last(entry), 0):
            gone = self._gone(entry) if result.outcome == "diverged" else {}
            last = Measurement(images=result.images, **spent, metrics=gone, timestamp_ms=when)
            self._send_points(entry, [last])
        self._send_finals(entry.key, [(entry, result)])
        end = json.dumps({"images": result.images, **spent})
        self._store.tag(run_id, {OUTCOME: result.outcome, "cause": result.cause, "end": end})
        if pictures := entry.folder.pictures():
            self._store.describe(run_id, self._shown(entry, pictures[-1][0]))
        if entry.folder.failure.exists():
            failure = entry.folder.failure
            self._store.text(run_id, failure.read_text("utf-8"), failure.name)
        failed = result.outcome == "failed"  # tried again by the next run, so opened again
        over = "KILLED" if result.outcome == "diverged" else "FINISHED"
        self._store.end(run_id, "FAILED" if failed else over)
        self._cursor.note(entry.key, open=False, done=not failed)

    @staticmethod
    def _gone(entry: Entry) -> dict[str, float]:
        """The metrics of a student that diverged: else MLflow would show those from before."""
        measured = entry.folder.measurements()
        names = measured[-1].metrics if measured else ()
        return {name: math.nan for name in names if not name.startswith("cost/")}


def _arm_key(number: int) -> str:
    return f"arm {number}"


def _points(own: Measurement) -> list[Point]:
    """All that a measurement says, costs by the clock included."""
    spent = {CLOCK: own.seconds, MEMORY: float(own.peak_memory_bytes)}
    values = own.metrics | spent
    return [(name, value, own.timestamp_ms, own.images) for name, value in values.items()]
