"""Seeds to a mean with its interval, trials to a row per arm. Pure: frames in, frames out.

The unit is the seed. The value of a trial is its last evaluation, never the best over time, which
would reward noise. Only finished trials enter a mean; the others are counted beside it, and an arm
that has some is marked, because the mean over its survivors flatters it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.notation import is_missing, same_value, value_text
from analysis.question import Question
from sid_sweep.spec import LOST, OUTCOMES

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over `num` seeds and the ends of its interval; NaN where there is none."""

    mean: float
    low: float
    high: float
    num: int


def student_interval(values: Sequence[float], *, confidence: float = CONFIDENCE) -> Interval:
    """m ± t_{(1+c)/2, n-1} s / √n (Student 1908), s² = Σ(x - m)² / (n - 1).

    Exact for Gaussian seeds at any n ≥ 2. One value has a mean and no interval.

    Raises:
        ValueError: a value is not finite.
    """
    x = np.asarray(values, dtype=np.float64)
    if not np.isfinite(x).all():
        raise ValueError(f"an interval needs finite values, not {list(values)}")
    n = len(x)
    if n < 2:
        return Interval(float(x[0]) if n else math.nan, math.nan, math.nan, n)
    mean = float(x.mean())
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1) * x.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def arms(frame: pd.DataFrame, question: Question) -> pd.DataFrame:
    """A row per arm, in the order of the scientific knobs.

    Columns: `arm`; `param.<knob>`; `mean`, `low`, `high`, `sd` of the metric; `n` finished seeds;
    `diverged`, `failed`, `running` seeds; `images`, `seconds` (means) and
    `peak_memory_bytes` (largest) of the finished trials; means `metric.<name>` of more columns;
    `marked` (some seeds ended without a value), `complete` (every declared seed finished),
    `baseline`, `best`, `pareto` (no complete arm is better in metric and cost; needs a cost).

    Raises:
        ValueError: a finished trial has a metric that is not finite.
    """
    trials = frame[frame["final"]]
    _require_finite(trials, question)
    table = pd.DataFrame([_arm(own, question) for _, own in trials.groupby("arm")])
    table["best"] = _best(table, question)
    table["pareto"] = _pareto(table, question)
    order = sorted(table.index, key=lambda row: _place(table.loc[row], question))
    return table.loc[order].reset_index(drop=True)


def value_place(value: Any, knob: str, question: Question) -> tuple[int, float, str]:
    """Sort key of a knob's value: numbers by size, words as in their domain, missing ones last."""
    if is_missing(value):
        return (2, 0.0, "")
    if not isinstance(value, str):
        return (0, float(value), "")
    values = [value_text(own) for own in question.domains.get(knob, {}).get("values", [])]
    return (1, float(values.index(value)) if value in values else math.inf, value)


def _arm(trials: pd.DataFrame, question: Question) -> dict[str, Any]:
    finished = trials[trials["outcome"] == "finished"]
    values = finished[f"metric.{question.metric}"].to_numpy()
    interval = student_interval(values)
    params = {f"param.{knob}": trials[f"param.{knob}"].iloc[0] for knob in question.knobs}
    outcomes = trials["outcome"].value_counts()
    counts = {name: int(outcomes.get(name, 0)) for name in OUTCOMES if name != "finished"}
    return {
        "arm": trials["arm"].iloc[0],
        **params,
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "sd": float(values.std(ddof=1)) if interval.num > 1 else math.nan,
        "n": interval.num,
        **counts,
        "images": finished["images"].mean(),
        "seconds": finished["seconds"].mean(),
        "peak_memory_bytes": finished["peak_memory_bytes"].max(),
        **{f"metric.{name}": finished[f"metric.{name}"].mean() for name in question.columns},
        "marked": any(counts[name] for name in LOST),
        "complete": not any(counts.values()) and set(question.seeds) <= set(finished["seed"]),
        "baseline": _is_baseline(params, question),
    }


def _is_baseline(params: dict[str, Any], question: Question) -> bool:
    wanted = question.baseline
    return bool(wanted) and all(
        same_value(params.get(f"param.{knob}"), value) for knob, value in wanted.items()
    )


def _best(table: pd.DataFrame, question: Question) -> pd.Series:
    """The best mean among complete arms: the survivors of an arm are no competitors."""
    means = table["mean"].where(table["complete"])
    return means == (means.min() if question.goal == "minimize" else means.max())


def _pareto(table: pd.DataFrame, question: Question) -> pd.Series:
    """The complete arms that no other complete arm beats in one of metric and cost without being
    worse in the other."""
    if not question.cost:
        return pd.Series(False, table.index)
    signs = [1 if goal == "minimize" else -1 for goal in (question.goal, question.cost_goal)]
    points = table[["mean", f"metric.{question.cost}"]].to_numpy(float) * signs
    points[~table["complete"].to_numpy(bool)] = np.nan  # compares as neither better nor worse
    no_worse = (points[:, None] <= points[None]).all(-1)
    better = (points[:, None] < points[None]).any(-1)
    beaten = (no_worse & better).any(0)
    front = np.asarray(~beaten & ~np.isnan(points).any(1), dtype=bool)
    return pd.Series(front, table.index)


def _place(row: pd.Series, question: Question) -> tuple[Any, ...]:
    keys = [value_place(row[f"param.{knob}"], knob, question) for knob in question.knobs]
    return (*keys, row["arm"])


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
