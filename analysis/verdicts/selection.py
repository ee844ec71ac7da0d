"""Which arms stand in a table, and which of those were worth confirming. Pure: frames in.

Knobs that are tuned so that a comparison is fair leave one arm for each setting of the scientific
ones: the best by the seeds that screen, or by the reported ones where none do, of those that
violate no constraint if there are some. Arms are ranked by the seeds that they have, then by how
many they lost, then by the mean.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.notation import plain, same_value
from analysis.question import Question
from analysis.verdicts.constraints import violations
from analysis.verdicts.evidence import Evidence, beaten, gather


@dataclass(frozen=True)
class Selection:
    """The arms of a table, each with how many nuisance settings it is the best of."""

    tried: dict[int, int]
    baselines: list[int]
    """Those that match the declared baseline; others are compared where it is one."""
    confirmed: list[int]
    """Those that ran on the reported seeds."""
    groups: dict[int, list[int]]
    """By arm of the table: all arms with its scientific setting."""
    named: set[int]
    """Those that the baseline names, nuisance settings included: nothing chose them."""
    is_blind: bool
    """Whether other seeds than the reported ones chose the settings."""

    @property
    def arms(self) -> list[int]:
        """By number."""
        return sorted(self.tried)

    @property
    def baseline(self) -> int | None:
        """The one that others are compared with."""
        return self.baselines[0] if len(self.baselines) == 1 else None

    def num_settings(self, arm: int) -> int:
        """Of how many it is the best by the very seeds that report it."""
        return 1 if self.is_blind or arm in self.named else self.tried[arm]

    def num_pairs(self, arm: int, other: int) -> int:
        """Pairs of settings of both that such a pair was chosen from."""
        return self.num_settings(arm) * self.num_settings(other)


def select(trials: pd.DataFrame, question: Question) -> Selection:
    """From `judged` trials."""
    chosen = _selected(trials, question, set())
    seen = question.screen or question.seeds
    avoided = set(violations(trials, question, seen, chosen.baseline))
    return _selected(trials, question, avoided) if avoided else chosen


def _selected(trials: pd.DataFrame, question: Question, avoided: set[int]) -> Selection:
    params = _params(trials, question)
    groups: dict[tuple[Any, ...], list[int]] = {}
    for arm, values in params.items():
        groups.setdefault(tuple(values[knob] for knob in question.scientific), []).append(arm)
    own = gather(trials, question.screen or question.seeds, question)
    tried, members = {}, {}
    named = set[int]()
    if set(question.baseline) & set(question.nuisance):
        named = {arm for arm, values in params.items() if _matches(values, question)}
    for arms in groups.values():
        fit = [arm for arm in arms if arm not in avoided] or arms
        chosen = {ranked(_comparable(own.of(fit), question), question)[0]}
        chosen |= named.intersection(arms)  # however well another is tuned
        for arm in chosen:
            tried[arm], members[arm] = len(arms), arms
    started = set(trials["arm"][trials["seed"].isin(question.seeds)])
    return Selection(
        tried=tried,
        baselines=[arm for arm in sorted(tried) if _matches(params[arm], question)],
        confirmed=[arm for arm in sorted(tried) if arm in started],
        groups=members,
        named=named,
        is_blind=bool(question.screen),
    )


def ranked(evidence: Evidence, question: Question) -> list[int]:
    """The arms, best first: those that ended at more seeds, lost fewer of them, and have the better
    mean; those alike by number."""
    sign = 1 if question.goal == "minimize" else -1

    def merit(arm: int) -> tuple[float, ...]:
        row = evidence.row(arm)
        values = evidence.values[row][~np.isnan(evidence.values[row])]
        mean = sign * float(values.mean()) if len(values) else math.inf
        return (-int(evidence.ended[row].sum()), int(evidence.lost[row].sum()), mean, arm)

    return sorted(evidence.arms, key=merit)


def race_lost(trials: pd.DataFrame, question: Question) -> set[int]:
    """The arms of `judged` trials that another is shown to be better than, on the seeds of the
    choice: those that screen, or the reported ones where none do."""
    own = gather(trials, question.screen or question.seeds, question)
    return beaten(own, question, num_arms=question.num_arms)


def _comparable(evidence: Evidence, question: Question) -> Evidence:
    """On the seeds that all of these arms have, where some stopped early because they were decided:
    to stop is no fault then."""
    shared = evidence.ended.all(0)
    if question.screen or not question.sequential or not shared.any():
        return evidence
    values, lost, ended = (
        seen[:, shared] for seen in (evidence.values, evidence.lost, evidence.ended)
    )
    return Evidence(evidence.arms, values, lost, ended)


def _params(trials: pd.DataFrame, question: Question) -> dict[int, dict[str, Any]]:
    """By arm, its values by knob."""
    firsts = trials.drop_duplicates("arm")
    columns = {knob: firsts[f"param.{knob}"] for knob in question.knobs}
    return {
        int(arm): {knob: plain(column.iloc[place]) for knob, column in columns.items()}
        for place, arm in enumerate(firsts["arm"])
    }


def _matches(values: dict[str, Any], question: Question) -> bool:
    wanted = question.baseline
    return bool(wanted) and all(
        same_value(values.get(knob), value) for knob, value in wanted.items()
    )
