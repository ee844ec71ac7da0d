"""What the seeds say of one arm against another, before it is put in a table. Pure: frames in.

Two arms are compared on the seeds that both have, by the metric. Where one of them lost some (it
diverged, failed or collapsed), also by how often: then both are tried, and each has half of α.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.question import Question
from analysis.verdicts.statistics import (
    ALPHA,
    Effect,
    anytime,
    anytime_equivalence,
    boschloo,
    equivalence,
    holm,
    losses_anytime,
    paired,
)
from sid_sweep.spec import LOST

PRUNED = "pruned"
"""A screening trial whose arm was given up: it has no value, and says nothing against it on other
seeds."""
COLLAPSED = "collapsed"
"""A trial that was ended for what it did not keep; in tables also one that finished with a metric
below what the question names."""
BLAMED = tuple(name for name in (*LOST, PRUNED) if name != "failed")
"""Ends without a value that speak against an arm."""
NO_EFFECT = Effect(math.nan, math.nan, math.nan, math.nan, 0, math.nan)


def judged(frame: pd.DataFrame, question: Question) -> pd.DataFrame:
    """The last row of every trial at a seed of the question; `outcome` is `collapsed` also for one
    that finished so, `whole` says of all whether they trained to the end.

    Raises:
        ValueError: there is none; a finished trial has a metric that is not finite, or not positive
            where its scale is a ratio.
    """
    trials = frame[frame["final"] & frame["seed"].isin((*question.seeds, *question.screen))]
    if trials.empty:
        seeds = ", ".join(map(str, (*question.screen, *question.seeds)))
        raise ValueError(f"sweep {question.sweep} has no trial at any of its seeds ({seeds})")
    _require_finite(trials, question)
    collapsed = pd.Series(False, index=trials.index)
    for name, least in question.collapse.items():
        collapsed |= (trials["outcome"] == "finished") & (trials[f"metric.{name}"] < least)
    whole = trials["outcome"] == "finished"
    return trials.assign(outcome=trials["outcome"].mask(collapsed, COLLAPSED), whole=whole)


@dataclass(frozen=True)
class Evidence:
    """What was seen of arms at seeds, in the order in which the seeds are handed out."""

    arms: list[int]
    values: np.ndarray
    """[arm, seed]: the metric, in logarithms where its scale is a ratio; NaN where it has none."""
    lost: np.ndarray
    """[arm, seed]: ended without a value, for which the arm is to blame: not an error, which is
    tried again."""
    ended: np.ndarray
    """[arm, seed]: with or without one; not in an error."""

    def row(self, arm: int) -> int:
        """Its place."""
        return self.arms.index(arm)

    def of(self, arms: Sequence[int]) -> "Evidence":
        """Of these arms alone."""
        rows = [self.row(arm) for arm in arms]
        return Evidence(list(arms), self.values[rows], self.lost[rows], self.ended[rows])


def gather(trials: pd.DataFrame, seeds: Sequence[int], question: Question) -> Evidence:
    """Of all arms of `judged` trials, on these seeds."""
    arms = sorted(set(trials["arm"]))
    rows = {arm: row for row, arm in enumerate(arms)}
    columns = {seed: column for column, seed in enumerate(seeds)}
    own = trials[trials["seed"].isin(columns)]
    row, column = own["arm"].map(rows).to_numpy(int), own["seed"].map(columns).to_numpy(int)
    shape = (len(arms), len(seeds))
    values, lost, ended = np.full(shape, np.nan), np.zeros(shape, bool), np.zeros(shape, bool)
    metric = own[f"metric.{question.metric}"].to_numpy(float)
    finished = (own["outcome"] == "finished").to_numpy(bool)
    scaled = np.log(metric[finished]) if question.scale == "ratio" else metric[finished]
    values[row[finished], column[finished]] = scaled
    lost[row, column] = own["outcome"].isin(BLAMED)
    ended[row, column] = own["outcome"].isin(("finished", *BLAMED))
    return Evidence(arms, values, lost, ended)


def effect(evidence: Evidence, arm: int, other: int, *, sequential: bool) -> Effect:
    """Of one arm against another, on the scale of the metric, on the seeds that both finished."""
    values, others = _shared(evidence, arm, other, sequential=sequential)
    if not len(values):
        return NO_EFFECT
    return anytime(values, others) if sequential else paired(values, others)


@dataclass(frozen=True)
class Claim:
    """What the shared seeds say of an arm against another, before it is adjusted."""

    effect: Effect
    p: float
    """Of no difference: in the metric, or in how often they are lost."""
    p_equal: float
    """Of a difference beyond what counts as equal; NaN where nothing does."""
    improves: bool

    def of_best(self, num: int) -> "Claim":
        """The same, where it is the most striking of so many; what is not known stays so."""
        p, p_equal = np.minimum(1.0, np.multiply(num, (self.p, self.p_equal))).tolist()
        return replace(self, p=p, p_equal=p_equal)

    def verdict(self, p_differs: float, p_equal: float) -> str:
        """By the adjusted p of both claims."""
        if p_differs < ALPHA:
            return "better" if self.improves else "worse"
        return "equal" if p_equal < ALPHA else "undecided"


def claim(
    evidence: Evidence, arm: int, other: int, question: Question, *, sequential: bool
) -> Claim:
    """By the metric, and by losses where there are some: the surer of both, at twice its p.

    The metric is that of the seeds which both survived. It claims nothing that the losses speak
    against: an arm that is lost more often is never better by its survivors. Where seeds are added
    as they are looked at, losses may yet come, and p is doubled from the first.
    """
    seen = effect(evidence, arm, other, sequential=sequential)
    row, base = evidence.row(arm), evidence.row(other)
    counted = _counted(evidence, row, base, sequential=sequential)
    lost, base_lost = evidence.lost[row, counted], evidence.lost[base, counted]
    improves = (seen.mean < 0) == (question.goal == "minimize")
    if not (lost.any() or base_lost.any()):
        p = min(1.0, 2 * seen.p) if sequential else seen.p
        p = math.nan if math.isnan(seen.p) else p
        return Claim(seen, p, _p_equal(evidence, arm, other, seen, question, sequential), improves)
    more, fewer = lost.sum() > base_lost.sum(), lost.sum() < base_lost.sum()
    p_lost = _losses(lost, base_lost, sequential=sequential)
    contradicted = more if improves else fewer
    p_metric = 1.0 if math.isnan(seen.p) or contradicted else seen.p
    if p_metric < p_lost:
        return Claim(seen, min(1.0, 2 * p_metric), math.nan, improves)
    return Claim(seen, min(1.0, 2 * p_lost), math.nan, bool(fewer))


def _p_equal(
    evidence: Evidence, arm: int, other: int, seen: Effect, question: Question, sequential: bool
) -> float:
    """Of a difference beyond what the question calls equal; NaN where it calls nothing so."""
    if not question.equal_within or math.isnan(seen.p):
        return math.nan
    margin = _margin(question)
    if not sequential:
        return equivalence(seen, margin=margin)
    return anytime_equivalence(*_shared(evidence, arm, other, sequential=True), margin=margin)


@dataclass(frozen=True)
class Verdict:
    """A claim, the p of it after adjustment, and the word for it."""

    effect: Effect
    p: float
    word: str


def verdicts(
    evidence: Evidence, base: int, question: Question, *, num_pairs: Callable[[int, int], int]
) -> dict[int, Verdict]:
    """Of every other arm against one: all words together are wrong with a chance of at most 5 %.

    Args:
        num_pairs: of two arms, how many pairs of settings they were chosen from by these very
            values; p is that of the best of so many (Bonferroni).
    """
    sequential = question.sequential
    own = [arm for arm in evidence.arms if arm != base]
    claims = [
        claim(evidence, arm, base, question, sequential=sequential).of_best(num_pairs(arm, base))
        for arm in own
    ]
    p = holm([claim.p for claim in claims] + [claim.p_equal for claim in claims])
    return {
        arm: Verdict(claim.effect, differs, claim.verdict(differs, equal))
        for arm, claim, differs, equal in zip(own, claims, p, p[len(own) :], strict=False)
    }


def beaten(evidence: Evidence, question: Question, *, num_arms: int) -> set[int]:
    """The arms that some other is shown to be better than, whenever one looks.

    Each arm has `num_arms` - 1 others to be beaten by, so each comparison has α over their number
    (Bonferroni): the chance that the best arm is ever among these is at most α.
    """
    others = max(num_arms, len(evidence.arms)) - 1
    found = set()
    for arm, other in combinations(evidence.arms, 2):
        seen = claim(evidence, arm, other, question, sequential=True)
        if others * seen.p < ALPHA:
            found.add(other if seen.improves else arm)
    return found


def _shared(
    evidence: Evidence, arm: int, other: int, *, sequential: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The values of two arms on the seeds that both finished."""
    row, base = evidence.row(arm), evidence.row(other)
    counted = _counted(evidence, row, base, sequential=sequential)
    values, others = evidence.values[row, counted], evidence.values[base, counted]
    both = ~np.isnan(values) & ~np.isnan(others)
    return values[both], others[both]


