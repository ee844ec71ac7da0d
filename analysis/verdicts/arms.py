"""Trials to a row per arm: its mean, what it lost, how it compares. Pure: frames in, frames out.

The value of a trial is its last evaluation, never the best over time, which would reward noise.
Only finished trials that have not collapsed enter a mean; an arm that lost some has no mean of its
own, only that of its survivors, and is compared by how often it is lost. What chose an arm is not
what is reported of it: where some seeds screen, the others alone are.

A verdict is a claim about an arm and the baseline on the seeds that both have: *better*, *worse*,
or *equal* where the question says within what; else *undecided*. All claims of a table together
hold a false one with probability at most 5 % (Holm 1979), also where seeds were added until there
was one (`statistics.anytime`).
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.notation import is_missing, significant, value_text
from analysis.question import Question
from analysis.verdicts import budgets
from analysis.verdicts.constraints import violations
from analysis.verdicts.evidence import (
    NO_EFFECT,
    PRUNED,
    Evidence,
    Verdict,
    claim,
    effect,
    gather,
    judged,
    verdicts,
)
from analysis.verdicts.pareto import membership
from analysis.verdicts.selection import Selection, race_lost, select
from analysis.verdicts.statistics import (
    ALPHA,
    Effect,
    Interval,
    are_copies,
    confidence_sequence,
    exponential,
    log_confidence_sequence,
    log_t_interval,
    proportion_interval,
    t_interval,
)
from sid_sweep.spec import LOST

FEW_SEEDS = 3
"""So few are shown one by one where some are lost: an interval of the survivors is absurd."""


def arms(frame: pd.DataFrame, question: Question) -> pd.DataFrame:
    """A row per arm, in the order of the scientific knobs; of arms that differ in nuisance knobs
    alone only the best (`selection.select`).

    | column | |
    |---|---|
    | `arm`, `param.<knob>`, `baseline` | which arm; whether others are compared with it |
    | `tried`, `tuned_on_same_seeds` | nuisance settings it is the best of; by the reported seeds |
    | `confirmed` | it ran on the reported seeds, and was not only screened |
    | `mean`, `low`, `high`, `n` | of the survivors; geometric where the scale is a ratio |
    | `copies` | all its seeds gave one value |
    | `diverged`, `failed`, `collapsed`, `running` | seeds without a value (screening ones of an arm
    that is not confirmed) |
    | `pruned` | screening seeds at which it was given up |
    | `lost`, `ended`, `lost_low`, `lost_high` | so many of so many lost; interval of that part |
    | `raw` | its few seeds one by one, if it lost some and not all; else "" |
    | `marked`, `complete` | some reported seeds are lost; every one that was due finished |
    | `stopped` | why it was due fewer than declared: decided, outclassed or "" |
    | `images`, `seconds`, `peak_memory_bytes` | means, means and largest of what ran to its end |
    | `metric.<name>` | means of more columns, collapsed ones too |
    | `screened`, `screened_low`, `screened_high`, `screened_n` | the mean by the screening seeds |
    | `shrinkage` | the mean over the screened one, or less it |
    | `effect`, `effect_low`, `effect_high`, `effect_n` | to the baseline, on shared seeds |
    | `p`, `verdict` | adjusted; what may be claimed |
    | `ranked` | it trained for as many images as the others (`budgets.ranked`) |
    | `compute` | its network evaluations over those of the baseline (`budgets.compute`) |
    | `violates` | the constraints that its means on the reported seeds do not keep, or "" |
    | `contends` | it is confirmed, ranked and violates nothing: of these one may be the best |
    | `leads` | of those that contend and are complete, the best mean, which is no claim |
    | `best`, `bold` | better than all others that contend; complete, not behind and not worse |
    | `behind` | it contends, and is significantly worse than the one that leads |
    | `pareto` | how often no complete arm beats it in metric and cost; NaN without a cost |

    The columns of screening are there where some seeds screen. Where an end of an interval is not
    known it is NaN.

    Raises:
        ValueError: a finished trial has a metric that is not finite, or not positive where its
            scale is a ratio.
    """
    trials = judged(frame, question)
    chosen = select(trials, question)
    own = trials[trials["arm"].isin(chosen.arms)]
    table = pd.DataFrame(
        [_arm(ours, chosen, question) for _, ours in own.groupby("arm")], index=chosen.arms
    )
    if question.screen:
        table = table.join(_screening(own, table, question))
    reported = gather(own, question.seeds, question).of(chosen.confirmed)
    table = table.join(_against_baseline(table, reported, chosen, question))
    table["stopped"] = _stopped(table, trials, question)
    table["complete"] = _complete(table, question)
    # what trained for longer is shown, and no word is said of it
    table["ranked"] = budgets.ranked(table, question)
    table["compute"] = budgets.compute(frame, table, question)
    table["verdict"] = table["verdict"].where(table["ranked"], "")
    violated = violations(trials, question, question.seeds, chosen.baseline)
    table["violates"] = [violated.get(arm, "") for arm in table.index]
    fit = table["complete"] & (table["violates"] == "")
    table["contends"] = table["confirmed"] & table["ranked"] & (table["violates"] == "")
    table = table.join(_ranks(table, reported, chosen, question))
    table["pareto"] = membership(frame, table.assign(complete=fit), question)
    order = sorted(table.index, key=lambda arm: _place(table.loc[arm], question))
    return table.loc[order].reset_index(drop=True)


def effect_of(frame: pd.DataFrame, arm: int, other: int, question: Question) -> Effect:
    """The paired effect of one arm against another on the reported seeds, on the scale of the
    metric (a logarithm where that is a ratio)."""
    seen = gather(judged(frame, question), question.seeds, question)
    if arm not in seen.arms or other not in seen.arms:
        return NO_EFFECT
    return effect(seen, arm, other, sequential=question.sequential)


def value_place(value: Any, knob: str, question: Question) -> tuple[int, float, str]:
    """Sort key of a knob's value: numbers by size, words as in their domain, missing ones last."""
    if is_missing(value):
        return (2, 0.0, "")
    if not isinstance(value, str):
        return (0, float(value), "")
    values = [value_text(own) for own in question.domains.get(knob, {}).get("values", [])]
    return (1, float(values.index(value)) if value in values else math.inf, value)


