"""Who is in the Pareto set of metric and cost, as a frequency: what other seeds would say.

Bare means name an arm or do not, as if they were known: of eight equal arms with distinct costs
they name 1 + 1/2 + ... + 1/8 = 2.7, since each that happens to be better than all cheaper ones is
one.
"""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from analysis.question import Question
from analysis.verdicts.draws import generator

RESAMPLES = 1000
LEAST_SHARE = 0.5
"""An arm that is a member in at least so many resamples is called one."""


def membership(frame: pd.DataFrame, table: pd.DataFrame, question: Question) -> pd.Series:
    """By row of `table`, in which part of the resamples its arm is a member.

    A resample draws as many seeds, with replacement, as the complete arms have in common, the same
    for every arm (the paired bootstrap, Efron 1979); its means are of the metric on its scale and
    of the cost, which may scatter too. NaN without a cost, for arms that are not complete, and
    where fewer than two seeds are shared: those have nothing to resample.
    """
    share = pd.Series(np.nan, table.index, dtype="float64")
    if not question.cost or not table["complete"].any():
        return share
    own = table.index[table["complete"]]
    metric, cost = _shared(frame, list(table.loc[own, "arm"]), question)
    if metric.shape[1] < 2:
        return share
    draws = generator(question, "pareto").integers(
        metric.shape[1], size=(RESAMPLES, metric.shape[1])
    )
    # the last axis is summed alike for every arm, so that equal costs stay equal to the last bit
    means = [np.ascontiguousarray(values[:, draws]).mean(-1).T for values in (metric, cost)]
    share.loc[own] = members(*means).mean(0)
    return share


def members(
    metric: Float[np.ndarray, "R A"], cost: Float[np.ndarray, "R A"]
) -> Bool[np.ndarray, "R A"]:
    """Which arms no other beats, in each row; less is better in both.

    An arm is beaten by another that is no worse in both and better in one: from cheap to dear,
    those that are not the best of their cost, or no better than something cheaper (Kung, Luccio &
    Preparata 1975).
    """
    order = np.lexsort((metric, cost), axis=-1)
    metric, cost = (np.take_along_axis(values, order, -1) for values in (metric, cost))
    places = np.broadcast_to(np.arange(metric.shape[1]), metric.shape)
    dearer = np.diff(cost, axis=-1, prepend=-np.inf) > 0
    first = np.maximum.accumulate(np.where(dearer, places, 0), -1)  # of the same cost
    best = np.take_along_axis(metric, first, -1)
    least = np.minimum.accumulate(metric, -1)
    cheaper = np.take_along_axis(least, np.maximum(first - 1, 0), -1)
    found = (metric == best) & ((first == 0) | (metric < cheaper))
    back = np.empty_like(found)
    np.put_along_axis(back, order, found, -1)
    return back


def is_member(share: Any) -> Any:
    """Whether an arm is called one, by its share in the column `pareto` (or all, by the column)."""
    return share >= LEAST_SHARE


def _shared(
    frame: pd.DataFrame, arms: list[int], question: Question
) -> tuple[Float[np.ndarray, "A n"], Float[np.ndarray, "A n"]]:
    """Metric and cost of some arms at the reported seeds that all finished; less is better."""
    trials = frame[frame["final"] & (frame["outcome"] == "finished")]
    trials = trials[trials["arm"].isin(arms) & trials["seed"].isin(question.seeds)]
    names = [f"metric.{name}" for name in (question.metric, question.cost)]
    values = trials.pivot(index="seed", columns="arm", values=names).dropna()
    metric, cost = (values[name][arms].to_numpy(np.float64).T for name in names)
    if question.scale == "ratio":
        metric = np.log(metric)
    signs = [1 if goal == "minimize" else -1 for goal in (question.goal, question.cost_goal)]
    return metric * signs[0], cost * signs[1]
