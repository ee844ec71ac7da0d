"""Trials to a row per arm: its mean, what it lost, how it compares. Pure: frames in, frames out.

The value of a trial is its last evaluation, never the best over time, which would reward noise.
Only finished trials enter a mean; an arm that lost some has no mean of its own, only that of its
survivors, and is compared by how often it is lost.

A verdict is a claim about an arm and the baseline on the seeds that both have: *better*, *worse*,
or *equal* where the question says within what; else *undecided*. All claims of a table together
hold a false one with probability at most 5 % (Holm 1979).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.notation import is_missing, same_value, value_text
from analysis.pareto import membership
from analysis.question import Question
from analysis.statistics import (
    ALPHA,
    Effect,
    Interval,
    are_copies,
    equivalence,
    holm,
    log_t_interval,
    mcnemar,
    paired,
    proportion_interval,
    t_interval,
)
from sid_sweep.spec import LOST, OUTCOMES

NO_EFFECT = Effect(math.nan, math.nan, math.nan, math.nan, 0, math.nan)


def arms(frame: pd.DataFrame, question: Question) -> pd.DataFrame:
    """A row per arm, in the order of the scientific knobs.

    | column | |
    |---|---|
    | `arm`, `param.<knob>`, `baseline` | which arm; whether others are compared with it |
    | `mean`, `low`, `high`, `n` | of the finished seeds; geometric where the scale is a ratio |
    | `copies` | all its seeds gave one value |
    | `diverged`, `failed`, `running` | seeds without a value |
    | `lost_low`, `lost_high` | interval of the part of seeds that is lost |
    | `marked`, `complete` | some seeds are lost; every declared seed finished |
    | `images`, `seconds`, `peak_memory_bytes` | means, means and largest of the finished trials |
    | `metric.<name>` | means of more columns |
    | `effect`, `effect_low`, `effect_high`, `effect_n` | to the baseline, on shared seeds |
    | `p`, `verdict` | adjusted; what may be claimed |
    | `leads` | the best mean of a complete arm, which is no claim |
    | `best`, `bold` | better than every other complete arm; not worse, where some are, than it |
    | `behind` | complete, and significantly worse than the one that leads |
    | `pareto` | how often no complete arm beats it in metric and cost; NaN without a cost |

    Raises:
        ValueError: a finished trial has a metric that is not finite, or not positive where its
            scale is a ratio.
    """
    trials = frame[frame["final"]]
    _require_finite(trials, question)
    table = pd.DataFrame([_arm(own, question) for _, own in trials.groupby("arm")])
    scaled = _scaled(trials, question).reindex(table["arm"])
    ended = trials[trials["outcome"] != "running"]
    ended = ended.assign(lost=ended["outcome"].isin(LOST))
    is_lost = ended.pivot(index="arm", columns="seed", values="lost").reindex(table["arm"])
    table = pd.concat([table, _verdicts(table, scaled, is_lost, question)], axis=1)
    table = pd.concat([table, _ranks(table, scaled, question)], axis=1)
    table["pareto"] = membership(frame, table, question)
    order = sorted(table.index, key=lambda row: _place(table.loc[row], question))
    return table.loc[order].reset_index(drop=True)


def effect_of(frame: pd.DataFrame, arm: int, other: int, question: Question) -> Effect:
    """The paired effect of one arm against another, on the scale of the metric (a logarithm where
    that is a ratio)."""
    scaled = _scaled(frame[frame["final"]], question)
    rows = {number: row for row, number in enumerate(scaled.index)}
    if arm not in rows or other not in rows:
        return NO_EFFECT
    return _paired(scaled, rows[arm], rows[other])


def _scaled(trials: pd.DataFrame, question: Question) -> pd.DataFrame:
    """The metric of finished trials by arm and seed, in logarithms where its scale is a ratio."""
    finished = trials[trials["outcome"] == "finished"]
    values = finished.pivot(index="arm", columns="seed", values=f"metric.{question.metric}")
    return values.map(math.log) if question.scale == "ratio" else values


def value_place(value: Any, knob: str, question: Question) -> tuple[int, float, str]:
    """Sort key of a knob's value: numbers by size, words as in their domain, missing ones last."""
    if is_missing(value):
        return (2, 0.0, "")
    if not isinstance(value, str):
        return (0, float(value), "")
    values = [value_text(own) for own in question.domains.get(knob, {}).get("values", [])]
    return (1, float(values.index(value)) if value in values else math.inf, value)


# ---- an arm by itself


def _arm(trials: pd.DataFrame, question: Question) -> dict[str, Any]:
    finished = trials[trials["outcome"] == "finished"]
    values = finished[f"metric.{question.metric}"].to_numpy()
    interval = interval_of(values, question)
    params = {f"param.{knob}": trials[f"param.{knob}"].iloc[0] for knob in question.knobs}
    outcomes = trials["outcome"].value_counts()
    counts = {name: int(outcomes.get(name, 0)) for name in OUTCOMES if name != "finished"}
    num_lost = sum(counts[name] for name in LOST)
    lost_low, lost_high = proportion_interval(num_lost, interval.num + num_lost)
    return {
        "arm": trials["arm"].iloc[0],
        **params,
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "n": interval.num,
        "copies": are_copies(values),
        **counts,
        "lost_low": lost_low,
        "lost_high": lost_high,
        "images": finished["images"].mean(),
        "seconds": finished["seconds"].mean(),
        "peak_memory_bytes": finished["peak_memory_bytes"].max(),
        **{f"metric.{name}": finished[f"metric.{name}"].mean() for name in question.columns},
        "marked": num_lost > 0,
        "complete": not any(counts.values()) and set(question.seeds) <= set(finished["seed"]),
        "baseline": _is_baseline(params, question),
    }


