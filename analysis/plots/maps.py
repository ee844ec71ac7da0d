"""Plots over two axes: the metric over two knobs as a map, quality against cost. Frame in, Figure
out.
"""

import math
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import ScaledTranslation, Transform

from analysis.notation import arm_text, is_number, knob_name, value_text
from analysis.plots.canvas import (
    HEIGHT_INCHES,
    MARGIN,
    METRIC_LOG_DECADES,
    WIDE_INCHES,
    WIDTH_INCHES,
    Reach,
    canvas,
    dress_metric_axis,
    house_style,
    limits,
    set_log_ticks,
    short,
)
from analysis.plots.palette import BLUE, GREY, MAX_STEPS, VERMILION, Look, look
from analysis.question import Question
from analysis.verdicts.arms import interval_of
from analysis.verdicts.pareto import is_member

PLANE = ("loss.cross", "loss.self")
LINE_STYLES: tuple[dict[str, Any], ...] = (  # white on dark cells, dark on light ones
    {"color": "black", "lw": 0.9, "zorder": 3},
    {"color": "white", "lw": 0.9, "ls": (0, (4, 3)), "zorder": 3},
)
MAX_LETTERS = 24  # of an arm's name beside its point
MAX_LEGEND, MAX_LEGEND_LETTERS = 24, 40
DODGE_POINTS = 4.0
ARROW_SIZE = 3.4
WIDE_POINTS = 250  # width of wide axes, about
COST_LOG_DECADES = 0.5


def map_knobs(arms: pd.DataFrame, question: Question) -> tuple[str, str] | None:
    """The two knobs of a map: a question about two numbers alone, on a full grid from 3 x 3 up."""
    if len(question.scientific) != 2 or question.nuisance:
        return None
    x, y = question.scientific
    columns = arms[[f"param.{x}", f"param.{y}"]]
    if not columns.map(is_number).all(axis=None):
        return None
    sizes = columns.nunique()
    full = len(arms) == sizes.prod() and (sizes >= 3).all()
    return (x, y) if full else None


def map_figure(arms: pd.DataFrame, question: Question, *, x: str, y: str) -> Figure:
    """The mean metric over two knobs: a cell per arm with its figure, a cross where no seed ended.

    On the identity plane (c, s) the SiD family is the line s = 2c, drawn with its λ.
    """
    columns, rows = (np.sort(arms[f"param.{knob}"].astype(float).unique()) for knob in (x, y))
    means = arms.pivot(index=f"param.{y}", columns=f"param.{x}", values="mean").to_numpy(float)
    lost = arms.pivot(index=f"param.{y}", columns=f"param.{x}", values="marked").to_numpy(bool)
    with house_style():
        figure, ax = canvas()
        ax.spines[["left", "bottom"]].set_visible(False)
        mesh = ax.pcolormesh(
            _edges(columns), _edges(rows), means, cmap="viridis_r", norm=_norm(means),
            edgecolor="white", linewidth=0.4,
        )  # fmt: skip
        for (i, j), mean in np.ndenumerate(means):
            _label_cell(ax, float(columns[j]), float(rows[i]), mean, lost=bool(lost[i, j]))
        ax.set_xticks(columns, [value_text(value) for value in columns])
        ax.set_yticks(rows, [value_text(value) for value in rows])
        ax.set_xlabel(knob_name(x))
        ax.set_ylabel(knob_name(y))
        heading = question.heading(question.metric)
        bar = figure.colorbar(mesh, ax=ax, label=f"{heading} ({question.better} is better)")
        if isinstance(mesh.norm, LogNorm):
            set_log_ticks(bar.ax.yaxis, *bar.ax.get_ylim())
        if (x, y) == PLANE:
            _draw_sid_line(ax, columns, rows)
    return figure


def _label_cell(ax: Axes, x: float, y: float, mean: float, *, lost: bool) -> None:
    if np.isnan(mean):
        ax.plot(x, y, "x", ms=5, mew=1.1, color=VERMILION)
        return
    ax.text(
        x, y, f"{mean:.2g}" + ("†" if lost else ""), ha="center", va="center", fontsize=6,
        bbox={"boxstyle": "round,pad=0.15", "fc": (1, 1, 1, 0.75), "ec": "none"}, zorder=4,
    )  # fmt: skip


