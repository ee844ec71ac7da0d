"""The board: which arm leads, what runs, waits or is lost, and the time left."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sid_sweep.screen import Fitting, Hanging, duration, is_live
from sid_sweep.spec import SETTLED, Arm, Sweep, value_text
from sid_sweep.spec.sweep import GridSearch
from sid_sweep.trials import Entry, Result

CELLS = {
    "finished": ("■", "green"),
    "diverged": ("✕", "yellow"),
    "collapsed": ("∅", "yellow"),
    "pruned": ("–", "dim"),
    "failed": ("!", "bold red"),
    "running": ("▸", "cyan"),
    "interrupted": ("▹", "cyan"),
    "waiting": ("·", "dim"),
}
ENDS = (*SETTLED, "failed")
MAX_ROWS = 24  # of the live table; a longer sweep shows those on which something happens
LAYOUTS = (("values", "trained"), ("values", "trained", "."), ("trained", "."), LEAST := (".",))
ENOUGH = 0.25  # of a trial's work, before it tells how long the rest takes


@dataclass
class _Row:
    arm: Arm
    states: dict[int, str] = field(default_factory=dict)
    latest: dict[int, float] = field(default_factory=dict)
    """Objective metric of each seed, at its last evaluation."""
    parts: dict[int, float] = field(default_factory=dict)
    """Part of its budget that each seed without an end has spent."""
    before: dict[int, float] = field(default_factory=dict)
    """That part when this run of the command first heard of it."""
    heard: int = 0
    """Counts up: what happened last has the largest."""

    def has(self, state: str) -> bool:
        return state in self.states.values()


@dataclass(frozen=True)
class Known:
    """A trial that an earlier run of the command has begun."""

    arm: Arm
    seed: int
    standing: Result
    part: float
    """Of its budget that it has spent."""


class Board:
    """A watcher, and a picture that fits the console.

    What it counts is for the eyes; the truth is in the folders.
    """

    def __init__(
        self,
        sweep: Sweep,
        *,
        console: Console,
        known: Sequence[Known] = (),
        limits: object = "",
    ) -> None:
        """
        Args:
            limits: whose `str` says what is spent and left of them; "" where there are none.
        """
        self.sweep = sweep
        self._limits = limits
        self.console = console
        self.total = sweep.num_trials
        """Trials in all, at most: results may decide that fewer do."""
        self.rows: dict[Arm, _Row] = {}
        self.waits: Callable[[], str] = str
        """What trials wait for on a cluster, in words; "" where none does."""
        self._events = 0
        self._began = time.monotonic()
        self._first: tuple[Entry, int] | None = None  # to start here; its host's file before
        self._since: float | None = None  # from when on trials have trained
        for arm in sweep.grid() if isinstance(sweep.search, GridSearch) else ():
            self._row(arm)
        for trial in known:
            self._note(trial)

    def _note(self, trial: Known) -> None:
        row, seed, standing = self._row(trial.arm), trial.seed, trial.standing
        if standing.outcome in SETTLED:
            self._end(row, seed, standing)
            return
        row.parts[seed] = trial.part
        if standing.outcome == "running":  # what has failed waits for its next attempt
            row.states[seed] = "interrupted"

    # ---- events

    def foreseen(self, total: int) -> None:
        """How many trials there will be in all, at most, as the results so far decide."""
        self.total = total

    def started(self, entry: Entry) -> None:
        self._first = self._first or (entry, _written(entry))
        row = self._row(entry.arm)
        row.states[entry.seed] = "running"
        row.heard = self._tick()

    def progressed(self, entry: Entry, images: int, metrics: dict[str, float]) -> None:
        row = self._row(entry.arm)
        part = min(images / entry.trial.budget.images, 1.0)
        self._since = time.monotonic() if self._since is None else self._since
        row.before.setdefault(entry.seed, part)
        row.parts[entry.seed] = part
        if (value := metrics.get(self.sweep.objective.metric)) is not None:
            row.latest[entry.seed] = value

    def ended(self, entry: Entry, result: Result) -> None:
        row = self._row(entry.arm)
        fresh = row.states.get(entry.seed) == "running"
        if fresh:
            row.before.setdefault(entry.seed, 0.0)
            row.heard = self._tick()
            if self._since is None:
                self._since = time.monotonic() - result.seconds
        self._end(row, entry.seed, result)
        if fresh and not is_live(self.console):
            line = escape(self._line(entry, result))
            self.console.print(line, highlight=False, soft_wrap=True)

    def _end(self, row: _Row, seed: int, result: Result) -> None:
        row.states[seed] = result.outcome
        row.parts.pop(seed, None)
        row.latest.pop(seed, None)
        if result.outcome == "finished":
            row.latest[seed] = result.metrics[self.sweep.objective.metric]

    def interrupted(self, why: str = "") -> None:
        """Nothing: the command says it."""

    def concluded(self, report: str, *, failed: bool) -> None:
        """Nothing: the command shows the table."""

    # ---- figures

    @property
    def done(self) -> int:
        """Trials with an end."""
        return sum(map(self.count, ENDS))

    def count(self, state: str) -> int:
        """Trials in a state."""
        return sum(list(row.states.values()).count(state) for row in self._all())

    def means(self) -> dict[Arm, float]:
        """By arm, once all the seeds have finished that it gets in the phase that runs."""
        phase, metric = self._phase(), self.sweep.objective.metric
        found = {}
        for row in self._all():
            seeds = self._gets(row, phase)
            if seeds and all(row.states.get(seed) == "finished" for seed in seeds):
                found[row.arm] = self.sweep.mean(metric, [row.latest[seed] for seed in seeds])
        return found

    def leader(self) -> Arm | None:
        """The arm with the best mean so far; nobody where constraints are to be kept, which are
        known of ended arms, in the table."""
        if self.sweep.constraints:
            return None
        sign = 1 if self.sweep.objective.goal == "minimize" else -1
        means = self.means()
        return min(means, key=lambda arm: sign * means[arm]) if means else None

    def _phase(self) -> list[int]:
        """The seeds of the phase that runs: those that confirm, once any arm runs on them."""
        seeds = self.sweep.seeds
        confirms = any(not row.states.keys().isdisjoint(seeds.confirm) for row in self._all())
        return seeds.confirm if confirms else seeds.screen

    def _gets(self, row: _Row, phase: list[int]) -> list[int]:
        """The seeds of a phase that an arm gets for certain: all, unless results decide it."""
        seeds = self.sweep.seeds
        begun = [seed for seed in phase if seed in row.states]
        confirms = phase is seeds.confirm
        in_turn = seeds.until == "decided" if confirms else seeds.screened_in_turn
        return begun if in_turn or (confirms and not begun) else phase

    def remaining_seconds(self) -> float | None:
        """Time left at the rate since the first trial trains, counting parts of trials."""
        if self._since is None:
            return None
        rows = self._all()
        work = sum(
            (1.0 if row.states.get(seed) in ENDS else row.parts.get(seed, before)) - before
            for row in rows
            for seed, before in list(row.before.items())
        )
        if work < ENOUGH:
            return None
        left = self.total - self.done - sum(sum(list(row.parts.values())) for row in rows)
        return (time.monotonic() - self._since) / work * max(left, 0)

    # ---- words

    def __str__(self) -> str:
        """A line for where there is no picture."""
        return ", ".join(filter(None, (*self._summary(), str(self._limits))))

    def _summary(self) -> Iterator[str]:
        """What happens, the most important first."""
        yield f"{self.done} of {max(self.total, self.done)} done"
        parts = [part for row in self._all() for part in self._running(row)]
        far = f" (furthest {max(parts):.0%})" if parts else ""
        yield f"{self.count('running')} running{far}"
        for state in ("interrupted", *ENDS[1:]):
            if number := self.count(state):
                yield f"{number} {state}"
        if waits := self.waits():
            yield waits
        elif stage := self._stage():
            yield f"{stage} ({duration(time.monotonic() - self._began)})"
        if (leader := self.leader()) is not None:
            yield f"leading {leader}: {self.sweep.objective.metric} = {self.means()[leader]:.4g}"
        if (left := self.remaining_seconds()) is not None:
            yield f"{self._at_most()}about {duration(left)} left"

    def begin(self) -> None:
        """From here on it waits for the first trial."""
        self._began = time.monotonic()

    def _stage(self) -> str:
        """What is waited for, until the first trial of this run is heard of."""
        if self._since is not None:
            return ""
        if self._first is None:
            return "starting the first trial's process"
        entry, before = self._first
        if _written(entry) == before:
            return "the first trial's process is loading libraries"
        return "the first trial prepares, and is measured before it trains"

    def _line(self, entry: Entry, result: Result) -> str:
        metric = self.sweep.objective.metric
        value = f" {metric} = {result.metrics[metric]:.4g}" if metric in result.metrics else ""
        cause = f" ({result.cause})" if result.cause else ""
        left = self.remaining_seconds()
        eta = f", {self._at_most()}about {duration(left)} left" if left is not None else ""
        return (
            f"[{self.done}/{max(self.total, self.done)}] {entry}: "
            f"{result.outcome}{value}{cause} after {duration(result.seconds)}{eta}"
        )

    def _at_most(self) -> str:
        seeds = self.sweep.seeds
        return "at most " if seeds.screened_in_turn or seeds.until == "decided" else ""

    # ---- the picture

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        limits = str(self._limits)
        summaries = [Hanging(*self._summary()), *([Hanging(limits)] if limits else [])]
        yield from summaries
        yield Text()
        means, leader = self.means(), self.leader()
        above = sum(len(own.lines(console, options.max_width)) for own in summaries) + 1
        room = console.height - above - 1  # the cursor's
        broken = max(knob.count(".") for knob in self.sweep.domains) + 1
        rows = self._visible(leader, num=min(MAX_ROWS, max(room - broken - 1, 1)))
        yield Fitting([self._table(rows, means, leader, shown) for shown in LAYOUTS])
        if hidden := len(self.rows) - len(rows):
            yield Text(f"  and {hidden} more arms", style="dim")

    def _table(
        self, rows: list[_Row], means: dict[Arm, float], leader: Arm | None, shown: Sequence[str]
    ) -> Table:
        """With the columns `shown` beside those that are always there; "." breaks the names of
        knobs after their dots."""
        metric = self.sweep.objective.metric
        table = Table(box=None, padding=(0, 1), header_style="dim")
        for knob in self.sweep.domains:
            name = knob.replace(".", ".\n") if "." in shown else knob
            table.add_column(escape(name), no_wrap=shown != LEAST)
        table.add_column("seeds", no_wrap=True)
        if "trained" in shown:
            table.add_column("trained", justify="right", no_wrap=True)
        if "values" in shown:
            table.add_column(f"{metric} by seed", no_wrap=True)
        table.add_column(f"mean {metric}", justify="right", no_wrap=True)
        for row in rows:
            values = [row.arm.get(knob) for knob in self.sweep.domains]
            cells = ["" if value is None else escape(value_text(value)) for value in values]
            cells += [self._cells(row)]
            cells += [_trained(self._running(row))] * ("trained" in shown)
            cells += [self._values(row)] * ("values" in shown)
            mean = f"{means[row.arm]:.4g}" if row.arm in means else ""
            table.add_row(*cells, mean, style="bold" if row.arm == leader else "")
        return table

    def _cells(self, row: _Row) -> Text:
        """A sign for each seed that the arm gets, those that confirm apart."""
        seeds = self.sweep.seeds
        phases = [self._gets(row, phase) for phase in (seeds.screen, seeds.confirm)]
        shown = [[CELLS[row.states.get(s, "waiting")] for s in phase] for phase in phases if phase]
        return Text(" ").join(Text.assemble(*signs) for signs in shown)

    def _values(self, row: _Row) -> str:
        """The metric by seed, of the last phase that the arm is in."""
        latest = dict(row.latest)
        confirm = [seed for seed in self.sweep.seeds.confirm if seed in latest]
        return " ".join(f"{latest[seed]:.3g}" for seed in confirm or sorted(latest))

    def _running(self, row: _Row) -> list[float]:
        """The parts that its running trials have spent."""
        parts = list(row.parts.items())
        return [part for seed, part in parts if row.states.get(seed) == "running"]

    def _visible(self, leader: Arm | None, *, num: int) -> list[_Row]:
        """As many rows as there is room for: what leads, runs or was interrupted, what happened
        last, what waits; in their order."""
        rows = self._all()
        if len(rows) <= num:
            return rows

        def place(row: _Row) -> tuple[bool, bool, bool, int]:
            leads, runs, waits = row.arm == leader, row.has("running"), row.has("interrupted")
            return not leads, not runs, not waits, -row.heard

        chosen = {row.arm for row in sorted(rows, key=place)[:num]}
        return [row for row in rows if row.arm in chosen]

    # ---- rows

    def _row(self, arm: Arm) -> _Row:
        return self.rows.setdefault(arm, _Row(arm))

    def _all(self) -> list[_Row]:
        return list(self.rows.values())

    def _tick(self) -> int:
        self._events += 1
        return self._events


def _trained(parts: Iterable[float]) -> str:
    own = list(parts)
    return f"{sum(own) / len(own):.0%}" if own else ""


def _written(entry: Entry) -> int:
    """When its worker last noted what it computes on, which it does once it is loaded."""
    path = entry.folder.machine
    return path.stat().st_mtime_ns if path.exists() else 0