def interval_of(values: Any, question: Question) -> Interval:
    """On the scale of the metric: never beyond what the metric can be."""
    return log_t_interval(values) if question.scale == "ratio" else t_interval(values)


def _is_baseline(params: dict[str, Any], question: Question) -> bool:
    wanted = question.baseline
    return bool(wanted) and all(
        same_value(params.get(f"param.{knob}"), value) for knob, value in wanted.items()
    )


# ---- arms against the baseline


def _verdicts(
    table: pd.DataFrame, scaled: pd.DataFrame, is_lost: pd.DataFrame, question: Question
) -> pd.DataFrame:
    """Effect, p and verdict of every arm but the baseline, if there is one baseline."""
    base = table.index[table["baseline"]]
    names = ["effect", "effect_low", "effect_high", "effect_n", "p", "verdict"]
    found = pd.DataFrame(dict.fromkeys(names, math.nan), index=table.index)
    found["verdict"], found["effect_n"] = "", 0
    if len(base) != 1:
        return found
    own = [row for row in table.index if row != base[0]]
    claims = [_claim(scaled, is_lost, row, int(base[0]), question) for row in own]
    p = holm([claim.p for claim in claims] + [claim.p_equal for claim in claims])
    for claim, row, p_differs, p_equal in zip(claims, own, p, p[len(own) :], strict=False):
        ends = (claim.effect.mean, claim.effect.low, claim.effect.high)
        shown = [math.exp(end) for end in ends] if question.scale == "ratio" else ends
        verdict = claim.verdict(p_differs, p_equal)
        found.loc[row] = [*shown, claim.effect.num, p_differs, verdict]
    return found


@dataclass(frozen=True)
class _Claim:
    """What the shared seeds say of an arm and the baseline, before it is adjusted."""

    effect: Effect
    p: float
    """Of no difference: in the metric, or in how often they are lost."""
    p_equal: float
    """Of a difference beyond what counts as equal; NaN where nothing does."""
    improves: bool

    def verdict(self, p_differs: float, p_equal: float) -> str:
        """By the adjusted p of both claims."""
        if p_differs < ALPHA:
            return "better" if self.improves else "worse"
        return "equal" if p_equal < ALPHA else "undecided"


def _claim(
    scaled: pd.DataFrame, is_lost: pd.DataFrame, row: int, base: int, question: Question
) -> _Claim:
    effect = _paired(scaled, row, base)
    ended = is_lost.iloc[row].notna() & is_lost.iloc[base].notna()
    lost, base_lost = (is_lost.iloc[own][ended].astype(bool) for own in (row, base))
    if lost.any() or base_lost.any():
        more, fewer = int((lost & ~base_lost).sum()), int((base_lost & ~lost).sum())
        return _Claim(effect, mcnemar(more, fewer), math.nan, more < fewer)
    p_equal = math.nan
    if question.equal_within:
        p_equal = equivalence(effect, margin=_margin(question))
    improves = (effect.mean < 0) == (question.goal == "minimize")
    return _Claim(effect, effect.p, p_equal, improves)


def _paired(scaled: pd.DataFrame, row: int, other: int) -> Effect:
    """The effect of one arm against another on the seeds that both finished."""
    both = scaled.iloc[row].notna() & scaled.iloc[other].notna()
    if not both.any():
        return NO_EFFECT
    return paired(scaled.iloc[row][both], scaled.iloc[other][both])


def _margin(question: Question) -> float:
    """Of equivalence, on the scale of the comparison: ±10 % is a factor of 1.1 either way."""
    within = question.equal_within
    return math.log1p(within) if question.scale == "ratio" else within


# ---- arms among each other


def _ranks(table: pd.DataFrame, scaled: pd.DataFrame, question: Question) -> pd.DataFrame:
    """Which complete arm leads, which are not worse than it, and whether it is the best.

    The one that leads was chosen among all, so each comparison with it is one of all pairs of arms:
    p times their number (Bonferroni).
    """
    means = table["mean"].where(table["complete"])
    leads = means == (means.min() if question.goal == "minimize" else means.max())
    found = pd.DataFrame({"leads": leads, "best": False, "bold": False, "behind": False})
    own = [row for row in table.index if table["complete"][row]]
    if len(own) < 2:
        return found
    leader = int(found.index[found["leads"]][0])
    pairs = len(own) * (len(own) - 1) / 2
    worse = {row: pairs * _paired(scaled, row, leader).p < ALPHA for row in own if row != leader}
    if any(worse.values()):  # else it would be all of them, which says nothing
        found["bold"] = [row == leader or not worse.get(row, True) for row in found.index]
    found["behind"] = [worse.get(row, False) for row in found.index]
    found["best"] = [row == leader and all(worse.values()) for row in found.index]
    return found


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
    if question.scale == "ratio" and (finished[f"metric.{question.metric}"] <= 0).any():
        raise ValueError(
            f"{question.metric} is compared by ratios, and some of its values are not positive"
        )
