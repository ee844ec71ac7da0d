"""Constraints: what an arm must keep, whatever its objective is.

`cost/state_bytes <= 8e9`, `off_modes <= 1.1 * baseline`: the mean of a metric over an arm's seeds,
`<=` or `>=`, and a number, or so many times the mean of the baseline.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

GRAMMAR = "METRIC <= NUMBER or METRIC >= NUMBER, or NUMBER * baseline on the right"
_SIDES = re.compile(r"\s*(?P<metric>[^\s<>=*]+)\s*(?P<relation><=|>=)\s*(?P<right>[^<>=]*?)\s*")
_OF_BASELINE = re.compile(r"(?:(?P<factor>[^\s*]+)\s*\*\s*)?baseline")


@dataclass(frozen=True)
class Constraint:
    """A metric and what bounds it."""

    text: str
    """As it is written in one way only."""
    metric: str
    at_most: bool
    number: float
    of_baseline: bool

    def bound(self, baseline: float | None) -> float | None:
        """What an arm's mean is compared with; None where the baseline has none."""
        if not self.of_baseline:
            return self.number
        return None if baseline is None else self.number * baseline

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


def parse(text: str) -> Constraint:
    """What a constraint says.

    Raises:
        ValueError: it says nothing; the reason and the way out.
    """
    sides = _SIDES.fullmatch(text)
    if sides is None:
        strict = " (a limit is kept where it is met, so < and > are not needed)"
        hint = strict if re.fullmatch(r"[^<>=]*[<>][^<>=]*", text) else ""
        raise ValueError(f"{text!r} is no constraint; write {GRAMMAR}{hint}")
    right = sides["right"]
    of_baseline = _OF_BASELINE.fullmatch(right)
    number = _number(of_baseline["factor"] or "1" if of_baseline else right, text)
    if of_baseline and number <= 0:
        raise ValueError(f"{text!r}: {number:.12g} times the baseline; write a factor above 0")
    product = f"{number:.12g} * baseline" if number != 1 else "baseline"
    written = product if of_baseline else f"{number:.12g}"
    return Constraint(
        f"{sides['metric']} {sides['relation']} {written}",
        sides["metric"],
        sides["relation"] == "<=",
        number,
        of_baseline is not None,
    )


def _number(word: str, text: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text!r}: {word!r} is no finite number; write {GRAMMAR}")
    return number
