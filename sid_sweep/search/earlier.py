"""What a sampler learns from an earlier sweep: its finished arms, told as if they had been asked
for, and counted nowhere.

An arm of that sweep is one of this space if every knob that is swept here has a value that its
domain holds, swept there or fixed, and if what is swept there and fixed here has the value that it
has here. What else differs between the trials of both, such as a smaller budget, is said.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sid_sweep.spec import Arm, Scalar, SpecError, Sweep, plain
from sid_sweep.spec.constraints import excesses
from sid_sweep.spec.domain import Cases
from sid_sweep.spec.paths import leaves, lookup
from sid_sweep.spec.trial import JUDGE_VERSION
from sid_sweep.trials import Result, SweepFolder
from sid_sweep.trials.sweep_folder import DRAWN, sweeps_in

from .telling import means, verdict, worst

MAX_DIFFERENCES = 3  # that are said
OUTSIDE, FIXED = "outside the domains", "with values of a knob that is fixed otherwise here"
NO_RESULT, NO_TRIAL = "without a result", "that are no trials here"
GIVEN_UP = "that were given up early"  # nobody knows what they would have come to


class _Unfit(Exception):
    """Why an arm is none of this space."""


@dataclass(frozen=True)
class Lesson:
    """An arm of this space, and what an earlier sweep found of it."""

    arm: Arm
    number: int
    """There."""
    values: list[float]
    """Of the objectives."""
    excess: dict[str, float]
    """By constraint."""


@dataclass(frozen=True)
class Earlier:
    """What an earlier sweep lends."""

    name: str
    """As it is written in `search.from`."""
    lessons: list[Lesson]
    left_out: Counter[str]
    differences: dict[str, tuple[Any, Any]]
    """By path, what all trials have there and here."""

    def __str__(self) -> str:
        text = f"search.from = {self.name}: learns from {len(self.lessons)} of its arms"
        reasons = ", ".join(f"{num} {reason}" for reason, num in self.left_out.items())
        text += f"; left out: {reasons}" if reasons else ""
        shown = list(self.differences.items())[:MAX_DIFFERENCES]
        said = ", ".join(f"{path} {there} there and {here} here" for path, (there, here) in shown)
        more = len(self.differences) - len(shown)
        said += f" and {more} more" if more else ""
        return text + (f"; values are taken as they are, and trials differ: {said}" if said else "")


def earlier(sweep: Sweep, folder: SweepFolder) -> Earlier | None:
    """What `search.from` names; None where it names nothing.

    Args:
        folder: of this sweep, beside which sweeps lie that are named.

    Raises:
        SpecError: there is no such sweep, or nothing can be learnt from it.
    """
    name = getattr(sweep.search, "from_", None)
    if name is None:
        return None
    other = _found(name, folder)
    theirs, record = other.recorded()
    judged = record[DRAWN].get("judge")
    if judged != JUDGE_VERSION:
        raise _refused(name, f"it was judged otherwise (version {judged}, now {JUDGE_VERSION})")
    fitting, left_out, differences = [], Counter[str](), {}
    for number, arm in enumerate(other.arms()):
        try:
            own, results = _translated(arm, theirs, other, sweep, differences)
            fitting.append((number, own, results))
        except _Unfit as reason:
            left_out[str(reason)] += 1
    _require_sense(name, fitting, left_out, differences, sweep)
    return Earlier(name, list(_lessons(name, fitting, sweep)), left_out, differences)


def lessons_of(sweep: Sweep, folder: SweepFolder) -> Callable[[], list[Lesson]] | None:
    """What asks for the lessons of `search.from`; None where it names nothing."""
    if getattr(sweep.search, "from_", None) is None:
        return None
    return lambda: found.lessons if (found := earlier(sweep, folder)) else []


def _found(name: str, folder: SweepFolder) -> SweepFolder:
    storage = folder.path.parent
    path = Path(name) if "/" in name or "\\" in name else storage / name
    other = SweepFolder(path)
    if path.resolve() == folder.path.resolve():
        raise _refused(name, "that is this sweep, which learns from its own arms anyway; remove it")
    if not other.exists():
        known = ", ".join(sweeps_in(storage)) or "none"
        raise _refused(name, f"there is no sweep in {path} (in {storage}: {known})")
    return other


def _refused(name: str, reason: str) -> SpecError:
    return SpecError(f"search.from = {name}: {reason}")


def _translated(
    arm: Arm,
    theirs: Sweep,
    other: SweepFolder,
    sweep: Sweep,
    differences: dict[str, tuple[Any, Any]],
) -> tuple[Arm, list[Result]]:
    """An arm of theirs as one of this space, with its results."""
    try:
        trials = theirs.trials(arm)
    except ValidationError:
        raise _Unfit(NO_TRIAL) from None
    results = [result for own in trials if (result := other.trial(own).result()) is not None]
    if not results:
        raise _Unfit(NO_RESULT)
    if verdict(results)[0] == "pruned":
        raise _Unfit(GIVEN_UP)
    there = plain(trials[0])
    own = _fitted(arm, there, sweep)
    try:
        here = plain(sweep.trial(own, trials[0].seed))
    except ValidationError:
        raise _Unfit(NO_TRIAL) from None
    _compare(there, here, theirs, differences)
    return own, results


def _fitted(arm: Arm, there: dict[str, Any], sweep: Sweep) -> Arm:
    """The values of this sweep's knobs in a trial of theirs."""
    kept: dict[str, Scalar] = {}
    for knob, domain in sweep.domains.items():
        if sweep.applies(knob, kept):
            value = arm.get(knob, None if isinstance(domain, Cases) else lookup(there, knob))
            if value is None or not domain.holds(value):
                raise _Unfit(OUTSIDE)
            kept[knob] = value
    return Arm(kept)


