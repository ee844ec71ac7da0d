"""What the user sees: the plan, a live board while the sweep runs, plain lines where there is no
terminal."""

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sid_sweep.spec import LOST, Arm, Sweep, value_text
from sid_sweep.trials import Entry, Result

CELLS = {
    "finished": ("■", "green"),
    "diverged": ("✕", "yellow"),
    "failed": ("!", "bold red"),
    "running": ("▸", "cyan"),
    "waiting": ("·", "dim"),
}
MAX_ROWS = 24  # of the live table; a longer sweep shows the leading, the running and the newest


def duration(seconds: float) -> str:
    """`9 s`, `2 min 05 s`, `3 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


@dataclass
class _Row:
    arm: Arm
    states: dict[int, str] = field(default_factory=dict)
    latest: dict[int, float] = field(default_factory=dict)
    """Objective metric of each seed, at its last evaluation."""
    trained: dict[int, float] = field(default_factory=dict)
    """Part of the budget that each running seed has spent."""


class Board(AbstractContextManager["Board"]):
    """A watcher that shows which arm leads, what is running, done or lost, and the time left.

    What it counts is for the eyes; the truth is in the folders.
    """

    def __init__(self, sweep: Sweep, *, console: Console) -> None:
        self.sweep = sweep
        self.console = console
        self.total = sweep.num_trials
        """Trials in all, at most: results may decide that fewer do."""
        self.rows: dict[int, _Row] = {}
        self._began = time.monotonic()
        self._ready = 0  # trials that were done before this run began
        self._live = Live(
            console=console,
            get_renderable=self.render,
            refresh_per_second=2,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> "Board":
        if self.console.is_terminal:
            self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.console.is_terminal:
            self._live.__exit__(kind, error, trace)

    # ---- events

    def foreseen(self, total: int) -> None:
        """How many trials there will be in all, at most, as the results so far decide."""
        self.total = total

    def started(self, entry: Entry) -> None:
        self._row(entry).states[entry.seed] = "running"

    def progressed(self, entry: Entry, images: int, metrics: dict[str, float]) -> None:
        row = self._row(entry)
        row.trained[entry.seed] = min(images / entry.trial.budget.images, 1.0)
        if (value := metrics.get(self.sweep.objective.metric)) is not None:
            row.latest[entry.seed] = value

    def ended(self, entry: Entry, result: Result) -> None:
        row = self._row(entry)
        fresh = row.states.get(entry.seed) == "running"
        self._ready += not fresh
        row.states[entry.seed] = result.outcome
        row.trained.pop(entry.seed, None)
        row.latest.pop(entry.seed, None)
        if result.outcome == "finished":
            row.latest[entry.seed] = result.metrics[self.sweep.objective.metric]
        if fresh and not self.console.is_terminal:
            line = escape(self._line(entry, result))
            self.console.print(line, highlight=False, soft_wrap=True)

    def interrupted(self) -> None:
        """Nothing: the command says it."""

    def concluded(self, report: str, *, failed: bool) -> None:
        """Nothing: the command shows the table."""

    # ---- figures

    @property
    def done(self) -> int:
        """Trials with an end."""
        return sum(self.count(outcome) for outcome in ("finished", *LOST))

    def count(self, state: str) -> int:
        """Trials in a state."""
        return sum(list(row.states.values()).count(state) for row in self.rows.values())

    def mean(self, row: _Row) -> float | None:
        """The arm's mean, once all the seeds have finished that it gets in the phase that runs."""
        states = {seed: row.states.get(seed) for seed in self._gets(row, self._phase())}
        if not states or set(states.values()) != {"finished"}:
            return None
        metric = self.sweep.objective.metric
        return self.sweep.mean(metric, (row.latest[seed] for seed in states))

    def leader(self) -> _Row | None:
        """The arm with the best mean so far."""
        means = [(mean, row) for row in self.rows.values() if (mean := self.mean(row)) is not None]
        sign = 1 if self.sweep.objective.goal == "minimize" else -1
        return min(means, key=lambda pair: sign * pair[0])[1] if means else None

    def _phase(self) -> list[int]:
        """The seeds of the phase that runs: those that confirm, once any arm runs on them."""
        seeds, rows = self.sweep.seeds, list(self.rows.values())
        confirms = any(not row.states.keys().isdisjoint(seeds.confirm) for row in rows)
        return seeds.confirm if confirms else seeds.screen

    def _gets(self, row: _Row, phase: list[int]) -> list[int]:
        """The seeds of a phase that an arm gets for certain: all, unless results decide it."""
        seeds = self.sweep.seeds
        begun = [seed for seed in phase if seed in row.states]
        confirms = phase is seeds.confirm
        in_turn = seeds.until == "decided" if confirms else seeds.screened_in_turn
        return begun if in_turn or (confirms and not begun) else phase

    def remaining_seconds(self) -> float | None:
        """Time left at the rate so far, counting the parts of running trials."""
        partial = sum(sum(row.trained.values()) for row in list(self.rows.values()))
        work = self.done - self._ready + partial
        if work < 0.25:
            return None
        elapsed = time.monotonic() - self._began
        return elapsed / work * max(self.total - self.done - partial, 0)

    # ---- pictures

    def render(self) -> RenderableType:
        """The whole board."""
        metric = self.sweep.objective.metric
        table = Table(box=None, padding=(0, 2), header_style="dim")
        for knob in self.sweep.domains:
            table.add_column(escape(knob))
        table.add_column("seeds")
        table.add_column("trained", justify="right")
        table.add_column(f"{metric} by seed")
        table.add_column("mean", justify="right")
        leader = self.leader()
        for row in self._visible(leader):
            mean = self.mean(row)
            trained = list(row.trained.values())
            values = [row.arm.get(knob) for knob in self.sweep.domains]
            table.add_row(
                *["" if value is None else escape(value_text(value)) for value in values],
                self._cells(row),
                f"{sum(trained) / len(trained):.0%}" if trained else "",
                self._values(row),
                "" if mean is None else f"{mean:.4g}",
                style="bold" if row is leader else "",
            )
        return Group(self._summary(), table)

    def _cells(self, row: _Row) -> Text:
        """A sign for each seed that the arm gets, those that confirm apart."""
        seeds = self.sweep.seeds
        phases = [self._gets(row, phase) for phase in (seeds.screen, seeds.confirm)]
        shown = [[CELLS[row.states.get(s, "waiting")] for s in phase] for phase in phases if phase]
        return Text(" ").join(Text.assemble(*signs) for signs in shown)

    def _values(self, row: _Row) -> str:
        """The metric by seed, of the last phase that the arm is in."""
        confirm = [seed for seed in self.sweep.seeds.confirm if seed in row.latest]
        values = [row.latest[seed] for seed in confirm or sorted(row.latest)]
        return " ".join(f"{value:.3g}" for value in values)

    def _visible(self, leader: _Row | None) -> Iterable[_Row]:
        rows = list(self.rows.values())
        if len(rows) <= MAX_ROWS:
            return rows
        busy = [row for row in rows if row is leader or "running" in row.states.values()]
        return (busy + [row for row in reversed(rows) if row not in busy])[:MAX_ROWS]

    def _summary(self) -> Text:
        parts = [f"{self.done}/{self.total} done", f"{self.count('running')} running"]
        parts += [f"{n} {state}" for state in LOST if (n := self.count(state))]
        if (leader := self.leader()) is not None:
            value = f"{self.sweep.objective.metric} = {self.mean(leader):.4g}"
            parts.append(f"leading {leader.arm}: {value}")
        if (left := self.remaining_seconds()) is not None:
            parts.append(f"{self._at_most()}about {duration(left)} left")
        return Text("  " + "  ·  ".join(parts) + "\n")

    def _line(self, entry: Entry, result: Result) -> str:
        metric = self.sweep.objective.metric
        value = f" {metric} = {result.metrics[metric]:.4g}" if metric in result.metrics else ""
        cause = f" ({result.cause})" if result.cause else ""
        left = self.remaining_seconds()
        eta = f", {self._at_most()}about {duration(left)} left" if left is not None else ""
        return (
            f"[{self.done}/{self.total}] {entry}: "
            f"{result.outcome}{value}{cause} after {duration(result.seconds)}{eta}"
        )

    def _at_most(self) -> str:
        seeds = self.sweep.seeds
        return "at most " if seeds.screened_in_turn or seeds.until == "decided" else ""

    def _row(self, entry: Entry) -> _Row:
        return self.rows.setdefault(entry.number, _Row(entry.arm))
