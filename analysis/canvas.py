"""What all plots share: size, style, scales, and files without a date.

One column wide (3.4 in), at the size at which it is printed. Colours are Okabe and Ito's (2008) and
the lower part of viridis: they differ for every eye and in grey. No pyplot and no global state:
matplotlib's own defaults stand in for a user's matplotlibrc while a figure is drawn.
"""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from analysis.arms import value_place
from analysis.notation import is_number, knob_name, plain, value_text
from analysis.question import Question

FILE_KINDS = ("png", "pdf")
WIDTH_INCHES, HEIGHT_INCHES = 3.4, 2.5
AXES_POINTS = 190  # width of the axes, about
PNG_DPI = 300
METRIC_LOG_DECADES = 1.0  # on a linear axis that spans more, all the good arms are one line
KNOB_LOG_DECADES = 1.5
MAX_TICKED_VALUES = 7
# How far an interval widens the axis, in ranges of the seeds.
OVERSHOOT = {"linear": 1.0, "log": 0.3}
MARGIN, HEADROOM = 0.06, 0.14  # of the range: around the data, and for marks at the edge
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#666666"
CATEGORIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLE = {
    "font.size": 7.5,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7.5,
    "lines.linewidth": 1.2,
    "figure.constrained_layout.use": True,
    "pdf.fonttype": 42,  # journals refuse Type 3
}


@contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib's defaults and `STYLE`, whatever the user has configured."""
    with style.context(["default", STYLE]):
        yield


def canvas() -> tuple[Figure, Axes]:
    """An empty figure of one column with one pair of axes."""
    figure = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES))
    return figure, figure.add_subplot()


def render(figure: Figure, *, kind: str) -> bytes:
    """The bytes of a file without a date or a version: the same figure, the same bytes."""
    match kind:
        case "png":
            metadata = {"Software": None}
        case "pdf":
            metadata = {"CreationDate": None, "Creator": None, "Producer": None}
        case _:
            raise ValueError(f"kind = {kind!r}: it is one of {', '.join(FILE_KINDS)}")
    buffer = io.BytesIO()
    with house_style():
        figure.savefig(buffer, format=kind, dpi=PNG_DPI, metadata=metadata)
    return buffer.getvalue()


@dataclass(frozen=True)
class KnobAxis:
    """Where the values of a knob lie on the x axis."""

    knob: str
    kind: str
    """linear, log or category (equal steps, in order)."""
    values: list[Any]
    """The distinct values, in order; None for an arm without the knob."""
    listed: bool
    """A few values that the space lists by hand: they are the ticks."""

    def position(self, value: Any) -> float:
        """The x coordinate of a value."""
        return float(self.values.index(plain(value)) if self.kind == "category" else value)

    def dress(self, ax: Axes, *, reach_points: float = 0.0) -> None:
        """Scale, ticks and label; `reach_points` is how far marks stand out from their position."""
        margin = max(MARGIN, reach_points / AXES_POINTS)
        ax.set_xlabel(knob_name(self.knob))
        if self.kind == "category":
            ax.set_xticks(range(len(self.values)), [value_text(value) for value in self.values])
            ax.set_xlim(-0.5, len(self.values) - 0.5)
            return
        ax.set_xscale(self.kind)
        ax.set_xlim(*_widened(self.values[0], self.values[-1], scale=self.kind, margin=margin))
        if self.kind == "log" and self.listed:
            ax.xaxis.set_major_locator(FixedLocator(self.values))
            ax.xaxis.set_minor_locator(NullLocator())
            ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))


def knob_axis(arms: pd.DataFrame, question: Question, *, knob: str) -> KnobAxis:
    """Logarithmic for a logarithmic domain and for positive values over many decades.

    Where some values need a logarithm and one forbids it (0, 1e-4 ... 1), all stand in equal steps.
    """
    domain = question.domains.get(knob, {})
    distinct = {plain(value) for value in arms[f"param.{knob}"]}
    values = sorted(distinct, key=lambda value: value_place(value, knob, question))
    listed = domain.get("kind") == "choice" and len(values) <= MAX_TICKED_VALUES
    if not all(is_number(value) for value in values):
        return KnobAxis(knob, "category", values, listed)
    positive = [value for value in values if value > 0]
    wide = bool(positive) and math.log10(max(positive) / min(positive)) > KNOB_LOG_DECADES
    if domain.get("kind") == "log_uniform" or (wide and len(positive) == len(values)):
        return KnobAxis(knob, "log", values, listed)
    return KnobAxis(knob, "category" if wide and listed else "linear", values, listed)


def dress_metric_axis(
    ax: Axes,
    values: np.ndarray,
    question: Question,
    *,
    reach: np.ndarray | None = None,
    edge_marks: bool = False,
) -> None:
    """Scale, limits, ticks and label of the y axis.

    Args:
        ax: the axes.
        values: what must be seen.
        question: names the metric and its direction.
        reach: ends of intervals; they widen the axis, but the edge cuts a huge one, which would
            flatten all the rest.
        edge_marks: leave room for marks at the edge of bad values.
    """
    ax.set_ylabel(f"{question.metric} ({question.better} is better)")
    seen = values[np.isfinite(values)]
    if not len(seen):
        ax.set_yticks([])
        return
    low, high = float(seen.min()), float(seen.max())
    log = low > 0 and math.log10(high / low) > METRIC_LOG_DECADES
    scale = "log" if log else "linear"
    ax.set_yscale(scale)
    ends = [] if reach is None else reach[np.isfinite(reach)]
    ax.set_ylim(*_limits(low, high, ends, scale=scale, question=question, edge_marks=edge_marks))
    if log:
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    else:
        ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))


def short(number: float) -> str:
    """`400k`, `1.5M`."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:g}{letter}"
    return f"{number:g}"


def edge_height(question: Question) -> float:
    """Where marks of lost trials stand, in heights of the axes: at the edge of bad values."""
    distance = HEADROOM / 2.5
    return 1 - distance if question.goal == "minimize" else distance


def _widened(low: float, high: float, *, scale: str, margin: float) -> tuple[float, float]:
    """Both ends moved out by the margin; a single value stands in the middle."""
    a, b = (math.log10(low), math.log10(high)) if scale == "log" else (low, high)
    room = margin * (b - a) or 0.5
    return (10 ** (a - room), 10 ** (b + room)) if scale == "log" else (a - room, b + room)


def _limits(
    low: float,
    high: float,
    ends: Any,
    *,
    scale: str,
    question: Question,
    edge_marks: bool,
) -> tuple[float, float]:
    into = np.log10 if scale == "log" else np.asarray
    a, b = float(into(low)), float(into(high))
    span = (b - a) or abs(a) or 1.0
    shown = [float(into(end)) for end in ends if scale == "linear" or end > 0]
    if scale == "log" and len(shown) < len(ends):
        shown.append(-math.inf)
    bottom = max(min([a, *shown]), a - OVERSHOOT[scale] * span)
    top = min(max([b, *shown]), b + OVERSHOOT[scale] * span)
    room = (top - bottom) or span
    worse_is_up = question.goal == "minimize"
    bottom -= room * (HEADROOM if edge_marks and not worse_is_up else MARGIN)
    top += room * (HEADROOM if edge_marks and worse_is_up else MARGIN)
    return (10.0**bottom, 10.0**top) if scale == "log" else (bottom, top)
