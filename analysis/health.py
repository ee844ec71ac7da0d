"""What a careful referee would object to, one sentence each. Pure, and silent where all is well."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy import stats

from analysis.notation import arm_text, is_number, knob_name, significant, value_text
from analysis.question import Question
from sid_sweep.spec import LOST

ALPHA = 0.05
POWER = 0.8
MAX_SEEDS = 50  # beyond this the answer is that the arms are equal for all practical purposes
MAX_BUDGET_SPREAD = 0.02
EDGE_FRACTION = 0.05  # of a continuous range; nothing is ever drawn exactly at its end
NAMED_ARMS = 3  # more arms than this are counted, not listed

Check = Callable[[pd.DataFrame, pd.DataFrame, Question], list[str]]


def warnings(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """All objections to a frame and its arms, those that weaken every number first."""
    checks: tuple[Check, ...] = (
        unfinished,
        lost,
        no_best,
        unequal_budgets,
        no_interval,
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
    counts = [f"{(bad['outcome'] == name).sum()} {name}" for name in ("diverged", "failed")]
    counts = [count for count in counts if not count.startswith("0 ")]
    (cause, times), *_ = Counter(bad["cause"]).most_common(1)
    why = f"; most often ({times}): {cause}" if cause else ""
    part = len(bad) / len(trials)
    return [
        f"{len(bad)} of {len(trials)} trials ({part:.0%}) ended without a value: "
        f"{', '.join(counts)}{why}."
    ]


def no_best(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """Without an arm that is complete there is no best one."""
    if arms["complete"].any():
        return []
    return ["No arm finished at every seed, so none is called best."]


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


def best_on_edge(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """A best arm at the end of a range says that the optimum may lie outside."""
    best = arms[arms["best"]]
    if best.empty:
        return []
    found = []
    for knob in question.scientific:
        value = best.iloc[0][f"param.{knob}"]
        if (end := _edge(value, question.domains.get(knob, {}))) is None:
            continue
        low, high = map(value_text, _bounds(question.domains[knob]))
        found.append(
            f"The best arm has {knob_name(knob)} = {value_text(value)}, at the {end} end of the "
            f"range searched ({low} to {high}): a better value may lie outside."
        )
    return found


def baseline_not_beaten(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """The baseline is missing, or nothing improves on it."""
    if not question.baseline:
        return []
    base = arms[arms["baseline"] & (arms["n"] > 0)]
    if base.empty:
        name = arm_text(question.baseline)
        return [f"The baseline ({name}) has no finished trial: nothing can be compared with it."]
    if not (arms["best"] & arms["baseline"]).any():
        return []
    mean = significant(arms[arms["best"]].iloc[0]["mean"])
    return [f"No arm has a better mean {question.metric} than the baseline ({mean})."]


def too_few_seeds(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """Whether the lead of the best arm could be told from chance with this many seeds."""
    duel = _duel(arms, question)
    if duel is None:
        return []
    best, rival = duel.best, duel.rival
    have = int(min(best["n"], rival["n"]))
    if have < 2:
        return []
    effect = abs(best["mean"] - rival["mean"])
    sd = math.sqrt((best["sd"] ** 2 + rival["sd"] ** 2) / 2)
    need = seeds_needed(effect=effect, sd=sd)
    if need <= have:
        return []
    known = need <= MAX_SEEDS
    remedy = f"about {need} would do" if known else f"more than {MAX_SEEDS} would be needed"
    return [
        f"{have} seeds are too few to tell the best arm ({_name(best, question)}) "
        f"from {duel.title} ({_name(rival, question)}): their {question.metric} differs by "
        f"{significant(effect, digits=2)} and seeds scatter by {significant(sd, digits=2)}; "
        f"{remedy} (α = {ALPHA:g}, power {POWER:g})."
    ]


def seeds_needed(*, effect: float, sd: float) -> float:
    """n = 2 (z_{1-α/2} + z_{1-β})² s² / d² seeds per arm, two-sided, independent (Cohen 1988).

    The normal approximation: a little optimistic below ten seeds. Infinite for no effect.
    """
    if sd == 0:
        return 0
    if effect == 0:
        return math.inf
    z = stats.norm.ppf(1 - ALPHA / 2) + stats.norm.ppf(POWER)
    return math.ceil(2 * (z * sd / effect) ** 2)


@dataclass(frozen=True)
class _Duel:
    best: pd.Series
    rival: pd.Series
    title: str
    """What the rival is called."""


def _duel(arms: pd.DataFrame, question: Question) -> _Duel | None:
    """The best arm against the baseline, or the runner-up where the best is the baseline itself."""
    ranked = arms[arms["complete"]].sort_values(
        "mean", ascending=question.goal == "minimize", kind="stable"
    )
    if len(ranked) < 2:
        return None
    best, others = ranked.iloc[0], ranked.iloc[1:]
    if not best["baseline"] and others["baseline"].any():
        return _Duel(best, others[others["baseline"]].iloc[0], "the baseline")
    return _Duel(best, others.iloc[0], "the runner-up")


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