def _draw_sid_line(ax: Axes, columns: np.ndarray, rows: np.ndarray) -> None:
    """s = 2c, with λ = 1 - 1/(2c) where the line leaves the map and at ½ and 0."""
    x_edges, y_edges = _edges(columns), _edges(rows)
    low = max(x_edges[0], y_edges[0] / 2)
    high = min(x_edges[-1], y_edges[-1] / 2)
    for style in LINE_STYLES:
        ax.plot([low, high], [2 * low, 2 * high], **style)
    ax.set_xlim(x_edges[0], x_edges[-1])
    ax.set_ylim(y_edges[0], y_edges[-1])
    for cross, name in ((0.5, "λ=0"), (1.0, "λ=½"), (2.0, "λ=¾")):
        if low <= cross <= high:
            ax.annotate(
                name, (cross, 2 * cross), xytext=(2, 7), textcoords="offset points",
                fontsize=6, color="white", zorder=5,
                bbox={"boxstyle": "round,pad=0.1", "fc": (0, 0, 0, 0.45), "ec": "none"},
            )  # fmt: skip


def _edges(values: np.ndarray) -> np.ndarray:
    """Borders of cells around values: halfway between, and as far beyond the ends."""
    middle = (values[1:] + values[:-1]) / 2
    return np.concatenate([[2 * values[0] - middle[0]], middle, [2 * values[-1] - middle[-1]]])


def _norm(means: np.ndarray) -> Normalize:
    seen = means[np.isfinite(means)]
    if len(seen) and seen.min() > 0 and np.log10(seen.max() / seen.min()) > METRIC_LOG_DECADES:
        return LogNorm(seen.min(), seen.max())
    return Normalize(*((seen.min(), seen.max()) if len(seen) else (0, 1)))


