"""Which knobs the metric hangs on: the part of its variance between arms that each explains alone.

fANOVA (Hutter, Hoos & Leyton-Brown 2014) fits trees to the arms' means y and splits the variance of
the fit over the space; a knob's importance is its main effect's part, so that they sum to 1 less
what knobs do together. Trees fit noise as readily, so this is computed only where arms differ by
more than their seeds do.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.notation import is_missing, is_number, value_text
from analysis.question import Question
from analysis.verdicts.draws import generator
from analysis.verdicts.statistics import ALPHA

ARMS_PER_KNOB = 10
LEAST_RELIABILITY = 0.5
REPLICATES = 30
TREES = 3  # of a replicate
DEPTH = 6
SPREAD = (5, 95)  # percentiles of the replicates


def importance(frame: pd.DataFrame, question: Question) -> pd.DataFrame | None:
    """`knob`, `importance`, `low`, `high`, the most important first; None where `obstacle` says
    why not, or the question has fewer than two knobs.

    All arms count, those that a table leaves out too, on the seeds that all arms were meant to run.
    Mean, 5th and 95th percentile over replicates that draw arms, and of each arm its seeds, with
    replacement (Davison & Hinkley 1997, §3.8). A knob that some arms lack has NaN.
    """
    settings = _settings(frame, question)
    if settings.shape[1] < 2 or obstacle(frame, question):
        return None
    values = _values(frame, question)
    fitted = settings.loc[values.index].dropna(axis="columns")
    spaces = {
        name: _space(fitted[name], question.domains.get(name, {})) for name in map(str, fitted)
    }
    adjusted = (values - _two_way(values).seeds).to_numpy(np.float64)
    rng = generator(question, "importance")
    found = []
    for _ in range(REPLICATES):
        drawn = rng.integers(len(adjusted), size=len(adjusted))
        means = [_resampled_mean(adjusted[row], rng) for row in drawn]
        found.append(_fanova(fitted.iloc[drawn], means, spaces, rng))
    parts = pd.DataFrame(found).reindex(columns=list(settings))
    low, high = np.percentile(parts.to_numpy(), SPREAD, axis=0)
    table = {"knob": list(settings), "importance": parts.mean(), "low": low, "high": high}
    return pd.DataFrame(table).sort_values(
        "importance", ascending=False, kind="stable", ignore_index=True
    )


def obstacle(frame: pd.DataFrame, question: Question) -> str:
    """Why the importance of several knobs cannot be told, as a clause; "" where it can be, and for
    fewer than two knobs, where there is nothing to tell."""
    if _settings(frame, question).shape[1] < 2:
        return ""
    return too_few_arms(frame, question) or too_noisy(frame, question)


def too_few_arms(frame: pd.DataFrame, question: Question) -> str:
    """Trees of fewer arms say more of the arms than of the knobs."""
    num_knobs = _settings(frame, question).shape[1]
    num_arms, need = len(_values(frame, question)), ARMS_PER_KNOB * num_knobs
    few = num_arms < need
    return f"{num_arms} arms finished, and {num_knobs} knobs take {need}" if few else ""


def too_noisy(frame: pd.DataFrame, question: Question) -> str:
    """Whether the arms' means differ by more than their seeds' scatter gives them."""
    fit = _two_way(_values(frame, question))
    if fit.freedom < 1:
        return "one seed of an arm does not say how far seeds scatter"
    if fit.p < ALPHA and fit.reliability >= LEAST_RELIABILITY:
        return ""
    noise = min(1.0, 1 - fit.reliability)
    return f"{noise:.0%} of the variance between the arms' means is their seeds' scatter"


# ---- arms against seeds


@dataclass(frozen=True)
class _TwoWay:
    """The additive fit y_ij = arm_i + seed_j + noise, and the F test of the arms."""

    seeds: pd.Series
    freedom: int
    """Of the noise."""
    reliability: float
    """1 - 1/F: the part of the variance between arms' means that is not noise, as it would repeat
    on other seeds (Shrout & Fleiss 1979, ICC(3, k))."""
    p: float


def _two_way(values: pd.DataFrame) -> _TwoWay:
    """By least squares, so that an arm may lack some seeds (Frisch & Waugh 1933: arms taken out of
    both sides, what is left gives the seeds)."""
    y = values.to_numpy(np.float64)
    there = ~np.isnan(y)
    dummies = np.broadcast_to(np.eye(y.shape[1]), (*y.shape, y.shape[1]))
    part = there / there.sum(1, keepdims=True)
    free = (dummies - part[:, None])[there]
    left = (y - np.nanmean(y, 1, keepdims=True))[there]
    effects, _, rank, _ = np.linalg.lstsq(free, left, rcond=None)
    noise = float(((left - free @ effects) ** 2).sum())
    freedom = int(there.sum()) - len(y) - int(rank)
    seeds = pd.Series(effects, values.columns)
    if freedom < 1:
        return _TwoWay(seeds, freedom, np.nan, np.nan)
    within_seeds = float(np.nansum((y - np.nanmean(y, 0)) ** 2))
    f = (within_seeds - noise) / (len(y) - 1) / (noise / freedom)
    return _TwoWay(seeds, freedom, 1 - 1 / f, float(stats.f.sf(f, len(y) - 1, freedom)))


def _resampled_mean(values: np.ndarray, rng: np.random.Generator) -> float:
    own = values[~np.isnan(values)]
    return float(rng.choice(own, len(own)).mean())


# ---- trees


def _fanova(
    settings: pd.DataFrame, means: list[float], spaces: dict[str, Any], rng: np.random.Generator
) -> dict[str, float]:
    """By knob, the part of the variance that is its main effect."""
    import optuna  # takes a while to load, and few tables need it
    from optuna.importance import FanovaImportanceEvaluator

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    for values, mean in zip(settings.to_numpy(object), means, strict=True):
        own = dict(zip(spaces, values, strict=True))
        study.add_trial(optuna.create_trial(params=own, distributions=spaces, value=mean))
    seed = int(rng.integers(2**31))
    return FanovaImportanceEvaluator(n_trees=TREES, max_depth=DEPTH, seed=seed).evaluate(study)


def _space(values: pd.Series, domain: dict[str, Any]) -> Any:
    """Where a knob lives, as Optuna has it: a range of numbers, or some words."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if not values.map(is_number).all():
        return CategoricalDistribution(sorted(set(values)))
    low, high = domain.get("low", values.min()), domain.get("high", values.max())
    return FloatDistribution(float(low), float(high), log=domain.get("kind") == "log_uniform")


# ---- what they are fitted to


def _settings(frame: pd.DataFrame, question: Question) -> pd.DataFrame:
    """A row per arm, a column per knob with more than one value: numbers, or else words; missing
    where an arm has no such knob."""
    of_arm = frame.drop_duplicates("arm").set_index("arm")
    found = {}
    for knob in question.knobs:
        values = of_arm[f"param.{knob}"]
        if values.nunique(dropna=False) > 1:
            numbers = values.dropna().map(is_number).all()
            found[knob] = values.astype("float64") if numbers else values.map(_word)
    return pd.DataFrame(found, index=of_arm.index)


def _word(value: Any) -> str | None:
    return None if is_missing(value) else value_text(value)


def _values(frame: pd.DataFrame, question: Question) -> pd.DataFrame:
    """The metric by arm and seed, in logarithms where its scale is a ratio, of the arms that
    finished at some of the seeds that all were meant to run."""
    trials = frame[frame["final"] & (frame["outcome"] == "finished")]
    trials = trials[trials["seed"].isin(question.screen or question.seeds)]
    values = trials.pivot(index="arm", columns="seed", values=f"metric.{question.metric}")
    return values.map(math.log) if question.scale == "ratio" else values
