"""Equal compute: what an arm spent beside what it is compared with. Pure: frames in.

Spending is images, evaluations of networks, and seconds. It is held against the baseline's, or
where no trained baseline is, against the median arm's. An arm that saw no images was not trained,
as the teacher itself, and is no unequal one.
"""

import numpy as np
import pandas as pd

from analysis.question import Question

MAX_SPREAD = 0.02
"""Relative; budgets end at a whole step, so they are never equal to the last image."""
EVALUATIONS = "cost/evaluations"
MAX_SECONDS = 2.0
"""A factor; machines that are shared are no finer clock."""


def ranked(table: pd.DataFrame, question: Question) -> pd.Series:
    """Whether an arm may be ranked: its images are those of the others, or the question is about
    budgets. An arm without a finished seed may be, for how often it is lost."""
    if any(knob.startswith("budget.") for knob in question.knobs):
        return pd.Series(True, table.index)
    return _alike(relative(table["images"], table).fillna(1.0))


def compute(frame: pd.DataFrame, table: pd.DataFrame, question: Question) -> pd.Series:
    """By arm, the network evaluations of its training as a multiple of those it is compared with.

    NaN for arms that are not ranked, and all NaN where the question itself weighs a cost.
    """
    if question.cost or f"metric.{EVALUATIONS}" not in frame:
        return pd.Series(np.nan, table.index)
    means = _finished(frame, question).groupby("arm")[f"metric.{EVALUATIONS}"].mean()
    spent = table["arm"].map(means).where(ranked(table, question))
    return relative(spent, table)


def seconds(frame: pd.DataFrame, table: pd.DataFrame, question: Question) -> pd.Series:
    """By arm, how long its fastest seed took, as a multiple of what it is compared with.

    The fastest, because a busy machine only ever adds. NaN with one seed, for arms that are not
    ranked or that spent other evaluations, which explain it, and where the question weighs a cost.
    """
    times = _finished(frame, question).groupby("arm")["seconds"]
    fastest = table["arm"].map(times.min().where(times.count() > 1))
    evaluations = compute(frame, table, question).fillna(1.0)
    fair = ranked(table, question) & _alike(evaluations) & (not question.cost)
    return relative(fastest.where(fair), table)


def relative(spent: pd.Series, table: pd.DataFrame) -> pd.Series:
    """Over what the baseline spent, or without a trained baseline over the lower median; NaN for
    what was not trained."""
    trained = spent.where((table["images"] > 0) & (spent > 0))
    if trained.isna().all():
        return trained
    base = trained[table["baseline"]].dropna()
    reference = base.iloc[0] if len(base) else np.percentile(trained.dropna(), 50, method="lower")
    return trained / reference


def differs(multiple: pd.Series) -> pd.Series:
    """Which multiples are more than 2 % away from 1."""
    return multiple.notna() & ~_alike(multiple)


def _alike(multiple: pd.Series) -> pd.Series:
    return (multiple <= 1 + MAX_SPREAD) & (multiple >= 1 / (1 + MAX_SPREAD))


def _finished(frame: pd.DataFrame, question: Question) -> pd.DataFrame:
    trials = frame[frame["final"] & (frame["outcome"] == "finished")]
    return trials[trials["seed"].isin(question.seeds)]
