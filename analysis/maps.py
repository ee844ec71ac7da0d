"""Plots over two axes: the metric over two knobs as a map, quality against cost. Frame in, Figure
out.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from analysis.canvas import (
    BLUE,
    GREY,
    METRIC_LOG_DECADES,
    VERMILION,
    canvas,
    dress_metric_axis,
    house_style,
    short,
)
from analysis.notation import arm_text, is_number, knob_name, value_text
from analysis.pareto import is_member
from analysis.question import Question

PLANE = ("loss.cross", "loss.self")
LINE_STYLES: tuple[dict[str, Any], ...] = (  # white on dark cells, dark on light ones
    {"color": "black", "lw": 0.9, "zorder": 3},
    {"color": "white", "lw": 0.9, "ls": (0, (4, 3)), "zorder": 3},
)
MAX_LETTERS = 24  # of an arm's name beside its point
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
        bar = figure.colorbar(mesh, ax=ax, label=f"{question.metric} ({question.better} is better)")
        if isinstance(mesh.norm, LogNorm):
            bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            bar.ax.yaxis.set_minor_locator(NullLocator())
            bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
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


def pareto_figure(arms: pd.DataFrame, question: Question) -> Figure:
    """Every arm's quality against its cost, with intervals; the arms that no other beats in both
    are joined and named."""
    shown = arms[arms["n"] > 0]
    cost = shown[f"metric.{question.cost}"].to_numpy(float)
    with house_style():
        figure, ax = canvas()
        reach = shown.loc[
            is_member(shown["pareto"]), ["low", "high"]
        ].to_numpy()  # the others' may be cut
        dress_metric_axis(ax, shown["mean"].to_numpy(), question, reach=reach.ravel())
        if cost.min() > 0 and np.log10(cost.max() / cost.min()) > COST_LOG_DECADES:
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
        ax.set_xlabel(f"{question.cost} ({question.cost_better} is better)")
        best = is_member(shown["pareto"]).to_numpy()
        for color, picked in ((GREY, ~best), (BLUE, best)):
            part = shown[picked]
            bars = np.abs(part[["low", "high"]].to_numpy().T - part["mean"].to_numpy())
            ax.errorbar(
                cost[picked], part["mean"], yerr=np.nan_to_num(bars), fmt="o", ms=3, color=color,
                elinewidth=0.7, capsize=1.5, alpha=1.0 if color == BLUE else 0.35,
            )  # fmt: skip
        front = shown[best].sort_values(f"metric.{question.cost}")
        ax.plot(front[f"metric.{question.cost}"], front["mean"], color=BLUE, lw=0.8, alpha=0.6)
        _name_front(ax, front, question)
        handles = [
            Line2D([], [], color=BLUE, marker="o", ms=3, lw=0.8, label="Pareto set"),
            Line2D([], [], color=GREY, marker="o", ms=3, lw=0, alpha=0.5, label="beaten in both"),
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=2)
    return figure


def _name_front(ax: Axes, front: pd.DataFrame, question: Question) -> None:
    for _, arm in front.iterrows():
        values = {knob: arm[f"param.{knob}"] for knob in question.knobs}
        text = value_text(next(iter(values.values()))) if len(values) == 1 else arm_text(values)
        if len(text) <= MAX_LETTERS:
            ax.annotate(
                text, (arm[f"metric.{question.cost}"], arm["mean"]), xytext=(3, 3),
                textcoords="offset points", fontsize=6,
            )  # fmt: skip
