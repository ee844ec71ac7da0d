"""Constraints: what an arm must keep, whatever its objective is, and a student while it trains.

`cost/state_bytes <= 8e9`, `off_modes <= 1.1 * baseline`: the mean of a metric over an arm's seeds,
`<=` or `>=`, and a number, or so many times the mean of the baseline. Of a student, `js <= 2 *
start`: what it had before it trained.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

BASELINE, START = "baseline", "start"
GRAMMAR = "METRIC <= NUMBER or METRIC >= NUMBER, or NUMBER * {} on the right"
_SIDES = re.compile(r"\s*(?P<metric>[^\s<>=*]+)\s*(?P<relation><=|>=)\s*(?P<right>[^<>=]*?)\s*")
_RELATIVE = re.compile(r"(?:(?P<factor>[^\s*]+)\s*\*\s*)?(?P<reference>baseline|start)")


@dataclass(frozen=True)
class Constraint:
    """A metric and what bounds it."""

    text: str
    """As it is written in one way only."""
    metric: str
    at_most: bool
    number: float
    relative: bool
    """Whether the number is multiplied by what the reference has."""

    def bound(self, reference: float | None) -> float | None:
        """What a value is compared with; None where the reference has none."""
        if not self.relative:
            return self.number
        return None if reference is None else self.number * reference

    def excess(self, mean: float, bound: float) -> float:
        """How far a mean is beyond its bound, in parts of that; above 0 where it is violated."""
        beyond = mean - bound if self.at_most else bound - mean
        return beyond / abs(bound) if bound else beyond


def excesses(
    constraints: Iterable[Constraint], own: Mapping[str, float], baseline: Mapping[str, float]
) -> dict[str, float]:
    """By constraint, how far an arm's means are beyond it; 0 where it, or the baseline that it is
    compared with, has none."""
    found = {}
    for constraint in constraints:
        mean, bound = own.get(constraint.metric), constraint.bound(baseline.get(constraint.metric))
        if mean is None or bound is None:
            found[constraint.text] = 0.0
        else:
            found[constraint.text] = constraint.excess(mean, bound)
    return found


def parse(text: str, *, reference: str = BASELINE) -> Constraint:
    """What a constraint says, in which `reference` may stand for what else there is.

    Raises:
        ValueError: it says nothing; the reason and the way out.
    """
    sides = _SIDES.fullmatch(text)
    if sides is None:
        strict = " (a limit is kept where it is met, so < and > are not needed)"
        hint = strict if re.fullmatch(r"[^<>=]*[<>][^<>=]*", text) else ""
        raise ValueError(f"{text!r} is no constraint; write {GRAMMAR.format(reference)}{hint}")
    right = sides["right"]
    relative = _RELATIVE.fullmatch(right)
    if relative and relative["reference"] != reference:
        raise ValueError(f"{text!r}: there is no {relative['reference']} here; write {reference}")
    number = _number(relative["factor"] or "1" if relative else right, text, reference)
    if relative and number <= 0:
        raise ValueError(f"{text!r}: {number:.12g} times the {reference}; write a factor above 0")
    product = f"{number:.12g} * {reference}" if number != 1 else reference
    written = product if relative else f"{number:.12g}"
    return Constraint(
        f"{sides['metric']} {sides['relation']} {written}",
        sides["metric"],
        sides["relation"] == "<=",
        number,
        relative is not None,
    )


def _number(word: str, text: str, reference: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(
            f"{text!r}: {word!r} is no finite number; write {GRAMMAR.format(reference)}"
        )
    return number
