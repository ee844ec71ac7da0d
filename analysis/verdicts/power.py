"""Whether the seeds suffice: what pairing gained, and how many would tell the arms apart."""

import math

import numpy as np
import pandas as pd
from scipy import stats

from analysis.notation import row_text
from analysis.question import Question
from analysis.verdicts.arms import effect_of
from analysis.verdicts.evidence import gather, judged
from analysis.verdicts.statistics import ALPHA, deviation_interval, seeds_needed

MAX_SEEDS = 200  # beyond this the answer is that the arms are equal for all practical purposes
LEAST_FOR_A_FORECAST = 3  # so few seeds do not know how far they scatter
ROUNDING = 1e-12  # of the variance; arms that are copies of each other differ by no more
LEAST_CORRELATION = 0.2
"""Below it a paired difference scatters as two arms apart do, but for a tenth of its deviation."""


def unpaired(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """Arms whose seeds have nothing in common gain nothing from sharing them.

    Only where the seeds show it: by the upper end of the correlation's one-sided 95 % interval.
    """
    seen = gather(judged(frame, question), question.seeds, question)
    values = seen.of([int(arm) for arm in arms.loc[arms["complete"], "arm"]]).values
    values = values[:, ~np.isnan(values).any(0)]
    values = values[np.ptp(values, axis=1) > 0] if values.size else values
    num_arms, num_seeds = values.shape
    if num_arms < 2 or num_seeds < 2:
        return []
    own, most = correlation(values)
    if most >= LEAST_CORRELATION:
        return []
    effect = "widens the intervals" if most < 0 else "gains next to nothing"
    return [
        f"Over {num_seeds} seeds the arms have little in common (mean correlation {own:.2f}): to "
        f"pair them {effect}."
    ]


def correlation(values: np.ndarray) -> tuple[float, float]:
    """The mean correlation of arms (rows) over seeds (columns), and its upper 95 % end.

    Of arms brought to one deviation, as the intraclass correlation (Shrout & Fleiss 1979,
    ICC(3, 1)): F = mean square of seeds over that of the rest, ρ = (F - 1)/(F - 1 + A), and the
    upper end with F / F_{.05}.
    """
    num_arms, num_seeds = values.shape
    y = values - values.mean(1, keepdims=True)
    y = y / y.std(1, keepdims=True)
    seeds = y.mean(0)
    freedom = num_seeds - 1, (num_seeds - 1) * (num_arms - 1)
    rest = float(((y - seeds) ** 2).sum())
    if rest <= ROUNDING * y.size:
        return 1.0, 1.0
    f = num_arms * (seeds**2).sum() / freedom[0] / (rest / freedom[1])
    ends = (f, f / stats.f.ppf(ALPHA, *freedom))
    own, most = (float((end - 1) / (end - 1 + num_arms)) for end in ends)
    return own, most


def too_few_seeds(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """How many seeds would tell the arm that leads from its rival, as far as these can say, by the
    same correction for several comparisons as the table's.

    Nothing where seeds were added until they told: then `ran_out` speaks.
    """
    found = arms[arms["leads"] & ~arms["best"]]
    if found.empty or question.sequential:
        return []
    leader = found.iloc[0]
    rival, title = _rival(leader, arms, question)
    if rival is None:
        return []
    effect, num = effect_of(frame, leader["arm"], rival["arm"], question), _family(arms, rival)
    if math.isnan(effect.p) or num * effect.p < ALPHA:
        return []
    who = f"The arm that leads ({row_text(leader, question.knobs)}) is not told from {title}"
    if effect.num <= LEAST_FOR_A_FORECAST:
        return [f"{who} by {effect.num} seeds, which cannot say how many would do."]
    ends = deviation_interval(effect.deviation, effect.num)
    low, need, high = (
        seeds_needed(effect=effect.mean, deviation=deviation, alpha=ALPHA / num)
        for deviation in (ends[0], effect.deviation, ends[1])
    )
    terms = f"(α = .05{f' over {num} comparisons' if num > 1 else ''}, power .8)"
    if need > MAX_SEEDS:
        return [f"{who}: more than {MAX_SEEDS} seeds would be needed {terms}."]
    most = f"{high:.0f}" if math.isfinite(high) else "10,000 and more"
    return [
        f"{who} by {effect.num} seeds: if they differ as it seems, about {need:.0f} would do, with "
        f"so uncertain a scatter {low:.0f} to {most} {terms}."
    ]


def _rival(
    leader: pd.Series, arms: pd.DataFrame, question: Question
) -> tuple[pd.Series | None, str]:
    """The baseline, or the runner-up where the baseline itself leads, is beaten, or is none."""
    fit = arms["complete"] & arms["contends"] & ~arms["behind"] & ~arms["leads"]
    others = arms[fit].sort_values("mean", ascending=question.goal == "minimize", kind="stable")
    if others.empty:
        return None, ""
    base = others[others["baseline"]]
    if not base.empty and leader["verdict"] == "undecided":
        return base.iloc[0], f"the baseline ({row_text(base.iloc[0], question.knobs)})"
    return others.iloc[0], f"the runner-up ({row_text(others.iloc[0], question.knobs)})"


def _family(arms: pd.DataFrame, rival: pd.Series) -> int:
    """Comparisons that share α with this one: those with the baseline that are not decided (Holm),
    or all pairs of arms."""
    of_baseline = arms[arms["leads"] | (arms["arm"] == rival["arm"])]["baseline"].any()
    undecided, num = int((arms["verdict"] == "undecided").sum()), int(arms["contends"].sum())
    return undecided if of_baseline and undecided else num * (num - 1) // 2


def ran_out(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """Where seeds were added until a verdict, and none came. For sweeps that are done."""
    if not question.sequential:
        return []
    asked = arms[arms["confirmed"] & ~arms["baseline"] & (arms["verdict"] != "")]
    left = int((asked["verdict"] == "undecided").sum())
    if not left:
        return []
    return [
        f"The {len(question.seeds)} seeds ran out with {left} of {len(asked)} arms undecided: a "
        "longer list of seeds goes on from there."
    ]