# ---- an arm by itself


def interval_of(values: Any, question: Question) -> Interval:
    """On the scale of the metric: never beyond what the metric can be."""
    if question.sequential:
        ratio, difference = log_confidence_sequence, confidence_sequence
    else:
        ratio, difference = log_t_interval, t_interval
    own = ratio(values) if question.scale == "ratio" else difference(values)
    most = math.inf if question.most is None else question.most
    # an end that is not known stays so: a comparison with NaN is false
    low, high = (0.0 if own.low < 0 else own.low), (most if own.high > most else own.high)
    return replace(own, low=low, high=high)


def _arm(trials: pd.DataFrame, chosen: Selection, question: Question) -> dict[str, Any]:
    """Its own columns, from all its trials; NumPy within, since there may be hundreds of arms."""
    arm, outcomes = int(trials["arm"].iloc[0]), trials["outcome"].to_numpy()
    is_reported = trials["seed"].isin(question.seeds).to_numpy()
    confirmed = arm in chosen.confirmed
    values = _numbers(trials, question.metric, is_reported & (outcomes == "finished"))
    interval = interval_of(values, question)
    low, high = _ends(interval.low, interval.high)
    shown = list(outcomes[is_reported] if confirmed else outcomes)
    counts = {name: shown.count(name) for name in (*LOST, PRUNED, "running")}
    lost = sum(counts[name] for name in LOST)
    ended = len(shown) - counts["running"] - counts[PRUNED]
    lost_low, lost_high = proportion_interval(lost, ended)
    whole = trials["whole"].to_numpy(bool)
    return {
        "arm": arm,
        **{f"param.{knob}": trials[f"param.{knob}"].iloc[0] for knob in question.knobs},
        "baseline": arm in chosen.baselines,
        "tried": chosen.tried[arm],
        "tuned_on_same_seeds": chosen.tried[arm] > 1 and not question.screen,
        "confirmed": confirmed,
        "mean": interval.mean,
        "low": low,
        "high": high,
        "n": interval.num,
        "copies": are_copies(values),
        **counts,
        "lost": lost,
        "ended": ended,
        "lost_low": lost_low,
        "lost_high": lost_high,
        "raw": _one_by_one(trials, question) if lost and confirmed else "",
        "images": _mean(trials["images"].to_numpy(float)[whole]),
        "seconds": _mean(trials["seconds"].to_numpy(float)[whole]),
        "peak_memory_bytes": _largest(trials["peak_memory_bytes"].to_numpy(float)[whole]),
        **{
            f"metric.{name}": _mean(_numbers(trials, name, whole & is_reported))
            for name in question.columns
        },
        "marked": lost > 0 and confirmed,
    }


def _numbers(trials: pd.DataFrame, metric: str, where: np.ndarray) -> np.ndarray:
    return trials[f"metric.{metric}"].to_numpy(float)[where]


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan


def _largest(values: np.ndarray) -> float:
    return float(values.max()) if len(values) else math.nan


def _one_by_one(trials: pd.DataFrame, question: Question) -> str:
    """`1.9, 2.1, collapsed`: few seeds in their order, if some of them have a value."""
    rows = zip(trials["seed"], trials["outcome"], trials[f"metric.{question.metric}"], strict=True)
    cells = {
        seed: significant(value) if word == "finished" else word
        for seed, word, value in rows
        if word != "running"
    }
    own = [cells[seed] for seed in question.seeds if seed in cells]
    return ", ".join(own) if len(own) <= FEW_SEEDS and not set(own) <= set(LOST) else ""


def _ends(low: float, high: float) -> tuple[float, float]:
    """Of an interval; unknown where one is infinite."""
    known = math.isfinite(low) and math.isfinite(high)
    return (low, high) if known else (math.nan, math.nan)


