"""What all plots share: size, style, scales, and files without a date.

One column wide (3.4 in), or two (7 in) where there are many series, at the size at which it is
printed. No pyplot and no global state: matplotlib's own defaults stand in for a user's matplotlibrc
while a figure is drawn.
"""

import io
import math
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import font_manager, style
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from analysis.notation import is_number, knob_name, plain, value_text
from analysis.plots.palette import GREY
from analysis.question import Question
from analysis.verdicts.arms import value_place

EASTERN_FONTS = (
    "Droid Sans Fallback",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "IPAGothic",
    "Arial Unicode MS",
    "Microsoft YaHei",
    "MS Gothic",
    "Malgun Gothic",
)
"""For letters that matplotlib's own font lacks, where one is there; TrueType, as a PDF must hold
it."""
FILE_KINDS = ("png", "pdf")
WIDTH_INCHES, WIDE_INCHES, HEIGHT_INCHES = 3.4, 7.0, 2.5
AXES_POINTS = 190  # width of the axes, about
PNG_DPI = 300
METRIC_LOG_DECADES = 1.0  # on a linear axis that spans more, all the good arms are one line
KNOB_LOG_DECADES = 1.5
MAX_TICKED_VALUES = 24
LETTER_POINTS, LABEL_GAP_POINTS = 4.2, 4.0  # of a tick's label
LETTERS_PER_LEGEND, LETTERS_PER_HANDLE, MAX_COLUMNS = 64, 5, 4  # of one above a plot
MIN_LOG_TICKS, MAX_LOG_TICKS = 3, 8
# How far an interval widens the axis, in ranges of the seeds.
OVERSHOOT = {"linear": 1.0, "log": 0.3}
MARGIN, HEADROOM = 0.06, 0.16  # of the range: around the data, and the strip of lost trials
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
    "text.parse_math": False,  # a dollar in somebody's name is a dollar
    "pdf.fonttype": 42,  # journals refuse Type 3
}


@contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib's defaults and `STYLE`, whatever the user has configured."""
    here = {font.name for font in font_manager.fontManager.ttflist}
    with style.context(["default", {**STYLE, "font.family": font_families(here)}]):
        yield


def font_families(here: Set[str]) -> list[str]:
    """Matplotlib's own font, and those of `here` that stand in for letters that it lacks."""
    return ["sans-serif", *(name for name in EASTERN_FONTS if name in here)]


def canvas(*, width: float = WIDTH_INCHES, height: float = HEIGHT_INCHES) -> tuple[Figure, Axes]:
    """An empty figure, of one column unless told otherwise, with one pair of axes; inches."""
    figure = Figure(figsize=(width, height))
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
    """Values that the space lists by hand: they are the ticks."""

    def position(self, value: Any) -> float:
        """The x coordinate of a value."""
        return float(self.values.index(plain(value)) if self.kind == "category" else value)

    def dress(self, ax: Axes, *, reach_points: float = 0.0, upright: bool = False) -> None:
        """Scale, ticks and label of x, or of y where the axis is `upright`; a tick stands at every
        value that the space lists, and a label at as many as have room.

        Args:
            ax: the axes.
            reach_points: how far marks stand out from their position.
            upright: the values run down the page.
        """
        axis: Axis = ax.yaxis if upright else ax.xaxis
        axis.set_label_text(knob_name(self.knob))
        texts = [value_text(value) for value in self.values]
        if self.kind == "category":
            (ax.set_yticks if upright else ax.set_xticks)(range(len(texts)), texts)
            limits = (len(texts) - 0.5, -0.5) if upright else (-0.5, len(texts) - 0.5)
            (ax.set_ylim if upright else ax.set_xlim)(*limits)
            return
        margin = max(MARGIN, reach_points / AXES_POINTS)
        ax.set_xscale(self.kind)
        ax.set_xlim(*_widened(self.values[0], self.values[-1], scale=self.kind, margin=margin))
        if self.listed:
            axis.set_major_locator(FixedLocator(self.values))
            axis.set_minor_locator(NullLocator())
            shown = _with_room(self.values, texts, ax)
            axis.set_major_formatter(FuncFormatter(lambda x, _: shown.get(float(x), "")))
            return
        if self.kind == "log":
            set_log_ticks(axis, *ax.get_xlim())
        axis.set_minor_locator(FixedLocator(self.values))
        axis.set_minor_formatter(NullFormatter())
        axis.set_tick_params(which="minor", length=1.5)

    @property
    def letters(self) -> int:
        """Of all labels side by side."""
        return sum(len(value_text(value)) + 1 for value in self.values)


def _with_room(values: Sequence[float], texts: Sequence[str], ax: Axes) -> dict[float, str]:
    """The labels that do not run into the one before, by their value."""
    places = ax.transAxes.inverted().transform(ax.transData.transform([(v, 0) for v in values]))
    shown: dict[float, str] = {}
    end = -math.inf
    for value, text, (place, _) in zip(values, texts, places, strict=True):
        half = len(text) * LETTER_POINTS / 2
        if place * AXES_POINTS - half >= end:
            shown[float(value)] = text
            end = place * AXES_POINTS + half + LABEL_GAP_POINTS
    return shown


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


