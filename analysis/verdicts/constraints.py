"""Which arms do not keep what the question asks of them beside its metric. Pure: frames in.

A constraint is held against an arm's mean over its seeds, as the table has it; a mean has its
scatter, so an arm near a bound may be on either side of it.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.question import Question
from sid_sweep.spec.constraints import parse

WHOLE = ("finished", "collapsed")


def violations(
    trials: pd.DataFrame, question: Question, seeds: Sequence[int], baseline: int | None
) -> dict[int, str]:
    """By arm of `judged` trials, the constraints that its means over these seeds violate. What has
    no mean, or is relative to a baseline without one, violates nothing."""
    found: dict[int, list[str]] = {}
    for own in map(parse, question.constraints):
        means = _means(trials[trials["seed"].isin(seeds)], own.metric, question)
        bound = own.bound(None if baseline is None else means.get(baseline))
        for arm, mean in means.items() if bound is not None else ():
            if own.excess(mean, bound) > 0:
                found.setdefault(arm, []).append(own.text)
    return {arm: ", ".join(texts) for arm, texts in found.items()}


def _means(trials: pd.DataFrame, metric: str, question: Question) -> dict[int, float]:
    """By arm: the metric's as its estimate is, others' as in their columns."""
    is_metric = metric == question.metric
    own = trials[trials["outcome"].isin(WHOLE[:1] if is_metric else WHOLE)]
    values = own[f"metric.{metric}"].dropna()
    in_logs = is_metric and question.scale == "ratio"
    means = (np.log(values) if in_logs else values).groupby(own["arm"]).mean()
    return {int(arm): float(np.exp(m) if in_logs else m) for arm, m in means.items()}  # pyright: ignore
