"""A leading arm at the end of a range: the optimum may lie outside.

Of equal arms, two in five of a range of five lead at one of its ends by chance. So an edge is an
objection only where the arm that leads is shown to be better than its neighbour inside. It was
chosen among all, hence p times the number of all pairs of arms (Bonferroni): of equal arms, one
sweep in twenty at most hears of an edge.
"""

import math
from typing import Any

import numpy as np
import pandas as pd

from analysis.notation import is_number, knob_name, same_value, value_text
from analysis.question import Question
from analysis.verdicts.evidence import Evidence, effect, gather, judged
from analysis.verdicts.statistics import ALPHA

EDGE_FRACTION = 0.05  # of a continuous range; nothing is ever drawn exactly at its end


def leader_on_edge(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> list[str]:
    """By each knob, the tuned ones too."""
    leaders = [leader for _, leader in arms[arms["leads"]].iterrows()]
    ends = {knob: domain for knob, domain in question.domains.items() if knob in question.knobs}
    seen = gather(judged(frame, question), (*question.screen, *question.seeds), question)
    settings = frame.drop_duplicates("arm").set_index("arm")
    found = []
    for leader in leaders:
        for knob in question.knobs:
            end = edge(leader[f"param.{knob}"], ends.get(knob, {}))
            inside = _inside(settings, int(leader["arm"]), knob, question) if end else []
            if not inside or not _better(seen, int(leader["arm"]), inside[0], question):
                continue
            low, high = map(value_text, _bounds(ends[knob]))
            found.append(
                f"The arm that leads has {knob_name(knob)} = {value_text(leader[f'param.{knob}'])},"
                f" at the {end} end of the range searched ({low} to {high}), and is better than "
                "its neighbour inside: a better value may lie outside."
            )
    return found


def edge(value: Any, domain: dict[str, Any]) -> str | None:
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


def _bounds(domain: dict[str, Any]) -> tuple[float, float]:
    values = domain.get("values")
    return (min(values), max(values)) if values else (domain["low"], domain["high"])


def _inside(settings: pd.DataFrame, leader: int, knob: str, question: Question) -> list[int]:
    """The arms that differ from the leading one in this knob alone, the nearest first."""
    own: Any = settings.loc[leader]
    alike = settings.drop(index=leader)
    for other in question.knobs:
        name = f"param.{other}"
        same = np.array([same_value(value, own[name]) for value in alike[name]], dtype=bool)
        alike = alike[~same if other == knob else same]
    values = alike[f"param.{knob}"].dropna().astype(float)
    distance = (values - float(own[f"param.{knob}"])).abs()
    return [int(arm) for arm in distance.sort_values(kind="stable").index]


def _better(seen: Evidence, leader: int, other: int, question: Question) -> bool:
    """On the seeds that both have, those of the choice too; an arm that lost some has no mean."""
    if seen.lost[seen.row(other)].any():
        return False
    own = effect(seen, leader, other, sequential=question.sequential)
    pairs = len(seen.arms) * (len(seen.arms) - 1) / 2
    improves = (own.mean < 0) == (question.goal == "minimize")
    return improves and pairs * own.p < ALPHA
