"""What Optuna is told of an arm once it has its screening seeds: means, deviations, how far it is
from its constraints. Of one that was given up, how it stood last: Optuna has a state for those.

No sampler of Optuna's takes a deviation for each arm: `gp` estimates one for all. It is kept beside
the mean, for whoever looks at the study.
"""

from collections.abc import Mapping, Sequence
from math import log
from statistics import fmean, stdev
from typing import NamedTuple

import optuna
from optuna.trial import TrialState

from sid_sweep.spec import SETTLED, Arm, Sweep
from sid_sweep.spec.constraints import excesses
from sid_sweep.trials import Result

from .pruning import Pruner

OUTCOME, CAUSE = "outcome", "cause"  # attributes of a proposal
DEVIATION, SEEDS = "deviation", "seeds"


class Held(NamedTuple):
    """An arm that Optuna is told of as soon as the baseline has ended."""

    number: int
    proposal: optuna.Trial
    results: Sequence[Result]


class Teller:
    """Tells the study of each arm once, in the order in which arms end; where a constraint is
    relative to the baseline, none before that has ended."""

    def __init__(self, study: optuna.Study, sweep: Sweep, pruner: Pruner) -> None:
        self._study, self._sweep, self._pruner = study, sweep, pruner
        self._bounds = sweep.bounds if sweep.search.learns else []
        relative = any(own.relative for own in self._bounds)
        self._baseline = sweep.declared[0] if relative else None
        self._means: Mapping[str, float] | None = None if relative else {}
        self._held: list[Held] = []

    def tell(
        self, number: int, arm: Arm, proposal: optuna.Trial | None, results: Sequence[Result]
    ) -> None:
        """Note an arm's results; `proposal` is None where Optuna has been told of it."""
        if arm == self._baseline:
            self._means = means(self._sweep, results) if verdict(results)[0] == "finished" else {}
        if proposal is not None:
            self._held.append(Held(number, proposal, results))
        if self._means is not None:
            held, self._held = self._held, []
            for own in held:
                self._tell(*own)

    def _tell(self, number: int, proposal: optuna.Trial, results: Sequence[Result]) -> None:
        outcome, cause = verdict(results)
        proposal.set_user_attr(OUTCOME, outcome)
        proposal.set_user_attr(SEEDS, len(results))
        if outcome == "finished":
            proposal.set_user_attr(DEVIATION, deviations(self._sweep, results))
            own = means(self._sweep, results)
            values = [own[objective.metric] for objective in self._sweep.objectives]
            kept = excesses(self._sweep.bounds, own, self._means or {}) if self._bounds else {}
        elif outcome == "pruned":
            proposal.set_user_attr(CAUSE, cause)
            self._report(number, proposal)
            self._study.tell(proposal, state=TrialState.PRUNED)
            return
        else:
            proposal.set_user_attr(CAUSE, cause)
            is_result = outcome in SETTLED
            told = self._worst() if is_result and self._sweep.search.learns else None
            if told is None:
                self._study.tell(proposal, state=TrialState.FAIL)
                return
            values, kept = told
        for text, excess in kept.items():
            proposal.set_constraint(text, excess)
        self._study.tell(proposal, values)

    def _report(self, number: int, proposal: optuna.Trial) -> None:
        """How an arm stood last; once, since Optuna warns of what it knows."""
        own = self._study.get_trials(deepcopy=False)[proposal.number]
        if not own.intermediate_values and (last := self._pruner.last_values(number)):
            turn, value = last
            proposal.report(value, turn)

    def _worst(self) -> tuple[list[float], dict[str, float]] | None:
        """What a sampler is told of an arm that diverged or collapsed, which it would else ask for
        again, since Optuna's forget what failed: the worst that any arm came to, in each
        objective."""
        told = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if not told:
            return None
        return worst(self._sweep, [own.values for own in told], [own.constraints for own in told])


def worst(
    sweep: Sweep, values: Sequence[Sequence[float]], excess: Sequence[Mapping[str, float]]
) -> tuple[list[float], dict[str, float]]:
    """Of several arms, in each objective and constraint."""
    ends = [max if own.goal == "minimize" else min for own in sweep.objectives]
    columns = zip(*values, strict=True)
    found = [end(column) for end, column in zip(ends, columns, strict=True)]
    return found, {text: max(own[text] for own in excess) for text in excess[0]}


def verdict(results: Sequence[Result]) -> tuple[str, str]:
    """The outcome of an arm, the worst of its seeds', and the first cause of it."""
    for outcome in ("failed", "diverged", "collapsed", "pruned"):
        for result in results:
            if result.outcome == outcome:
                return outcome, result.cause
    return "finished", ""


def means(sweep: Sweep, results: Sequence[Result]) -> dict[str, float]:
    """Of the metrics that objectives and constraints name, as a table has them."""
    compared = [own.metric for own in sweep.objectives]
    limited = [own.metric for own in sweep.bounds]
    return {
        name: sweep.mean(name, values) if name in compared else fmean(values)
        for name in dict.fromkeys([*compared, *limited])
        for values in [[result.metrics[name] for result in results]]
    }


def deviations(sweep: Sweep, results: Sequence[Result]) -> dict[str, float | None]:
    """Standard deviations over the seeds; of logarithms where means are geometric, None for one."""
    found = {}
    for name in (own.metric for own in sweep.objectives):
        values = [result.metrics[name] for result in results]
        scaled = list(map(log, values)) if sweep.is_ratio(name) else values
        found[name] = stdev(scaled) if len(scaled) > 1 else None
    return found
