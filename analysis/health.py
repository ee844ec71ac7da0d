"""What a careful referee would object to, one sentence each. Pure, and silent where all is well."""

import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pandas as pd

from analysis.arms import effect_of
from analysis.notation import arm_text, is_number, knob_name, same_value, value_text
from analysis.question import Question
from analysis.statistics import ALPHA, deviation_interval, seeds_needed
from sid_sweep.spec import LOST

MAX_SEEDS = 200  # beyond this the answer is that the arms are equal for all practical purposes
LEAST_FOR_A_FORECAST = 3  # so few seeds do not know how far they scatter
NUMBER = re.compile(r"-?\d+(\.\d+)?(e[-+]?\d+)?")
MAX_BUDGET_SPREAD = 0.02
EDGE_FRACTION = 0.05  # of a continuous range; nothing is ever drawn exactly at its end
NAMED_ARMS = 3  # more arms than this are counted, not listed

Check = Callable[[pd.DataFrame, pd.DataFrame, Question], list[str]]


def warnings(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """All objections to a frame and its arms, those that weaken every number first."""
    checks: tuple[Check, ...] = (
        unfinished,
        lost,
        no_leader,
        unequal_budgets,
        no_interval,
        copies,
        best_on_edge,
        baseline_not_beaten,
        too_few_seeds,
    )
    return [sentence for check in checks for sentence in check(frame, arms, question)]


def unfinished(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """Trials without an end, and seeds of a started arm that have not begun."""
    trials = frame[frame["final"]]
    running = int((trials["outcome"] == "running").sum())
    started = trials.groupby("arm")["seed"].agg(set)
    waiting = sum(len(set(question.seeds) - seeds) for seeds in started)
    if not running + waiting:
        return []
    return [
        f"{running} of {len(trials) + waiting} trials are still running and {waiting} have not "
        "started: this table is preliminary."
    ]


def lost(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """How many trials diverged or failed, and why most of them did."""
    trials = frame[frame["final"]]
    bad = trials[trials["outcome"].isin(LOST)]
    if bad.empty:
        return []
    counts = [f"{(bad['outcome'] == name).sum()} {name}" for name in LOST]
    counts = [count for count in counts if not count.startswith("0 ")]
    (cause, times), *_ = Counter(map(without_numbers, bad["cause"])).most_common(1)
    why = f"; most often ({times}): {cause}" if cause else ""
    part = len(bad) / len(trials)
    return [
        f"{len(bad)} of {len(trials)} trials ({part:.0%}) ended without a value: "
        f"{', '.join(counts)}{why}."
    ]


def without_numbers(cause: str) -> str:
    """`a sample of … is beyond …`: what several causes have in common."""
    return NUMBER.sub("…", cause)


def no_leader(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """Without an arm that is complete none leads."""
    if arms["complete"].any():
        return []
    return ["No arm finished at every seed, so none leads."]


def unequal_budgets(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """Arms that saw different numbers of images answer another question than their knobs do.

    An arm that saw none was not trained at all, as the teacher itself, and is no unequal trial.
    """
    done = arms[arms["images"] > 0]
    if done.empty:
        return []
    by_budget = done.sort_values("images", kind="stable")
    least, most = by_budget.iloc[0], by_budget.iloc[-1]
    if most["images"] <= (1 + MAX_BUDGET_SPREAD) * least["images"]:
        return []
    return [
        f"Budgets differ by more than {MAX_BUDGET_SPREAD:.0%}, from {least['images']:,.0f} images "
        f"({_name(least, question)}) to {most['images']:,.0f} ({_name(most, question)}): "
        "such arms are not comparable."
    ]


def no_interval(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """One seed says nothing about the next one."""
    single = arms[arms["n"] == 1]
    if single.empty:
        return []
    if len(single) == len(arms):
        who = "Every arm has"
    elif len(single) > NAMED_ARMS:
        who = f"{len(single)} of {len(arms)} arms have"
    else:
        names = " and ".join(f"({_name(row, question)})" for _, row in single.iterrows())
        who = f"The arm {names} has" if len(single) == 1 else f"The arms {names} have"
    return [f"{who} one finished seed, so no interval: a difference there may be chance."]


def copies(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """Seeds that all gave one value repeat nothing."""
    same = arms[arms["copies"]]
    if same.empty:
        return []
    return [
        f"{len(same)} of {len(arms)} arms gave one value at every seed: copies, not repetitions, "
        "so they have no interval and no verdict."
    ]


def best_on_edge(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """A leading arm at the end of a range says that the optimum may lie outside, if it is better
    than its neighbour inside; of equal arms, one in four sweeps would have it there by chance."""
    found = []
    for _, leader in arms[arms["leads"]].iterrows():
        for knob in question.scientific:
            value = leader[f"param.{knob}"]
            end = _edge(value, question.domains.get(knob, {}))
            if end is None or not _beats_inside(arms, leader, knob, question):
                continue
            low, high = map(value_text, _bounds(question.domains[knob]))
            found.append(
                f"The arm that leads has {knob_name(knob)} = {value_text(value)}, at the {end} end "
                f"of the range searched ({low} to {high}), and is better than its neighbour "
                "inside: a better value may lie outside."
            )
    return found


def _beats_inside(arms: pd.DataFrame, leader: pd.Series, knob: str, question: Question) -> bool:
    """Whether the leading arm is significantly better than the nearest arm that differs from it in
    this knob alone."""
    others = [f"param.{other}" for other in question.knobs if other != knob]
    alike = arms[arms["complete"] & ~arms["leads"]]
    for name in others:
        alike = alike[[same_value(own, leader[name]) for own in alike[name]]]
    if alike.empty:
        return False
    distance = (alike[f"param.{knob}"].astype(float) - float(leader[f"param.{knob}"])).abs()
    neighbour = alike.iloc[int(distance.to_numpy().argmin())]
    return bool(neighbour["behind"])


def baseline_not_beaten(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """The baseline is missing, or nothing is shown to improve on it."""
    if not question.baseline or arms["running"].any():
        return []
    base = arms[arms["baseline"] & (arms["n"] > 0)]
    if base.empty:
        name = arm_text(question.baseline)
        return [f"The baseline ({name}) has no finished trial: nothing can be compared with it."]
    if len(arms) == 1 or (arms["verdict"] == "better").any():
        return []
    return ["No arm is shown to be better than the baseline."]


def too_few_seeds(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """How many seeds would tell the arm that leads from its rival, as far as these can say."""
    leader = arms[arms["leads"] & ~arms["best"]]
    if leader.empty:
        return []
    rival, title = _rival(arms, question)
    if rival is None:
        return []
    effect = effect_of(frame, leader.iloc[0]["arm"], rival["arm"], question)
    if math.isnan(effect.p) or effect.p < ALPHA:
        return []
    who = f"The arm that leads ({_name(leader.iloc[0], question)}) is not told from {title}"
    if effect.num <= LEAST_FOR_A_FORECAST:
        return [f"{who} by {effect.num} seeds, which cannot say how many would do."]
    ends = deviation_interval(effect.deviation, effect.num)
    low, need, high = (
        seeds_needed(effect=effect.mean, deviation=deviation)
        for deviation in (ends[0], effect.deviation, ends[1])
    )
    if need > MAX_SEEDS:
        return [f"{who}: more than {MAX_SEEDS} seeds would be needed (α = .05, power .8)."]
    most = f"{high:.0f}" if math.isfinite(high) else "10,000 and more"
    return [
        f"{who} by {effect.num} seeds: if they differ as it seems, about {need:.0f} would do, with "
        f"so uncertain a scatter {low:.0f} to {most} (α = .05, power .8)."
    ]


def _rival(arms: pd.DataFrame, question: Question) -> tuple[pd.Series | None, str]:
    """The baseline, or the runner-up where the baseline itself leads or there is none."""
    others = arms[arms["complete"] & ~arms["leads"]].sort_values(
        "mean", ascending=question.goal == "minimize", kind="stable"
    )
    base = others[others["baseline"]]
    if not base.empty:
        return base.iloc[0], f"the baseline ({_name(base.iloc[0], question)})"
    if others.empty:
        return None, ""
    return others.iloc[0], f"the runner-up ({_name(others.iloc[0], question)})"


def _bounds(domain: dict[str, Any]) -> tuple[float, float]:
    values = domain.get("values")
    return (min(values), max(values)) if values else (domain["low"], domain["high"])


def _edge(value: Any, domain: dict[str, Any]) -> str | None:
    """`lower`, `upper` or None. Two choices have nothing but ends, so they are no range."""
    match domain:
        case {"kind": "choice", "values": values}:
            if len(values) < 3 or not all(is_number(v) for v in values):
                return None
            margin = 0.0
        case {"kind": "log_uniform", "low": low, "high": high}:
            value, domain = math.log(value), {"low": math.log(low), "high": math.log(high)}
            margin = EDGE_FRACTION
        case {"low": _, "high": _}:
            margin = EDGE_FRACTION
        case _:
            return None
    low, high = _bounds(domain)
    if value <= low + margin * (high - low):
        return "lower"
    return "upper" if value >= high - margin * (high - low) else None


def _name(arm: pd.Series, question: Question) -> str:
    return arm_text({knob: arm[f"param.{knob}"] for knob in question.knobs})
