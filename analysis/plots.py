"""The plots of a comparison: the metric against a knob, training curves. Frame in, Figure out.

Means are those of the table: geometric where the scale of the metric is a ratio.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import ScaledTranslation, Transform

from analysis import maps
from analysis.canvas import (
    CATEGORIES,
    GREY,
    VERMILION,
    KnobAxis,
    canvas,
    dress_metric_axis,
    edge_height,
    house_style,
    knob_axis,
    short,
)
from analysis.notation import arm_text, knob_name, plain, value_text
from analysis.question import Question
from sid_sweep.spec import LOST

POINTS_PER_INCH = 72
SEED_OFFSET_POINTS = 3.5  # seeds stand beside their interval, not under it
GROUP_OFFSET_POINTS = 7.0
MAX_LEGEND = 10  # more lines than this are told apart by a colour bar
MAX_SIDE_LETTERS = 7  # a legend of longer words beside the curves would squeeze them
DARK_VIRIDIS = LinearSegmentedColormap.from_list(
    "dark_viridis", mpl.colormaps["viridis"](np.linspace(0, 0.87, 256))
)  # its yellow end is invisible on paper
LETTERS_PER_ROW, LETTERS_PER_HANDLE = 50, 5  # of a legend above the curves
TIGHT: dict[str, Any] = {
    "columnspacing": 1.0,
    "handletextpad": 0.4,
    "handlelength": 1.4,
    "borderaxespad": 0.2,
}


def figures(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> dict[str, Figure]:
    """All plots of a comparison by the stem of their file.

    Two for each scientific knob, a map where two knobs form a grid, and quality against cost where
    a cost was asked for.
    """
    drawn = {}
    if (pair := maps.map_knobs(arms, question)) is not None:
        drawn[f"{question.metric}_map"] = maps.map_figure(arms, question, x=pair[0], y=pair[1])
    if question.cost and (arms["n"] > 0).any():
        drawn["pareto"] = maps.pareto_figure(arms, question)
    for knob in question.scientific:
        name = knob.replace(".", "_")
        curves = "curves" if len(question.scientific) == 1 else f"curves_by_{name}"
        drawn[f"{question.metric}_vs_{name}"] = metric_figure(frame, arms, question, knob=knob)
        drawn[curves] = curves_figure(frame, arms, question, knob=knob)
    return drawn


# ---- the metric against a knob


@dataclass(frozen=True)
class _Group:
    """Arms that differ from each other in the knob on the axis (and in nuisance knobs)."""

    label: str
    arms: pd.DataFrame
    color: str
    offset_points: float


def metric_figure(
    frame: pd.DataFrame, arms: pd.DataFrame, question: Question, *, knob: str
) -> Figure:
    """Each arm's mean and t interval over the knob, its seeds beside it, lost trials at the edge.

    The mean over the survivors of an arm is hollow. With several scientific knobs, arms that share
    all others have one colour.
    """
    axis = knob_axis(arms, question, knob=knob)
    finals = frame[frame["final"]]
    seeds = finals[finals["outcome"] == "finished"]
    lost = finals[finals["outcome"].isin(LOST)]
    groups = list(_groups(arms, question, knob))
    with house_style():
        figure, ax = canvas()
        axis.dress(ax, reach_points=groups[-1].offset_points + 2 * SEED_OFFSET_POINTS)
        dress_metric_axis(
            ax,
            seeds[f"metric.{question.metric}"].to_numpy(),
            question,
            reach=arms[["low", "high"]].to_numpy().ravel(),
            edge_marks=not lost.empty,
        )
        handles = _draw_baseline(ax, arms)
        for group in groups:
            _draw_group(ax, group, seeds, question, axis)
        handles = [*_group_handles(groups), *handles, *_draw_lost(ax, lost, finals, question, axis)]
        figure.legend(handles=handles, loc="outside upper center", ncols=4, **TIGHT)
    return figure


def _groups(arms: pd.DataFrame, question: Question, knob: str) -> Iterator[_Group]:
    others = [f"param.{other}" for other in question.scientific if other != knob]
    labels = [
        arm_text({name.removeprefix("param."): arm[name] for name in others})
        for _, arm in arms.iterrows()
    ]
    names = list(dict.fromkeys(labels))
    for index, name in enumerate(names):
        color = CATEGORIES[index] if len(names) <= len(CATEGORIES) else GREY
        offset = (index - (len(names) - 1) / 2) * GROUP_OFFSET_POINTS
        if len(names) > len(CATEGORIES):
            offset = 0.0
        yield _Group(name, arms[[label == name for label in labels]], color, offset)


def _draw_group(
    ax: Axes, group: _Group, seeds: pd.DataFrame, question: Question, axis: KnobAxis
) -> None:
    shown = group.arms[group.arms["n"] > 0]
    x = [axis.position(value) for value in shown[f"param.{axis.knob}"]]
    at = _shifted(ax, group.offset_points)
    # a line between arms says that nothing but the knob changes along it
    if axis.kind != "category" and len(set(x)) == len(x) and not question.nuisance:
        ax.plot(x, shown["mean"], color=group.color, alpha=0.35, lw=0.9, transform=at, zorder=2)
    reach = np.abs(shown[["low", "high"]].to_numpy().T - shown["mean"].to_numpy())
    ax.errorbar(
        x, shown["mean"], yerr=np.nan_to_num(reach), fmt="o", ms=3.2, color=group.color,
        elinewidth=0.9, capsize=1.8, capthick=0.9, transform=at, zorder=4,
    )  # fmt: skip
    hollow = shown["marked"].to_numpy()
    ax.plot(
        np.array(x)[hollow], shown["mean"][hollow], "o", ms=3.2, mfc="white", color=group.color,
        transform=at, zorder=5,
    )  # fmt: skip
    own = seeds[seeds["arm"].isin(group.arms["arm"])]
    ax.plot(
        [axis.position(value) for value in own[f"param.{axis.knob}"]],
        own[f"metric.{question.metric}"],
        "o", ms=2.4, mew=0, color=group.color, alpha=0.4, zorder=3,
        transform=_shifted(ax, group.offset_points + SEED_OFFSET_POINTS),
    )  # fmt: skip


def _group_handles(groups: list[_Group]) -> list[Artist]:
    color = groups[0].color if len(groups) == 1 else GREY
    handles: list[Artist] = [
        Line2D([], [], color=color, marker="o", ms=3.2, lw=0.9, label="mean, 95 % interval"),
        Line2D([], [], color=color, marker="o", ms=2.4, mew=0, lw=0, alpha=0.5, label="seed"),
    ]
    if 1 < len(groups) <= len(CATEGORIES):
        marker: dict[str, Any] = {"marker": "o", "ms": 3.2}
        handles += [Line2D([], [], color=g.color, label=g.label, **marker) for g in groups]
    return handles


def _draw_baseline(ax: Axes, arms: pd.DataFrame) -> list[Artist]:
    means = arms[arms["baseline"] & (arms["n"] > 0)]["mean"]
    lines = [ax.axhline(mean, color=GREY, lw=0.7, ls=(0, (4, 3)), zorder=1) for mean in means]
    for line in lines[:1]:
        line.set_label("baseline")
    return list(lines[:1])


def _draw_lost(
    ax: Axes, lost: pd.DataFrame, finals: pd.DataFrame, question: Question, axis: KnobAxis
) -> list[Artist]:
    """A cross over each value that lost trials, with how many of how many."""
    if lost.empty:
        return []
    column, height = f"param.{axis.knob}", edge_height(question)
    all_runs = Counter(plain(value) for value in finals[column])
    lost_runs = Counter(plain(value) for value in lost[column])
    for value, num_lost in lost_runs.items():
        count = f"{num_lost}/{all_runs[value]}"
        x, at = axis.position(value), ax.get_xaxis_transform()
        ax.plot(x, height, "x", ms=4, mew=1.1, color=VERMILION, transform=at, zorder=5)
        ax.annotate(
            count, (x, height), xycoords=at, xytext=(0, -4), textcoords="offset points",
            ha="center", va="top", fontsize=6, color=VERMILION,
        )  # fmt: skip
    return _lost_handles(lost, color=VERMILION)


def _lost_handles(lost: pd.DataFrame, *, color: str) -> list[Artist]:
    """The legend of a cross, by what happened."""
    label = " or ".join(name for name in LOST if name in set(lost["outcome"]))
    cross = Line2D([], [], color=color, marker="x", ms=4, mew=1.1, lw=0, label=label)
    return [] if lost.empty else [cross]


def _shifted(ax: Axes, points: float) -> Transform:
    inches = ax.figure.dpi_scale_trans
    return ax.transData + ScaledTranslation(points / POINTS_PER_INCH, 0, inches)


# ---- training curves


def curves_figure(
    frame: pd.DataFrame, arms: pd.DataFrame, question: Question, *, knob: str
) -> Figure:
    """The metric while training: the mean of an arm's finished seeds, each trial faintly behind it.

    A cross at the edge, in the arm's colour, marks where a trial diverged or failed.
    """
    axis = knob_axis(arms, question, knob=knob)
    metric = f"metric.{question.metric}"
    ended = frame[frame["final"] & frame["outcome"].isin(LOST)]
    with house_style():
        figure, ax = canvas()
        dress_metric_axis(ax, frame[metric].to_numpy(), question, edge_marks=not ended.empty)
        colors = _colors(axis)
        for _, arm in arms.iterrows():
            color = colors[plain(arm[f"param.{knob}"])]
            _draw_curves(ax, frame[frame["arm"] == arm["arm"]], metric, color=color)
        for _, trial in ended.iterrows():
            color = colors[plain(trial[f"param.{knob}"])]
            ax.plot(
                trial["images"], edge_height(question), "x", ms=4, mew=1.1, color=color,
                transform=ax.get_xaxis_transform(), zorder=5, clip_on=False,
            )  # fmt: skip
        _dress_images_axis(ax)
        _name_colors(figure, ax, axis, colors, lost=_lost_handles(ended, color=GREY))
    return figure


def _draw_curves(ax: Axes, trials: pd.DataFrame, metric: str, *, color: str) -> None:
    evaluated = trials.dropna(subset=metric)
    for _, trial in evaluated.groupby("seed"):
        # a lost trial has no mean in front of it, so it is drawn less faintly
        alpha = 0.75 if trial["outcome"].iloc[0] in LOST else 0.3
        ax.plot(trial["images"], trial[metric], color=color, lw=0.6, alpha=alpha, zorder=2)
    finished = evaluated[evaluated["outcome"] == "finished"]
    by_images = finished.groupby("images")[metric].agg(["mean", "count"])
    # where a seed was not evaluated, a mean over the others would jump
    common = by_images[by_images["count"] == finished["seed"].nunique()]
    ax.plot(common.index, common["mean"], color=color, lw=1.3, zorder=3)


def _dress_images_axis(ax: Axes) -> None:
    ax.set_xlabel("images seen by the generator")
    ax.set_xlim(left=0)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda images, _: short(images)))


def _colors(axis: KnobAxis) -> dict[Any, str]:
    """Words get distinct colours, few numbers even steps, many numbers their place on the axis."""
    if any(isinstance(value, str) for value in axis.values):
        return {value: CATEGORIES[i % len(CATEGORIES)] for i, value in enumerate(axis.values)}
    if len(axis.values) <= MAX_LEGEND:
        places = np.linspace(0, 1, max(len(axis.values), 2))
    else:
        places = np.asarray(_norm(axis)([axis.position(value) for value in axis.values]))
    picked = DARK_VIRIDIS(places)
    return {value: to_hex(picked[i]) for i, value in enumerate(axis.values)}


def _norm(axis: KnobAxis) -> Normalize:
    low, high = axis.position(axis.values[0]), axis.position(axis.values[-1])
    return LogNorm(low, high) if axis.kind == "log" else Normalize(low, high)


def _name_colors(
    figure: Figure, ax: Axes, axis: KnobAxis, colors: dict[Any, str], *, lost: list[Artist]
) -> None:
    """A legend beside the curves, above them if words are long; a colour bar for many numbers."""
    name = knob_name(axis.knob)
    if len(colors) > MAX_LEGEND and axis.kind != "category":
        figure.colorbar(ScalarMappable(_norm(axis), DARK_VIRIDIS), ax=ax, label=name, aspect=30)
        return
    texts = [value_text(value) for value in colors]
    pairs = zip(texts, colors.values(), strict=True)
    handles = [*[Line2D([], [], color=color, label=text) for text, color in pairs], *lost]
    place: dict[str, Any] = {"loc": "outside right center"}
    if max(map(len, [name, *texts])) > MAX_SIDE_LETTERS:
        columns = LETTERS_PER_ROW // (max(map(len, texts)) + LETTERS_PER_HANDLE)
        place = {"loc": "outside upper center", "ncols": max(columns, 1)}
    figure.legend(handles=handles, title=name, **place, **TIGHT)