@dataclass(frozen=True)
class Reach:
    """What an axis shows: values from `low` to `high`."""

    low: float
    high: float

    def cut(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which ends of intervals lie beyond what is shown: below, above."""
        return np.asarray(low) < self.low, np.asarray(high) > self.high


@dataclass(frozen=True)
class MetricAxis(Reach):
    """The same of a metric, and lost trials apart."""

    strip: float
    """Where the marks of lost trials stand, in parts of the axes; NaN where there are none."""


def dress_metric_axis(
    ax: Axes,
    values: np.ndarray,
    question: Question,
    *,
    reach: np.ndarray | None = None,
    edge_marks: bool = False,
    flat: bool = False,
) -> MetricAxis:
    """Scale, limits, ticks and label of y, or of x where the axis lies `flat`.

    Args:
        ax: the axes.
        values: what must be seen.
        question: names the metric and its direction.
        reach: ends of intervals; they widen the axis, but the edge cuts a huge one, which would
            flatten all the rest.
        edge_marks: there are lost trials: a strip for them beyond the worst value, behind a line.
        flat: better and worse run across the page.
    """
    axis: Axis = ax.xaxis if flat else ax.yaxis
    axis.set_label_text(f"{question.heading(question.metric)} ({question.better} is better)")
    strip = edge_height(question) if edge_marks else math.nan
    seen = values[np.isfinite(values)]
    if not len(seen):
        axis.set_ticks([])
        return MetricAxis(-math.inf, math.inf, strip)
    low, high = float(seen.min()), float(seen.max())
    log = low > 0 and math.log10(high / low) > METRIC_LOG_DECADES
    scale = "log" if log else "linear"
    (ax.set_xscale if flat else ax.set_yscale)(scale)
    ends = [] if reach is None else reach[np.isfinite(reach)]
    low, high = limits(low, high, ends, scale=scale)
    ends_of_axis = _with_strip(low, high, question, scale=scale) if edge_marks else (low, high)
    (ax.set_xlim if flat else ax.set_ylim)(*ends_of_axis)
    if log:
        set_log_ticks(axis, low, high)
    else:
        ticks = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        axis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    if edge_marks:
        limit = high if question.goal == "minimize" else low
        (ax.axvline if flat else ax.axhline)(limit, color=GREY, lw=0.5, zorder=1, label="limit")
    return MetricAxis(low, high, strip)


def set_log_ticks(axis: Axis, low: float, high: float) -> None:
    """Between three and eight labelled ticks, as round as the range allows."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = range(first, last + 1)
    for digits in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7), np.arange(1, 10, 0.2)):
        ticks = [digit * 10.0**power for power in decades for digit in digits]
        ticks = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
        if len(ticks) >= MIN_LOG_TICKS:
            break
    every = math.ceil(len(ticks) / MAX_LOG_TICKS)
    axis.set_major_locator(FixedLocator(ticks[::every]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def short(number: float) -> str:
    """`400k`, `1.5M`."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:g}{letter}"
    return f"{number:g}"


def edge_height(question: Question) -> float:
    """Where marks of lost trials stand, in parts of the axes: in the middle of their strip."""
    middle = HEADROOM / (1 + HEADROOM) / 2
    return 1 - middle if question.goal == "minimize" else middle


def _widened(low: float, high: float, *, scale: str, margin: float) -> tuple[float, float]:
    """Both ends moved out by the margin; a single value stands in the middle."""
    a, b = (math.log10(low), math.log10(high)) if scale == "log" else (low, high)
    room = margin * (b - a) or 0.5
    return (10 ** (a - room), 10 ** (b + room)) if scale == "log" else (a - room, b + room)


def limits(
    low: float, high: float, ends: Any, *, scale: str, margin: float = MARGIN
) -> tuple[float, float]:
    """What values must be seen, and of the ends of their intervals as much as flattens nothing."""
    into = np.log10 if scale == "log" else np.asarray
    a, b = float(into(low)), float(into(high))
    span = (b - a) or abs(a) or 1.0
    shown = [float(into(end)) for end in ends if scale == "linear" or end > 0]
    if scale == "log" and len(shown) < len(ends):
        shown.append(-math.inf)
    bottom = max(min([a, *shown]), a - OVERSHOOT[scale] * span)
    top = min(max([b, *shown]), b + OVERSHOOT[scale] * span)
    room = margin * ((top - bottom) or span)
    ends_of = (bottom - room, top + room)
    return (10.0 ** ends_of[0], 10.0 ** ends_of[1]) if scale == "log" else ends_of


def _with_strip(low: float, high: float, question: Question, *, scale: str) -> tuple[float, float]:
    """The same with room for lost trials beyond the end that is worse."""
    a, b = (math.log10(low), math.log10(high)) if scale == "log" else (low, high)
    room = HEADROOM * (b - a)
    a, b = (a, b + room) if question.goal == "minimize" else (a - room, b)
    return (10.0**a, 10.0**b) if scale == "log" else (a, b)


def legend_columns(texts: Sequence[str]) -> int:
    """As many columns of a legend above a plot as fit beside each other; matplotlib fills them one
    by one, the first ones with one more where they do not come out even."""
    letters = [len(text) + LETTERS_PER_HANDLE for text in texts]
    for num in range(min(len(texts), MAX_COLUMNS), 1, -1):
        if sum(max(own) for own in np.array_split(letters, num)) <= LETTERS_PER_LEGEND:
            return num
    return 1