def _counted(evidence: Evidence, row: int, base: int, *, sequential: bool) -> np.ndarray:
    """The seeds at which both ended; in a sequence only up to the first at which one did not, so
    that what ends late changes nothing of what was seen."""
    ended = evidence.ended[row] & evidence.ended[base]
    return np.logical_and.accumulate(ended) if sequential else ended


def _losses(lost: np.ndarray, other_lost: np.ndarray, *, sequential: bool) -> float:
    if not sequential:
        return boschloo(int(lost.sum()), int(other_lost.sum()), len(lost))
    own, other = np.cumsum(lost & ~other_lost), np.cumsum(other_lost & ~lost)
    return min(losses_anytime(int(a), int(b)) for a, b in zip(own, other, strict=True))


def _margin(question: Question) -> float:
    """Of equivalence, on the scale of the comparison: ±10 % is a factor of 1.1 either way."""
    within = question.equal_within
    return math.log1p(within) if question.scale == "ratio" else within


def _require_finite(trials: pd.DataFrame, question: Question) -> None:
    finished = trials[trials["outcome"] == "finished"]
    for name in (question.metric, *question.columns):
        values = finished[f"metric.{name}"]
        if (bad := ~np.isfinite(values)).any():
            trial = finished[bad].iloc[0]
            raise ValueError(
                f"arm {trial['arm']}, seed {trial['seed']} finished with {name} = "
                f"{trial[f'metric.{name}']}; a trial whose metric is not finite has diverged"
            )
    if question.scale == "ratio" and (finished[f"metric.{question.metric}"] <= 0).any():
        raise ValueError(
            f"{question.metric} is compared by ratios, and some of its values are not positive"
        )
