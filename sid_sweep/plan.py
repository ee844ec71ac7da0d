"""What a sweep will do, before it does it. Imports neither torch nor ray."""

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from rich.console import RenderableType
from rich.text import Text

from sid_sweep.console import duration
from sid_sweep.orchestration.folder import TrialFolder
from sid_sweep.orchestration.machine import Share, share, this_machine
from sid_sweep.spec import Sweep, TrainedTeacher, Trial, digest, teacher_file, teacher_name
from sid_sweep.spec.domain import Cases, Choice
from sid_sweep.spec.sweep import GridSearch


@dataclass(frozen=True)
class Plan:
    """Arms, seeds, what is done, what fits, what must be made first."""

    sweep: Sweep
    folder: Path
    cache: Path
    share: Share | None
    """None on a cluster, whose size is not known before it is reached."""
    done: int
    """Trials that earlier runs have ended."""
    seconds_per_trial: float | None
    """Mean training time of those, if any."""
    untrained: list[Trial]
    """A trial for each teacher that must be trained first."""

    @property
    def total(self) -> int:
        """Trials in all."""
        return self.sweep.num_arms * len(self.sweep.seeds)

    def render(self, *, dry_run: bool) -> RenderableType:
        """The plan in a few lines."""
        sweep = self.sweep
        sampler = sweep.search.sampler
        lines = [
            ("question", sweep.question),
            ("expected", sweep.expect),
            ("knobs", ", ".join(f"{knob} {_domain(sweep, knob)}" for knob in sweep.domains)),
            (
                "trials",
                f"{sweep.num_arms} arms ({sampler}) x {len(sweep.seeds)} seeds = {self.total}"
                + (f", {self.done} done" if self.done else ""),
            ),
            ("objective", f"{sweep.objective.goal} {sweep.objective.metric}"),
            ("resources", str(self.share) if self.share else "as many trials as the cluster fits"),
            ("time", self._time()),
            ("teacher", self._teacher()),
            ("folder", str(self.folder)),
        ]
        text = Text()
        for name, value in lines:
            if value:
                text.append(f"  {name:<10}", style="dim")
                text.append(f"{value}\n")
        if dry_run:
            text.append("  dry run: nothing was started\n", style="dim")
        return text

    def _time(self) -> str:
        left = self.total - self.done
        if not left:
            return "nothing is left to run"
        if self.seconds_per_trial is None or self.share is None:
            return ""
        return f"about {duration(left * self.seconds_per_trial / self.share.concurrency)} to go"

    def _teacher(self) -> str:
        num = len(self.untrained)
        if not num:
            return ""
        return f"{'is' if num == 1 else f'{num} are'} trained first, then kept in {self.cache}"


def make_plan(sweep: Sweep, *, storage: Path, address: str | None) -> Plan:
    """Look at the machine and at what earlier runs left.

    Raises:
        SpecError: not even one trial fits on this machine.
    """
    folder, cache = storage / sweep.sweep, storage / "cache"
    results = [
        result
        for path in sorted((folder / "trials").glob("*"))
        if (result := TrialFolder(path).result()) is not None
    ]
    finished = [result.seconds for result in results if result.outcome == "finished"]
    done = len(results)
    if isinstance(sweep.search, GridSearch):
        digests = {digest(sweep.trial(arm, seed)) for arm in sweep.grid() for seed in sweep.seeds}
        folders = [TrialFolder(folder / "trials" / name) for name in digests]
        done = sum(trial.result() is not None for trial in folders)
    return Plan(
        sweep,
        folder,
        cache,
        None if address else share(sweep, this_machine()),
        done,
        fmean(finished) if finished else None,
        _untrained(sweep, cache),
    )


def _untrained(sweep: Sweep, cache: Path) -> list[Trial]:
    """One trial for every teacher that the cache lacks, of those that are known before it runs."""
    if isinstance(sweep.search, GridSearch):
        arms = list(sweep.grid())
    else:
        arms = [sweep.prune({k: d.examples()[0] for k, d in sweep.domains.items()})]
    trials = [sweep.trial(arm, sweep.seeds[0]) for arm in arms]
    by_name = {teacher_name(t): t for t in trials if isinstance(t.teacher, TrainedTeacher)}
    return [trial for name, trial in by_name.items() if not teacher_file(name, cache).exists()]


def _domain(sweep: Sweep, knob: str) -> str:
    domain = sweep.domains[knob]
    examples = domain.examples()
    if isinstance(domain, Choice | Cases):
        return "in {" + ", ".join(map(str, examples)) + "}"
    return f"in [{examples[0]}, {examples[1]}]"