def _compare(
    there: dict[str, Any],
    here: dict[str, Any],
    theirs: Sweep,
    differences: dict[str, tuple[Any, Any]],
) -> None:
    """Note what differs between two trials that should be of one arm."""
    a, b = dict(leaves(there)), dict(leaves(here))
    paths = [path for path in dict.fromkeys([*a, *b]) if a.get(path) != b.get(path)]
    if set(paths) & set(theirs.domains):
        raise _Unfit(FIXED)
    differences |= {path: (a.get(path), b.get(path)) for path in paths}


def _require_sense(
    name: str,
    fitting: Sequence[tuple[int, Arm, list[Result]]],
    left_out: Counter[str],
    differences: dict[str, tuple[Any, Any]],
    sweep: Sweep,
) -> None:
    if not fitting:
        reasons = ", ".join(f"{num} {reason}" for reason, num in left_out.items()) or "it has none"
        raise _refused(name, f"none of its arms is of use here: {reasons}; name another sweep")
    if other := next((path for path in differences if path.partition(".")[0] == "data"), None):
        there, here = differences[other]
        raise _refused(
            name, f"{other} is {there} there and {here} here, and values of other data do not tell"
        )
    wanted = {own.metric for own in (*sweep.objectives, *sweep.bounds)}
    measured = {m for *_, results in fitting for own in results for m in own.metrics}
    if measured and (lacking := sorted(wanted - measured)):
        raise _refused(name, f"its trials have no {lacking[0]}; name a sweep that measured it")


def _lessons(
    name: str, fitting: Sequence[tuple[int, Arm, list[Result]]], sweep: Sweep
) -> Iterator[Lesson]:
    """Arms that diverged have the worst values of all."""
    finished = [own for own in fitting if verdict(own[2])[0] == "finished"]
    found = {number: means(sweep, results) for number, _, results in finished}
    baseline: dict[str, float] = {}
    if any(own.relative for own in sweep.bounds):
        base = next((number for number, arm, _ in finished if arm == sweep.declared[0]), None)
        if base is None:
            raise _refused(
                name,
                "constraints are relative to the baseline, which it has not finished; write a "
                "number instead, or leave from out",
            )
        baseline = found[base]
    values = {n: [own[o.metric] for o in sweep.objectives] for n, own in found.items()}
    excess = {n: excesses(sweep.bounds, own, baseline) for n, own in found.items()}
    if not found:
        raise _refused(name, "all of its arms diverged; name another sweep")
    last = worst(sweep, list(values.values()), list(excess.values()))
    for number, arm, _ in fitting:
        yield Lesson(arm, number, values.get(number, last[0]), excess.get(number, last[1]))
