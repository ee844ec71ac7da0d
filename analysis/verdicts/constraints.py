"""Which arms do not keep what the question asks of them beside its metric. Pure: frames in.

A constraint is held against an arm's mean over its seeds, as the table has it; a mean has its
scatter, so an arm near a bound may be on either side of it.
"""

import math
from collections.abc import Sequence

import pandas as pd

from analysis.question import Question
from sid_sweep.spec.constraints import parse


def violations(
    trials: pd.DataFrame, question: Question, seeds: Sequence[int], baseline: int | None
) -> dict[int, str]:
    """By arm of `judged` trials, the constraints that its means over these seeds violate. What has
    no mean, or is relative to a baseline without one, violates nothing."""
    found: dict[int, list[str]] = {}
    for own in map(parse, question.constraints):
        means = _means(trials[trials["seed"].isin(seeds)], own.metric, question)
        bound = own.bound(None if baseline is None else means.get(baseline))
        for arm, mean in means.items():
            if bound is not None and own.excess(mean, bound) > 0:
                found.setdefault(arm, []).append(own.text)
    return {arm: ", ".join(texts) for arm, texts in found.items()}


def _means(trials: pd.DataFrame, metric: str, question: Question) -> dict[int, float]:
    """By arm: the metric's as its estimate is, others' as in their columns."""
    is_metric = metric == question.metric
    own = trials[trials["outcome"] == "finished" if is_metric else trials["whole"]]
    values = own[f"metric.{metric}"].dropna()
    if not (is_metric and question.scale == "ratio"):
        return {int(arm): float(mean) for arm, mean in values.groupby(own["arm"]).mean().items()}  # pyright: ignore
    logs = values.map(math.log).groupby(own["arm"]).mean()
    return {int(arm): math.exp(mean) for arm, mean in logs.items()}  # pyright: ignore
