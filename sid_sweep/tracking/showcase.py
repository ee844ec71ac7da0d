"""What MLflow shows of trials together: the means of an arm, a sweep's answer, table and sheet.

All of it follows from folders that no longer change, and whatever is sent replaces itself or stands
for what was there: it may be sent again at any time.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from sid_sweep.spec import SETTLED, Sweep, digest, plain
from sid_sweep.trials import Entry, Result
from sid_sweep.trials.sweep_folder import RECORD

from .provenance import provenance
from .runs import SWEEP, Runs, arm_key
from .store import TAG, picture_name
from .summary import Ending, best, course, end_of, finals, outcomes
from .view import FINAL, SAMPLES, SHEET, run_page, shown, view_state

ANSWER, TILES = "answer.md", "samples.png"  # what an exhibit may hold: words, and a sheet of arms
OUTCOME = "outcome"
DIGITS = 4  # of a value that is shown in a table; all of them stand in its curve
MOST_SHOWN = 6  # pictures of seeds in an arm's description

Exhibit = Callable[[], Mapping[str, str | bytes]]
"""What is made of a whole sweep for its run: files by their names."""


class Showcase:
    """The runs of arms and sweep, beside those of the trials."""

    def __init__(self, sweep: Sweep, runs: Runs, *, exhibit: Exhibit) -> None:
        """
        Args:
            exhibit: called once all trials have an end.
        """
        self.is_drawing = False
        """Whether the exhibit is being made, which takes seconds."""
        self._sweep, self._runs, self._store = sweep, runs, runs.store
        self._exhibit = exhibit
        self._ended: dict[int, dict[int, Ending]] = {}
        """By arm and seed, how a trial ended."""

    @property
    def has_one_seed(self) -> bool:
        """Then no arm has a run of its own."""
        return len(self._sweep.seeds.all) == 1

    def open(self) -> None:
        """The sweep's run, and the page of its experiment, before there is a result."""
        store, parent = self._store, self._runs[SWEEP]
        store.tag(parent, {OUTCOME: "running"})
        store.introduce(run_page(store.experiment_id, parent))
        store.describe(parent, self._words())
        places = {"level": f"{TAG}level", "outcome": f"{TAG}{OUTCOME}"}
        store.view(view_state(self._sweep, **places, nested=not self.has_one_seed))
        store.json(parent, self._sweep.outline(), "question.json")
        store.json(parent, plain(self._sweep), RECORD)
        store.json(parent, provenance(), "provenance.json")

    def add(self, entry: Entry, result: Result) -> None:
        """A trial has ended; with the last of a phase its arm has."""
        ended = self._ended.setdefault(entry.number, {})
        ended[entry.seed] = (entry, result)
        if self._is_complete(ended):
            self._end_of_arm(entry.number)

    def interrupt(self, why: str) -> None:
        """What has ended so far, and why the rest has not; "": somebody stopped it."""
        words = filter(None, (outcomes(self._sweep, self._all_ended()), why or "interrupted"))
        self._store.tag(self._runs[SWEEP], {OUTCOME: "; ".join(words)})

    def close(self, report: str, *, failed: bool) -> None:
        """Question and table become the description of the sweep's run, which ends; the arms have
        all the seeds that they get."""
        for number in self._ended:
            self._end_of_arm(number, is_over=True)
        self._runs.settle()
        self._sum_up()
        parent = self._runs[SWEEP]
        self._describe(report)
        self._store.text(parent, report, "table.md")
        self._store.end(parent, "FAILED" if failed else "FINISHED")
        self._show_all(report)

    def send_finals(self, key: str, own: Sequence[Ending]) -> None:
        """At no image, as what has no course: MLflow then draws bars, and it shows all digits that
        it has. Where there was a value, and a further seed has none, the value is taken back."""
        values, note = finals(self._sweep, own), self._runs.cursor[key]
        names = [*values, *(name for name in note.get("finals", ()) if name not in values)]
        if not names:
            return
        when = max((end_of(*pair) for pair in own), default=note.get("when", 0))
        rounded = {name: float(f"{value:.{DIGITS}g}") for name, value in values.items()}
        points = [(f"{FINAL}{n}", rounded.get(n, math.nan), when, 0) for n in names]
        if "finals" in note:
            self._store.supersede(self._runs[key], points)
        else:
            self._store.points(self._runs[key], [points])
        self._runs.cursor.note(key, finals=names, when=when)

    def picture_of(self, entry: Entry, images: int) -> str:
        """Markdown of what a trial's student drew."""
        path = f"images/{picture_name(images, key=SAMPLES)}.png"
        return shown(f"seed {entry.seed}", run_id=self._runs[entry.key], path=path)

    # ---- the sweep

    def _sum_up(self) -> None:
        """How all trials ended, and the value of the best arm."""
        self._store.tag(self._runs[SWEEP], {OUTCOME: outcomes(self._sweep, self._all_ended())})
        self.send_finals(SWEEP, best(self._sweep, [self._reported(n) for n in self._ended]))

    def _all_ended(self) -> list[Ending]:
        return [pair for own in self._ended.values() for pair in own.values()]

    def _show_all(self, report: str) -> None:
        """The exhibit, which is made once of the same table: it takes seconds. Where there is none,
        words and table stand."""
        signature, cursor = digest({"report": report}), self._runs.cursor
        if cursor[SWEEP].get("shown") != signature:
            if not (found := self._drawn()):
                return
            for name, content in found.items():
                self._store.content(self._runs[SWEEP], content, name)
            if isinstance(tiles := found.get(TILES), bytes):
                self._store.sheet(self._runs[SWEEP], tiles, name=TILES, key=SHEET)
            told = {"answer": str(found.get(ANSWER, "")), "sheet": TILES in found}
            cursor.note(SWEEP, shown=signature, **told)
        note, sheet = cursor[SWEEP], ""
        if note["sheet"]:
            sheet = shown("samples of all arms", run_id=self._runs[SWEEP], path=TILES)
        self._describe(report, note["answer"], sheet)

    def _drawn(self) -> Mapping[str, str | bytes]:
        self.is_drawing = True
        try:
            return self._exhibit()
        finally:
            self.is_drawing = False

    def _describe(self, report: str, *above: str) -> None:
        parts = (*above, self._words().strip(), report)
        self._store.describe(self._runs[SWEEP], "\n\n".join(filter(None, parts)))

    def _words(self) -> str:
        sweep = self._sweep
        words = {"Question": sweep.question, "Expected": sweep.expect}
        words["Found before, as its file says"] = sweep.found
        return "".join(f"{name}: {text}\n\n" for name, text in words.items() if text)

    # ---- arms

    def _is_complete(self, ended: dict[int, Ending]) -> bool:
        """Whether an arm has all the seeds of a phase, and none of a later one, or was given up.
        Where fewer may do, only the end of the sweep says that it has all it gets."""
        seeds = self._sweep.seeds
        if any(result.outcome == "pruned" for _, result in ended.values()):
            return True
        confirmed = set(seeds.confirm) & set(ended)
        return set(seeds.screen) <= set(ended) and len(confirmed) in (0, len(seeds.confirm))

    def _end_of_arm(self, number: int, *, is_over: bool = False) -> None:
        """How its seeds ended, and what they have in common, so that arms can be compared in the
        UI: of the seeds that the table reports, or of those that screened where it has no others.

        Args:
            is_over: whether no arm gets any further seed.
        """
        key, ended = arm_key(number), self._ended[number]
        note = self._runs.cursor[key]
        signature = [[seed, result.outcome] for seed, (_, result) in sorted(ended.items())]
        is_known = all(pair in note.get("done", []) for pair in signature)
        is_last = is_over or not self._sweep.seeds.confirm or self._is_confirmed(number)
        is_shown = note.get("curves") or not is_last
        if not note or (is_known and is_shown and not note.get("open")):
            return
        own = self._reported(number)
        num = Counter(result.outcome for _, result in own)
        self.send_finals(key, own)
        if is_last and not num["failed"]:
            self._send_course(key, [pair for pair in own if pair[1].outcome == "finished"])
            self._show_arm(key, own)
        counts = {name: str(num[name]) for name in (*SETTLED, "failed")}
        self._store.tag(self._runs[key], counts | {OUTCOME: outcomes(self._sweep, own)})
        failed = any(result.outcome == "failed" for _, result in ended.values())
        over = "FINISHED" if num["finished"] and not num["pruned"] else "KILLED"
        self._runs.end(key, "FAILED" if failed else over, done=signature, curves=is_last)

    def _reported(self, number: int) -> list[Ending]:
        ended = self._ended[number]
        confirmed = {seed: own for seed, own in ended.items() if seed in self._sweep.seeds.confirm}
        return list((confirmed or ended).values())

    def _is_confirmed(self, number: int) -> bool:
        return bool(set(self._sweep.seeds.confirm) & set(self._ended[number]))

    def _send_course(self, key: str, finished: list[Ending]) -> None:
        """Means over images."""
        points = course(self._sweep, finished)
        if key in self._runs.blank:
            self._runs.blank.discard(key)
            self._store.points(self._runs[key], [[own] for own in points])
        else:
            self._store.supersede(self._runs[key], points)

    def _show_arm(self, key: str, own: Sequence[Ending]) -> None:
        """What its students draw: that of one seed among the arm's pictures, some in its words."""
        drawn = [(entry, entry.folder.pictures()[-1:]) for entry, _ in own]
        found = [(entry, pictures[0]) for entry, pictures in drawn if pictures]
        if not found:
            return
        self._store.picture(self._runs[key], found[0][1][1], images=0)
        tiles = [self.picture_of(entry, images) for entry, (images, _) in found[:MOST_SHOWN]]
        self._store.describe(self._runs[key], " ".join(tiles))
