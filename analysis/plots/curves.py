"""The metric while training, against images or seconds: means with their bands. Frame in, Figure
out.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.notation import knob_name, plain, value_text
from analysis.plots.canvas import (
    HEIGHT_INCHES,
    WIDE_INCHES,
    WIDTH_INCHES,
    KnobAxis,
    canvas,
    dress_metric_axis,
    house_style,
    knob_axis,
    legend_columns,
    set_log_ticks,
    short,
)
from analysis.plots.palette import DARK_VIRIDIS, GREY, MAX_STEPS, VERMILION, Look, look, steps
from analysis.question import Question
from analysis.verdicts.arms import interval_of
from analysis.verdicts.evidence import PRUNED
from sid_sweep.spec import LOST, Outcome

CLOCKS = ("images", "seconds")
CLOCK_LABELS = {"images": "images seen by the generator", "seconds": "seconds of the trial"}
MAX_NAMED = 24  # more numbers than this are told apart by a colour bar
MAX_ROWS = 12  # of a legend beside the curves
MAX_SIDE_LETTERS = 7  # a legend of longer words beside the curves would squeeze them
LETTERS_PER_ROW, LETTERS_PER_HANDLE = 50, 5  # of a legend above the curves
TIGHT: dict[str, Any] = {"columnspacing": 1.0, "handletextpad": 0.4, "borderaxespad": 0.2}


class Mark(NamedTuple):
    """Of trials without a value, in their strip."""

    outcomes: tuple[Outcome, ...]
    color: str
    style: dict[str, Any]


MARKS = (
    Mark((PRUNED,), GREY, {"marker": "D", "ms": 3, "mew": 0.8, "mfc": "white"}),
    Mark(LOST, VERMILION, {"marker": "x", "ms": 4, "mew": 1.1}),
)
"""The last stands over the others."""


def curves_figure(
    frame: pd.DataFrame, arms: pd.DataFrame, question: Question, *, knob: str, clock: str = "images"
) -> Figure:
    """The metric while training: the mean of an arm's finished seeds. Up to seven arms have their
    95 % bands and each trial faintly behind; more would cover each other.

    A cross in the strip, in the arm's colour, marks where a trial diverged or failed, a diamond
    where it was given up.
    """
    axis = knob_axis(arms, question, knob=knob)
    metric = f"metric.{question.metric}"
    finals = frame[frame["final"]]
    ended = list(without_value(finals))
    looks = _looks(axis)
    wide = MAX_STEPS < len(axis.values) <= MAX_NAMED
    with house_style():
        figure, ax = canvas(width=WIDE_INCHES if wide else WIDTH_INCHES, height=HEIGHT_INCHES)
        values = frame[metric].to_numpy()
        shown = dress_metric_axis(ax, values, question, edge_marks=bool(ended))
        own_look = {arm["arm"]: looks[plain(arm[f"param.{knob}"])] for _, arm in arms.iterrows()}
        of_arm = dict(iter(frame.groupby("arm")))
        for number, own in own_look.items():
            crowd = len(arms)
            _draw_arm(ax, of_arm[number], question, own, clock=clock, crowd=crowd, wide=wide)
        for mark, trials in ended:
            for _, trial in trials.iterrows():
                ax.plot(
                    trial[clock], shown.strip, **mark.style, color=own_look[trial["arm"]].color,
                    transform=ax.get_xaxis_transform(), zorder=5, clip_on=False,
                )  # fmt: skip
        _dress_clock(ax, clock)
        others = [handle_of(mark, trials, color=GREY) for mark, trials in ended]
        if len(arms) <= MAX_STEPS:
            label = f"95 % of {mean_name(question)}"
            others.insert(0, Line2D([], [], color=GREY, lw=3, alpha=0.3, label=label))
        _name_looks(figure, ax, axis, _by_end(looks, arms, axis, question), others)
    return figure


def mean_name(question: Question) -> str:
    """Of the mean that is shown."""
    return "geometric mean" if question.scale == "ratio" else "mean"


def _by_end(
    looks: dict[Any, Look], arms: pd.DataFrame, axis: KnobAxis, question: Question
) -> dict[Any, Look]:
    """Words in the order in which their curves end, from the top; numbers in their own."""
    if axis.kind != "category":
        return looks
    ends = {plain(arm[f"param.{axis.knob}"]): arm["mean"] for _, arm in arms.iterrows()}
    order = sorted(looks, key=lambda value: (np.isnan(ends[value]), -np.nan_to_num(ends[value])))
    return {value: looks[value] for value in order}


def without_value(finals: pd.DataFrame) -> Iterator[tuple[Mark, pd.DataFrame]]:
    """The trials that ended without a value, by how they are marked."""
    for mark in MARKS:
        own = finals[finals["outcome"].isin(mark.outcomes)]
        if not own.empty:
            yield mark, own


def handle_of(mark: Mark, trials: pd.DataFrame, *, color: str) -> Artist:
    """The legend of a mark, by what happened."""
    label = " or ".join(name for name in mark.outcomes if name in set(trials["outcome"]))
    return Line2D([], [], color=color, lw=0, label=label, **mark.style)


def mean_curve(trials: pd.DataFrame, question: Question, *, clock: str) -> pd.DataFrame:
    """`clock`, `mean`, `low`, `high` of an arm's finished seeds at each evaluation that all of them
    have; elsewhere a mean over some would jump. Seconds are means too."""
    metric = f"metric.{question.metric}"
    finished = trials[trials["outcome"] == "finished"].dropna(subset=metric)
    num_seeds = finished["seed"].nunique()
    found = [
        (own[clock].mean(), *_ends(own[metric].to_numpy(), question))
        for _, own in finished.groupby("images")
        if len(own) == num_seeds
    ]
    return pd.DataFrame(found, columns=["clock", "mean", "low", "high"])


def _ends(values: np.ndarray, question: Question) -> tuple[float, float, float]:
    own = interval_of(values, question)
    return own.mean, own.low, own.high


def _draw_arm(
    ax: Axes,
    trials: pd.DataFrame,
    question: Question,
    own: Look,
    *,
    clock: str,
    crowd: int,
    wide: bool,
) -> None:
    metric = f"metric.{question.metric}"
    evaluated = trials.dropna(subset=metric)
    for _, trial in evaluated.groupby("seed"):
        # without a value it has no mean in front of it, so it is drawn less faintly
        is_lost = trial["outcome"].iloc[0] in (*LOST, PRUNED)
        if is_lost or crowd <= MAX_STEPS:
            alpha = 0.75 if is_lost else 0.25
            ax.plot(trial[clock], trial[metric], color=own.color, lw=0.5, alpha=alpha, zorder=2)
    curve = mean_curve(evaluated, question, clock=clock)
    if curve.empty:
        return
    if crowd <= MAX_STEPS:
        band = curve.dropna()
        ax.fill_between(
            band["clock"], band["low"], band["high"], color=own.color, alpha=0.16, lw=0, zorder=1
        )
    ax.plot(
        curve["clock"], curve["mean"], color=own.color, lw=1.1 if wide else 1.3, ls=own.dashes,
        marker=own.marker if wide else None, ms=3, markevery=max(1, len(curve) // 6), zorder=3,
    )  # fmt: skip


def _dress_clock(ax: Axes, clock: str) -> None:
    ax.set_xlabel(CLOCK_LABELS[clock])
    ax.set_xlim(left=0)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def _looks(axis: KnobAxis) -> dict[Any, Look]:
    """Few numbers get even steps of one colour, many their place on a colour bar, all else looks
    that differ in colour and marker."""
    num = len(axis.values)
    numbers = axis.kind != "category"
    if numbers and num <= MAX_STEPS:
        colors = dict(zip(axis.values, steps(num), strict=True))
        return {value: Look(colors[value], look(i).marker, "-") for i, value in enumerate(colors)}
    if numbers and num > MAX_NAMED:
        places = np.asarray(_norm(axis)([axis.position(value) for value in axis.values]))
        picked = DARK_VIRIDIS(places)
        return {v: Look(to_hex(picked[i]), "o", "-") for i, v in enumerate(axis.values)}
    return {value: look(index) for index, value in enumerate(axis.values)}


def _norm(axis: KnobAxis) -> Normalize:
    low, high = axis.position(axis.values[0]), axis.position(axis.values[-1])
    return LogNorm(low, high) if axis.kind == "log" else Normalize(low, high)


def _name_looks(
    figure: Figure, ax: Axes, axis: KnobAxis, looks: dict[Any, Look], others: list[Artist]
) -> None:
    """A legend beside the curves, above them if words are long; a colour bar for many numbers. What
    else is drawn is named above."""
    name, texts = knob_name(axis.knob), [value_text(value) for value in looks]
    wide = len(looks) > MAX_STEPS
    handles = [
        Line2D(
            [], [], color=own.color, ls=own.dashes, label=text, ms=3,
            marker=own.marker if wide else None,
        )
        for text, own in zip(texts, looks.values(), strict=True)
    ]  # fmt: skip
    title: dict[str, Any] = {"title": name, "handlelength": 2.4 if wide else 1.4, **TIGHT}
    if len(looks) > MAX_NAMED and axis.kind != "category":
        norm = _norm(axis)
        bar = figure.colorbar(ScalarMappable(norm, DARK_VIRIDIS), ax=ax, label=name, aspect=30)
        if isinstance(norm, LogNorm):
            set_log_ticks(bar.ax.yaxis, *bar.ax.get_ylim())
    elif wide or max(map(len, [name, *texts])) <= MAX_SIDE_LETTERS:
        columns = -(-len(handles) // MAX_ROWS)
        figure.legend(handles=handles, loc="outside right center", ncols=columns, **title)
    else:
        columns = LETTERS_PER_ROW // (max(map(len, texts)) + LETTERS_PER_HANDLE)
        handles += others
        columns = min(max(columns, 1), len(handles))
        figure.legend(handles=handles, loc="outside upper center", ncols=columns, **title)
        return
    if others:
        columns = legend_columns([str(handle.get_label()) for handle in others])
        figure.legend(handles=others, loc="outside upper center", ncols=columns, **TIGHT)
