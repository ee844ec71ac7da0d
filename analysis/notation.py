"""How knobs, values and numbers are written, the same in every table, plot and warning."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from sid_sweep import spec

SYMBOLS = {
    "loss.lambda": "λ",
    "loss.cross": "c",
    "loss.self": "s",
    "noise.sigma": "σ",
}
"""The paper's symbols; any other knob goes by its path in the YAML, which is never ambiguous."""

MISSING = "-"
INTERVAL_DIGITS = 2
WIDE, WIDE_DIGITS = 3.0, 3  # an interval over more than this factor, and its mean
MEAN_DIGITS = 4
ROUNDING = 1e-12  # relative; equal seeds spread no more than this
PLAIN_MIN, PLAIN_MAX = 1e-4, 1e10  # numbers outside are written with an exponent


def knob_name(knob: str) -> str:
    """`λ` for `loss.lambda`; the dotted path where the paper has no symbol."""
    return SYMBOLS.get(knob, knob)


def value_text(value: Any) -> str:
    """A knob's value as in the YAML; `-` where the knob does not exist in an arm.

    A number that someone wrote is short and stays whole; one that a sampler drew gets four digits.
    """
    return MISSING if is_missing(value) else spec.value_text(plain(value))


def arm_text(values: Mapping[str, Any]) -> str:
    """`λ = 0.5, noise.kind = vp`, from values by knob; knobs that an arm lacks are left out."""
    given = {knob: value for knob, value in values.items() if not is_missing(value)}
    return spec.arm_text({knob: plain(value) for knob, value in given.items()}, names=SYMBOLS)


def row_text(row: pd.Series, knobs: Iterable[str]) -> str:
    """`λ = 0.5, noise.kind = vp`, from a row with a column `param.<knob>` for each knob."""
    return arm_text({knob: row[f"param.{knob}"] for knob in knobs})


def estimate(mean: float, low: float, high: float) -> str:
    """`1.42 [1.31, 1.53]`: the interval's half-width to two digits, the mean to the same decimals.

    One seed has no interval: `1.418 [-]`. No seed has no mean: `-`.
    """
    if math.isnan(mean):
        return MISSING
    if math.isnan(low):
        return f"{significant(mean)} [{MISSING}]"
    half = (high - low) / 2
    if half <= ROUNDING * abs(mean):
        return f"{significant(mean)} [{significant(low)}, {significant(high)}]"
    if low > 0 and high > WIDE * low:  # of a ratio, and far from symmetric
        ends = (significant(number, digits=INTERVAL_DIGITS) for number in (low, high))
        return f"{significant(mean, digits=WIDE_DIGITS)} [{', '.join(ends)}]"
    power = _power(max(abs(low), abs(high)))
    unit = 10.0**power
    places = decimals(half / unit)
    suffix = f"e{power}" if power else ""
    shown = [f"{number / unit:.{places}f}{suffix}" for number in (mean, low, high)]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]"


def significant(number: float, *, digits: int = MEAN_DIGITS) -> str:
    """To `digits` significant digits, trailing zeros dropped, thousands separated."""
    if math.isnan(number):
        return MISSING
    power = _power(abs(number))
    scaled = number / 10.0**power
    places = decimals(scaled, digits=digits) if scaled else 0
    text = f"{scaled:,.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{text}e{power}" if power else text


def thousands(number: float) -> str:
    """`400,000`."""
    return MISSING if math.isnan(number) else f"{number:,.0f}"


def decimals(number: float, *, digits: int = INTERVAL_DIGITS) -> int:
    """Decimals that show `digits` significant digits of a number; never fewer than none."""
    # formatted first, because rounding may carry: 0.0996 to two digits is 0.10
    exponent = int(f"{number:.{digits - 1}e}".partition("e")[2])
    return max(digits - 1 - exponent, 0)


def plain(value: Any) -> Any:
    """A knob's value as Python has it, None where it is missing: fit to be a key."""
    if is_missing(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def is_missing(value: Any) -> bool:
    """Whether a knob has no value: None, or the NaN that a frame puts in its place."""
    return value is None or (isinstance(value, float | np.floating) and math.isnan(value))


def same_value(a: Any, b: Any) -> bool:
    """Whether two knob values are one: numbers by value, anything else as it is written."""
    if is_number(a) and is_number(b):
        return float(a) == float(b)
    return value_text(a) == value_text(b)


def is_number(value: Any) -> bool:
    """Whether a value has a place on an axis; true and false have none."""
    number = isinstance(value, int | float | np.integer | np.floating)
    return number and not isinstance(value, bool) and not is_missing(value)


def _power(magnitude: float) -> int:
    """The power of ten to write apart; 0 for a number that reads well without."""
    if magnitude == 0 or PLAIN_MIN <= magnitude < PLAIN_MAX:
        return 0
    return math.floor(math.log10(magnitude))