def pareto_figure(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> Figure:
    """Every arm's quality against its cost, with intervals on both axes; the arms that no other
    beats in both are joined. Up to seven are named beside their point, more in a legend, and then
    arms of one cost stand side by side, by a few points.
    """
    shown = arms[arms["n"] > 0]
    costs = _costs(frame, shown, question)
    cost = costs["mean"].to_numpy(float)
    named = len(shown) > MAX_STEPS and len(shown) <= MAX_LEGEND
    with house_style():
        width = WIDE_INCHES if named else WIDTH_INCHES
        figure, ax = canvas(width=width, height=1.3 * HEIGHT_INCHES if named else HEIGHT_INCHES)
        front = is_member(shown["pareto"]).to_numpy(bool)
        reach = shown.loc[front, ["low", "high"]].to_numpy()  # the others' may be cut
        metric = dress_metric_axis(ax, shown["mean"].to_numpy(), question, reach=reach.ravel())
        dodge = _dodge(cost) if named else np.zeros(len(cost))
        aside = dodge.max(initial=0.0)
        across = _dress_cost_axis(ax, costs.to_numpy(float), question, aside=aside)
        cut = False
        for index, (place, on_front) in enumerate(zip(shown.index, front, strict=True)):
            own = look(index) if named else Look(BLUE if on_front else GREY, "o", "-")
            point = _Point(shown.loc[place], costs.loc[place], own, bool(on_front), dodge[index])
            cut |= _draw_point(ax, point, across=across, up=metric)
        order = np.argsort(cost[front], kind="stable")
        line = (cost[front][order], shown["mean"].to_numpy()[front][order])
        ax.plot(*line, color=GREY, lw=0.8, alpha=0.7, zorder=1)
        if named:
            _name_all(figure, shown, question)
        else:
            _name_front(ax, shown[front], costs[front], question)
        handles = [
            Line2D([], [], color=GREY, marker="o", ms=4, lw=0.8, label="filled: Pareto set"),
            Line2D([], [], color=GREY, marker="o", ms=3, lw=0, mfc="w", label="beaten in both"),
        ]
        if cut:
            arrow: dict[str, Any] = {"marker": "^", "ms": ARROW_SIZE, "mew": 0, "lw": 0}
            handles.append(Line2D([], [], color=GREY, label="beyond", **arrow))
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


class _Point(NamedTuple):
    """An arm in the plane of quality and cost."""

    arm: pd.Series
    cost: pd.Series
    look: Look
    on_front: bool
    dodge: float
    """Points by which it stands aside."""


def _draw_point(ax: Axes, point: _Point, *, across: Reach, up: Reach) -> bool:
    """A mark with its intervals, and an arrow where an axis cuts one; returns whether one is."""
    own, at = point.look, _aside(ax, point.dodge)
    x, y = float(point.cost["mean"]), float(point.arm["mean"])
    (left, right), (bottom, top) = (
        np.clip(ends[["low", "high"]].to_numpy(float), axis.low, axis.high)
        for ends, axis in ((point.cost, across), (point.arm, up))
    )
    ax.errorbar(
        [x], [y],
        xerr=np.nan_to_num(np.abs([[left - x], [right - x]])),
        yerr=np.nan_to_num(np.abs([[bottom - y], [top - y]])),
        fmt=own.marker, ms=4.2 if point.on_front else 3.2, color=own.color, elinewidth=0.7,
        mfc=own.color if point.on_front else "white", mew=0.8, zorder=4 if point.on_front else 3,
        transform=at,
    )  # fmt: skip
    sides = (*across.cut(*point.cost[["low", "high"]]), *up.cut(*point.arm[["low", "high"]]))
    ends = ((left, y, "<"), (right, y, ">"), (x, bottom, "v"), (x, top, "^"))
    for _, (*xy, arrow) in filter(itemgetter(0), zip(sides, ends, strict=True)):
        ax.plot(
            *xy, arrow, ms=ARROW_SIZE, mew=0, color=own.color, transform=at, zorder=5,
            clip_on=False,
        )  # fmt: skip
    return any(sides)


def _aside(ax: Axes, points: float) -> Transform:
    """Data coordinates, moved to the right."""
    return ax.transData + ScaledTranslation(points / 72, 0, ax.figure.dpi_scale_trans)


def _costs(frame: pd.DataFrame, shown: pd.DataFrame, question: Question) -> pd.DataFrame:
    """`mean`, `low` and `high` of each arm's cost over its reported seeds, in the order of
    `shown`; the mean is that of the table."""
    finished = frame[frame["final"] & (frame["outcome"] == "finished")]
    finished = finished[finished["seed"].isin(question.seeds)]
    name = f"metric.{question.cost}"
    found = []
    for _, arm in shown.iterrows():
        values = finished.loc[finished["arm"] == arm["arm"], name].to_numpy(float)
        own = interval_of(values, question) if (values > 0).all() else None
        ends = (own.low, own.high) if own else (math.nan, math.nan)
        found.append((arm[name], *ends))
    return pd.DataFrame(found, columns=["mean", "low", "high"], index=shown.index)


def _dodge(cost: np.ndarray) -> np.ndarray:
    """Points by which arms of one cost stand aside, so that each can be seen."""
    aside = np.zeros(len(cost))
    for value in np.unique(cost):
        same = np.flatnonzero(cost == value)
        aside[same] = DODGE_POINTS * (np.arange(len(same)) - (len(same) - 1) / 2)
    return aside


def _dress_cost_axis(ax: Axes, costs: np.ndarray, question: Question, *, aside: float) -> Reach:
    """Scale, limits, ticks, label; every mean is seen, and of its interval what flattens nothing.

    Args:
        ax: the axes.
        costs: a row of mean and two ends for each arm.
        question: names the cost and its direction.
        aside: points by which marks stand out from their cost.
    """
    ax.set_xlabel(f"{question.cost} ({question.cost_better} is better)")
    known = costs[np.isfinite(costs[:, 0])]
    if not len(known):
        return Reach(-math.inf, math.inf)
    low, high = float(known[:, 0].min()), float(known[:, 0].max())
    log = low > 0 and math.log10(high / low) > COST_LOG_DECADES
    ax.set_xscale("log" if log else "linear")
    ends = known[:, 1:][np.isfinite(known[:, 1:])]
    margin = MARGIN + aside / WIDE_POINTS
    found = Reach(*limits(low, high, ends, scale="log" if log else "linear", margin=margin))
    ax.set_xlim(found.low, found.high)
    if log:
        set_log_ticks(ax.xaxis, found.low, found.high)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    return found


def _arm_name(arm: pd.Series, question: Question) -> str:
    values = {knob: arm[f"param.{knob}"] for knob in question.knobs}
    return value_text(next(iter(values.values()))) if len(values) == 1 else arm_text(values)


def _name_all(figure: Figure, shown: pd.DataFrame, question: Question) -> None:
    """A legend beside the plot, those of the front first."""
    front = is_member(shown["pareto"]).to_numpy(bool)
    rows = sorted(enumerate(shown.iterrows()), key=lambda row: not front[row[0]])
    handles = []
    for index, (_, arm) in rows:
        own, text = look(index), _arm_name(arm, question)
        fill = own.color if front[index] else "white"
        text = text if len(text) <= MAX_LEGEND_LETTERS else f"{text[: MAX_LEGEND_LETTERS - 1]}…"
        handles.append(
            Line2D(
                [],
                [],
                color=own.color,
                marker=own.marker,
                ms=4.2,
                lw=0,
                mfc=fill,
                mew=0.8,
                label=text,
            )
        )
    figure.legend(handles=handles, loc="outside right center", handletextpad=0.2)


def _name_front(ax: Axes, front: pd.DataFrame, costs: pd.DataFrame, question: Question) -> None:
    for (_, arm), cost in zip(front.iterrows(), costs["mean"], strict=True):
        text = _arm_name(arm, question)
        if len(text) <= MAX_LETTERS:
            ax.annotate(
                text, (cost, arm["mean"]), xytext=(3, 3),
                textcoords="offset points", fontsize=6,
            )  # fmt: skip