def _screening(trials: pd.DataFrame, table: pd.DataFrame, question: Question) -> pd.DataFrame:
    """What each arm was chosen by, and what became of it on fresh seeds."""
    seen = gather(trials, question.screen, question)
    rows = dict(zip(seen.arms, seen.values, strict=True))
    found = {arm: t_interval(rows[arm][~np.isnan(rows[arm])]) for arm in table.index}
    plain = exponential if question.scale == "ratio" else float
    own = pd.DataFrame(
        {
            "screened": {arm: plain(own.mean) for arm, own in found.items()},
            "screened_low": {arm: plain(own.low) for arm, own in found.items()},
            "screened_high": {arm: plain(own.high) for arm, own in found.items()},
            "screened_n": {arm: own.num for arm, own in found.items()},
        }
    )
    fresh, before = table["mean"], own["screened"]
    own["shrinkage"] = fresh / before if question.scale == "ratio" else fresh - before
    return own


# ---- arms against the baseline


def _against_baseline(
    table: pd.DataFrame, seen: Evidence, chosen: Selection, question: Question
) -> pd.DataFrame:
    """Effect, p and verdict of every confirmed arm but the baseline, if there is one baseline."""
    base, found = chosen.baseline, {}
    if base is not None and base in seen.arms:
        found = verdicts(seen, base, question, num_pairs=chosen.num_pairs)
    none = Verdict(NO_EFFECT, math.nan, "")
    rows = [_effect_cells(found.get(arm, none), question) for arm in table.index]
    return pd.DataFrame(rows, index=table.index)


def _effect_cells(verdict: Verdict, question: Question) -> dict[str, Any]:
    own = verdict.effect
    ends = (own.mean, own.low, own.high)
    mean, low, high = map(exponential, ends) if question.scale == "ratio" else ends
    low, high = _ends(low, high)
    return {
        "effect": mean,
        "effect_low": low,
        "effect_high": high,
        "effect_n": own.num,
        "p": verdict.p,
        "verdict": verdict.word,
    }


def _stopped(table: pd.DataFrame, trials: pd.DataFrame, question: Question) -> pd.Series:
    """Why an arm was due fewer seeds than declared, where that hung on what they showed."""
    found = pd.Series("", table.index)
    if not question.sequential:
        return found
    short = table["confirmed"] & (table["ended"] < len(question.seeds))
    if short.any() and not question.screen:
        found[table["arm"].isin(race_lost(trials, question))] = "outclassed"
    decided = table["verdict"].isin(("better", "worse", "equal"))
    found[decided] = "decided"
    others = table["confirmed"] & ~table["baseline"]
    if others.any() and (~short | (found != "") | table["baseline"])[table["confirmed"]].all():
        found[table["baseline"]] = "decided"
    return found.where(short, "")


def _complete(table: pd.DataFrame, question: Question) -> pd.Series:
    """Every reported seed that was due has finished."""
    whole = (table["n"] == len(question.seeds)) | ((table["stopped"] != "") & (table["n"] > 0))
    return table["confirmed"] & (table["lost"] + table["running"] == 0) & whole


# ---- arms among each other


def _ranks(
    table: pd.DataFrame, seen: Evidence, chosen: Selection, question: Question
) -> pd.DataFrame:
    """Which arm leads, which are not worse than it, and whether it is the best.

    It is the best if it is better than each other that contends, also than those that lost seeds:
    an arm that nothing is known against is not beaten. The one that leads was chosen among all, so
    each comparison with it is one of all pairs of their settings: p times their number
    (Bonferroni).
    """
    none = pd.Series(False, table.index)
    found = pd.DataFrame({"leads": none, "best": none, "bold": none, "behind": none})
    others = list(table.index[table["contends"]])
    whole = [arm for arm in others if table["complete"][arm]]
    if not whole:
        return found
    means = _comparable_means(table, seen.of(whole), question)
    found["leads"] = means == (means.min() if question.goal == "minimize" else means.max())
    leader = int(found.index[found["leads"]][0])
    num = sum(map(chosen.num_settings, others))
    others.remove(leader)
    for arm in others:
        own = claim(seen, leader, arm, question, sequential=question.sequential)
        found.loc[arm, "behind"] = own.improves and own.p * num * (num - 1) / 2 < ALPHA
    worse = found["behind"] | (table["verdict"] == "worse")
    if worse.any():  # else it would be all of them, which says nothing
        found["bold"] = table.index.isin(whole) & ~worse
    found.loc[leader, "best"] = bool(others) and bool(found.loc[others, "behind"].all())
    return found


def _comparable_means(table: pd.DataFrame, seen: Evidence, question: Question) -> pd.Series:
    """Of complete arms, NaN elsewhere: where some had enough of fewer seeds, on those that all
    have, since seeds differ."""
    shared = ~np.isnan(seen.values).any(0)
    if question.sequential and shared.any():
        means = pd.Series(seen.values[:, shared].mean(1), seen.arms)
        return means.reindex(table.index)
    return table["mean"].where(table.index.isin(seen.arms))


def _place(row: pd.Series, question: Question) -> tuple[Any, ...]:
    keys = [value_place(row[f"param.{knob}"], knob, question) for knob in question.knobs]
    return (*keys, row["arm"])
