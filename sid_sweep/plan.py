"""What a sweep will do, before it does it. Imports neither torch nor ray."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from sid_sweep.console import Known
from sid_sweep.estimate import forecast, memory, work
from sid_sweep.foreign import statistics
from sid_sweep.foreign.cached import teacher_file, teacher_name
from sid_sweep.foreign.check import check
from sid_sweep.foreign.pictures import Facts
from sid_sweep.orchestration.machine import Layout, lay_out, this_machine
from sid_sweep.screen import Hanging, duration
from sid_sweep.spec import (
    SETTLED,
    Data,
    Sweep,
    TrainedTeacher,
    Trial,
    digest,
    plain,
    value_text,
)
from sid_sweep.spec.domain import Cases, Choice
from sid_sweep.spec.nets import Blueprint
from sid_sweep.spec.sweep import GridSearch
from sid_sweep.spending import Spending, Use, never_reached
from sid_sweep.trials import SweepFolder

WORTH_A_LINE = 2**27  # bytes


@dataclass(frozen=True)
class Plan:
    """Arms, seeds, what is done, what fits, what must be made first."""

    sweep: Sweep
    folder: SweepFolder
    layout: Layout | None
    """None on a cluster, whose size is not known before it is reached."""
    known: list[Known]
    """Trials that earlier runs have begun, of the arms that are known."""
    seconds_per_trial: float | None
    """Mean training time of those, if any."""
    untrained: list[Trial]
    """A trial for each teacher that must be trained first."""
    loaded: list[Trial]
    """A trial for each teacher that someone else trained, and for each way to begin with it."""
    pictures: dict[Data, Facts]
    """What the data are, where they are pictures."""
    uses: list[Use]
    """The limits, and what earlier runs have spent of them."""

    @property
    def done(self) -> int:
        """Trials that earlier runs have ended."""
        return sum(trial.standing.outcome in SETTLED for trial in self.known)

    def render(self, *, dry_run: bool, stated: str = "") -> RenderableType:
        """The plan in a few lines.

        Args:
            stated: what the file says that it costs.
        """
        sweep = self.sweep
        said = [
            ("question", sweep.question),
            ("expected", sweep.expect),
            ("knobs", ", ".join(f"{knob} {_domain(sweep, knob)}" for knob in sweep.domains)),
            ("trials", trials_text(sweep) + self._begun()),
            ("objective", f"{sweep.objective.goal} {sweep.objective.metric}"),
            ("resources", str(self.layout or "as many trials as the cluster fits")),
            *costs(sweep.trial(sweep.first_arm(), sweep.seeds.screen[0])),
            ("time", self._time()),
            ("limits", ", ".join(self._limit(use) for use in self.uses)),
            ("file says", stated),
            *(self._forecast() if dry_run and not self.done else []),
            ("data", "; ".join(f"{_named(data)}: {own}" for data, own in self.pictures.items())),
            ("teacher", self._teacher()),
            ("folder", str(self.folder.path)),
        ]
        told = Text("  dry run: nothing was started", style="dim")
        return Group(Lines(said), *([told] if dry_run else []))

    def _limit(self, use: Use) -> str:
        gpus = self.layout.gpus if self.layout else None
        why_not = never_reached(use, self.sweep, gpus=gpus)
        return f"{use.planned}{f' ({why_not})' if why_not else ''}"

    def _begun(self) -> str:
        """`, 9 done, 1 interrupted`."""
        outcomes = Counter(trial.standing.outcome for trial in self.known)
        counts = {"done": self.done, "interrupted": outcomes["running"]}
        return "".join(f", {number} {word}" for word, number in counts.items() if number)

    def _time(self) -> str:
        left = self.sweep.num_trials - self.done
        if not left:
            return "nothing is left to run"
        if left < 0:  # arms were confirmed that are no longer among those that are kept
            return ""
        if self.seconds_per_trial is None or self.layout is None:
            return ""
        parts = sum(own.part for own in self.known if own.standing.outcome not in SETTLED)
        seconds = (left - parts) * self.seconds_per_trial / self.layout.concurrency
        most = "at most " if _is_open(self.sweep) else ""
        return f"{most}about {duration(seconds)} to go"

    def _forecast(self) -> list[tuple[str, str]]:
        """What counting operations and weights says of a sweep that has not begun."""
        own = self.layout and forecast(
            _first_trials(self.sweep),
            num=self.sweep.num_trials,
            concurrency=self.layout.concurrency,
            cores=self.layout.cpus,
            gpus=self.layout.gpus,
        )
        if not own:
            return []
        first = ", besides what is made first" if self.untrained else ""
        time = f"{duration(own.seconds)}, {own}; within a factor of three or so{first}"
        return [("estimate", f"{'at most ' if _is_open(self.sweep) else ''}about {time}")]

    def _teacher(self) -> str:
        num = len(self.untrained)
        if not num:
            return ""
        return (
            f"{'is' if num == 1 else f'{num} are'} trained first, then kept in {self.folder.cache}"
        )


def costs(trial: Trial, teacher: Blueprint | None = None) -> list[tuple[str, str]]:
    """What a trial holds and computes; nothing of one that is small.

    Args:
        teacher: of one that someone else trained, once it is known.
    """
    held = memory(trial, teacher)
    if held is None or held.state < WORTH_A_LINE:
        return []
    done = work(trial, teacher)
    return [("memory", str(held)), ("work", str(done or ""))]


class Lines:
    """A line for each name that has something to say, wrapped beside the names."""

    def __init__(self, said: Sequence[tuple[str, str]]) -> None:
        self._said = said

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for name, value in self._said:
            if value:
                yield Hanging(value, before=Text(f"  {name:<10}", style="dim"))


def make_plan(sweep: Sweep, folder: SweepFolder, *, address: str | None) -> Plan:
    """Look at the machine and at what earlier runs left.

    Raises:
        SpecError: not even one trial fits on this machine, or the data are not what is needed.
    """
    known = _first_trials(sweep)
    pictures = check(known)
    for evaluation in dict.fromkeys(trial.evaluation for trial in known):
        statistics.check(evaluation)
    ended = folder.results()
    finished = [result.seconds for result in ended if result.outcome == "finished"]
    begun = list(_known(sweep, folder))
    num_ended = sum(trial.standing.outcome in SETTLED for trial in begun)
    return Plan(
        sweep,
        folder,
        None if address else lay_out(sweep, this_machine()),
        begun,
        fmean(finished) if finished else None,
        _untrained(known, folder),
        _loaded(known) if num_ended < sweep.num_trials else [],
        pictures,
        Spending(sweep, folder, began=time.monotonic()).uses(),
    )


def _known(sweep: Sweep, folder: SweepFolder) -> Iterator[Known]:
    """The trials that have begun: of a grid, or of the arms that a sampler has asked for."""
    if not folder.trials.is_dir():
        return
    for arm in sweep.grid() if isinstance(sweep.search, GridSearch) else folder.arms():
        for trial in sweep.trials(arm):
            own = folder.trial(trial)
            if own.path.is_dir():
                standing = own.standing()
                part = min(standing.images / trial.budget.images, 1.0)
                yield Known(arm, trial.seed, standing, part)


def trials_text(sweep: Sweep) -> str:
    """`8 arms (grid) x 3 seeds, then the best 3 and the baseline x 20 fresh = 104 at most`."""
    seeds = sweep.seeds
    in_turn = "up to " if seeds.screened_in_turn else ""
    prune = sweep.search.prune
    how = f"{sweep.search.sampler}, pruned by {prune.called}" if prune else sweep.search.sampler
    text = f"{sweep.num_arms} arms ({how}) x {in_turn}{len(seeds.screen)} seeds"
    if seeds.confirm:
        best = "the best arm" if seeds.keep == 1 else f"the best {seeds.keep}"
        base = " and the baseline" if sweep.baseline else ""
        up_to = "up to " if seeds.until == "decided" else ""
        text += f", then {best}{base} x {up_to}{len(seeds.confirm)} fresh"
    return f"{text} = {sweep.num_trials}{' at most' if _is_open(sweep) else ''}"


def _is_open(sweep: Sweep) -> bool:
    """Whether results decide how many trials there are."""
    return bool(sweep.seeds.confirm) or sweep.seeds.screened_in_turn


def _loaded(trials: list[Trial]) -> list[Trial]:
    """One trial for all that ask the same of a teacher that someone else trained."""
    asked = {}
    for trial in trials:
        if trial.teacher.kind not in ("exact", "trained"):
            inits = [part and plain(part.init) for part in (trial.generator, trial.fake_score)]
            key = {"teacher": plain(trial.teacher), "data": plain(trial.data), "init": inits}
            asked[digest(key | {"method": trial.method.kind})] = trial
    return list(asked.values())


def _untrained(trials: list[Trial], folder: SweepFolder) -> list[Trial]:
    """One trial for every teacher that the cache lacks."""
    by_name = {teacher_name(t): t for t in trials if isinstance(t.teacher, TrainedTeacher)}
    return [t for name, t in by_name.items() if not teacher_file(name, folder.cache).exists()]


def _first_trials(sweep: Sweep) -> list[Trial]:
    """A trial of every arm that is known before the sweep runs."""
    arms = sweep.grid() if isinstance(sweep.search, GridSearch) else [sweep.first_arm()]
    return [sweep.trial(arm, sweep.seeds.screen[0]) for arm in arms]


def _named(data: Data) -> str:
    return data.path if data.kind == "images" else data.kind


def _domain(sweep: Sweep, knob: str) -> str:
    domain = sweep.domains[knob]
    corners = ", ".join(map(value_text, domain.corners()))
    return f"in {{{corners}}}" if isinstance(domain, Choice | Cases) else f"in [{corners}]"
