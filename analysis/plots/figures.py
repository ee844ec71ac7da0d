"""All plots of a comparison, and the first: the metric against a knob. Frame in, Figure out.

Means are those of the table: geometric where the scale of the metric is a ratio.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation, Transform

from analysis.notation import arm_text, knob_name, plain
from analysis.plots import curves, maps, slopes
from analysis.plots.canvas import (
    HEIGHT_INCHES,
    WIDE_INCHES,
    KnobAxis,
    MetricAxis,
    canvas,
    dress_metric_axis,
    house_style,
    knob_axis,
    legend_columns,
)
from analysis.plots.palette import BLUE, GREY, look
from analysis.question import Question
from analysis.verdicts.evidence import judged
from analysis.verdicts.importance import importance

POINTS_PER_INCH = 72
SEED_OFFSET_POINTS = 3.5  # seeds stand beside their interval, not under it
GROUP_OFFSET_POINTS = 7.0
GROUPS_WIDTH_POINTS = 28.0  # of all groups at one value, side by side
MAX_GROUPS = 12  # more are too many to name, as the arms of a random search
MAX_LETTERS = 38  # of all labels under an axis; longer ones stand beside rows
ROW_INCHES, ROWS_EDGE_INCHES = 0.19, 0.95  # of a row; of what is above and below all rows
MAX_LEGEND_ROWS, LEGEND_ROW_INCHES = 5, 0.17
CUT_MARKS = {False: ("v", "^"), True: ("<", ">")}
COUNT_POINTS = (3.5, 10.0)
MEAN_SIZE, SEED_SIZE, ARROW_SIZE = 3.2, 2.4, 3.4
TIGHT: dict[str, Any] = {
    "columnspacing": 1.0,
    "handletextpad": 0.4,
    "handlelength": 1.4,
    "borderaxespad": 0.2,
}


def draw_all(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> dict[str, Figure]:
    """All plots of a comparison by the stem of their file.

    Three for each scientific knob, a map where two knobs form a grid, quality against cost where a
    cost was asked for, and each seed from the baseline to each arm where there is a baseline.
    """
    drawn = {}
    parts = importance(frame, question)  # of all arms, those that the table leaves out too
    frame = seen(frame, arms, question)
    if (pair := maps.map_knobs(arms, question)) is not None:
        drawn[f"{question.metric}_map"] = maps.map_figure(arms, question, x=pair[0], y=pair[1])
    if question.cost and (arms["n"] > 0).any():
        drawn["pareto"] = maps.pareto_figure(frame, arms, question)
    for knob in question.scientific:
        name = knob.replace(".", "_")
        alone = len(question.scientific) == 1
        drawn[f"{question.metric}_vs_{name}"] = metric_figure(frame, arms, question, knob=knob)
        for clock in curves.CLOCKS:
            suffix = "" if clock == "images" else f"_{clock}"
            stem = f"curves{suffix}" if alone else f"curves{suffix}_by_{name}"
            drawn[stem] = curves.curves_figure(frame, arms, question, knob=knob, clock=clock)
    if (figure := slopes.slopes_figure(frame, arms, question)) is not None:
        drawn["slopes"] = figure
    if parts is not None:
        drawn["importance"] = importance_figure(parts, question)
    return drawn


def captioned(
    frame: pd.DataFrame, arms: pd.DataFrame, question: Question
) -> Iterator[tuple[str, Figure]]:
    """The same figures, each with a line that says what it shows."""
    metric, mean = question.metric, curves.mean_name(question)
    names = {knob.replace(".", "_"): knob_name(knob) for knob in question.scientific}
    for stem, figure in draw_all(frame, arms, question).items():
        if stem == "pareto":
            text = f"{metric} against {question.cost}, with 95 % intervals"
        elif stem == "importance":
            text = f"The part of the variance of {metric} between arms that each knob explains"
        elif stem == "slopes":
            text = f"Each seed from the baseline to each arm, by {metric}"
        elif stem.startswith("curves"):
            clock = "seconds" if stem.startswith("curves_seconds") else "images"
            by = names.get(stem.partition("_by_")[2])
            text = f"{metric} while training, against {clock}{f', by {by}' if by else ''}"
        elif stem.endswith("_map"):
            text = f"{metric} over {' and '.join(map(knob_name, question.scientific))}: {mean}"
        else:
            text = f"{metric} by {names[stem.partition('_vs_')[2]]}: {mean}, 95 % interval, seeds"
        yield text, figure


def seen(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> pd.DataFrame:
    """The trials behind a table: those of its arms at the question's seeds, each row with the
    outcome that the table counts, `collapsed` included."""
    trial = ["arm", "seed"]
    outcomes = judged(frame, question).set_index(trial)["outcome"]
    frame = frame[frame["arm"].isin(arms["arm"])]
    found = frame.drop(columns="outcome").join(outcomes, on=trial, how="inner")
    return found[frame.columns].reset_index(drop=True)


def importance_figure(parts: pd.DataFrame, question: Question) -> Figure:
    """A bar for each knob with its spread over resampled arms and seeds (`importance`)."""
    known = parts.dropna()[::-1]  # the first stands on top
    names = [knob_name(knob) for knob in known["knob"]]
    reach = np.abs(known[["low", "high"]].to_numpy().T - known["importance"].to_numpy())
    with house_style():
        figure, ax = canvas(height=ROWS_EDGE_INCHES + 2 * ROW_INCHES * len(known))
        ax.barh(names, known["importance"], xerr=reach, color=BLUE, height=0.55, capsize=2)
        ax.set_xlim(0, 1)
        ax.set_xlabel(f"part of the variance of {question.metric} between arms")
    return figure


# ---- the metric against a knob


@dataclass(frozen=True)
class _Group:
    """Arms that differ from each other in the knob on the axis (and in nuisance knobs)."""

    label: str
    arms: pd.DataFrame
    color: str
    marker: str
    offset_points: float
    alike: bool
    """Whether nothing but these knobs changes among them."""


@dataclass(frozen=True)
class _Plot:
    """Axes on which the knob runs across and the metric up, or, `flat`, the other way round."""

    ax: Axes
    knob: KnobAxis
    metric: MetricAxis
    flat: bool

    def xy(self, place: Any, value: Any) -> tuple[Any, Any]:
        """Coordinates of a value of the metric at a place of the knob."""
        return (value, place) if self.flat else (place, value)

    def shifted(self, points: float) -> Transform:
        """Data coordinates, moved along the knob."""
        inches = points / POINTS_PER_INCH
        by = (0, -inches) if self.flat else (inches, 0)
        return self.ax.transData + ScaledTranslation(*by, self.ax.figure.dpi_scale_trans)


def metric_figure(
    frame: pd.DataFrame, arms: pd.DataFrame, question: Question, *, knob: str
) -> Figure:
    """Each arm's mean and t interval over the knob, its seeds beside it, trials without a value in
    a strip.

    The mean over the survivors of an arm is hollow, and so are the seeds that only screened. An
    arrow ends an interval that goes beyond the axis. With several scientific knobs, arms that share
    all others have one colour and marker. Values with long names stand in rows.
    """
    axis = knob_axis(arms, question, knob=knob)
    finals = frame[frame["final"]]
    seeds = finals[finals["outcome"] == "finished"]
    ended = list(curves.without_value(finals))
    groups = list(_groups(arms, question, axis))
    flat = axis.kind == "category" and axis.letters > MAX_LETTERS
    rows = len(axis.values) * max(1.0, len(groups) / 2)
    height = ROWS_EDGE_INCHES + ROW_INCHES * rows if flat else HEIGHT_INCHES
    with house_style():
        figure, ax = canvas(height=max(height, HEIGHT_INCHES))
        metric = dress_metric_axis(
            ax,
            seeds[f"metric.{question.metric}"].to_numpy(),
            question,
            reach=arms[["low", "high"]].to_numpy().ravel(),
            edge_marks=bool(ended),
            flat=flat,
        )
        reach = groups[-1].offset_points + 2 * SEED_OFFSET_POINTS
        axis.dress(ax, reach_points=reach, upright=flat)
        plot = _Plot(ax, axis, metric, flat)
        handles = _draw_baseline(plot, arms)
        cut = False
        for group in groups:
            cut |= _draw_group(plot, group, seeds, question)
        for mark, trials in ended:
            handles.append(_draw_ended(plot, mark, trials, finals))
        handles = [*_group_handles(groups, question, cut=cut), *handles]
        _add_legend(figure, handles)
    return figure


def _add_legend(figure: Figure, handles: list[Artist]) -> None:
    """Above the plot, or beside it, in a figure of two columns, where it would be as high as it."""
    columns = legend_columns([str(handle.get_label()) for handle in handles])
    if len(handles) <= MAX_LEGEND_ROWS * columns:
        figure.legend(handles=handles, loc="outside upper center", ncols=columns, **TIGHT)
        return
    height = max(figure.get_figheight(), LEGEND_ROW_INCHES * len(handles))
    figure.set_size_inches(WIDE_INCHES, height)
    figure.legend(handles=handles, loc="outside right center", **TIGHT)


def _groups(arms: pd.DataFrame, question: Question, axis: KnobAxis) -> Iterator[_Group]:
    others = [f"param.{other}" for other in question.scientific if other != axis.knob]
    labels = [
        arm_text({name.removeprefix("param."): arm[name] for name in others})
        for _, arm in arms.iterrows()
    ]
    names = list(dict.fromkeys(labels))
    if len(names) > MAX_GROUPS:
        yield _Group("", arms, BLUE, "o", 0.0, alike=False)
        return
    step = min(GROUP_OFFSET_POINTS, GROUPS_WIDTH_POINTS / len(names))
    for index, name in enumerate(names):
        own = look(index)
        offset = (index - (len(names) - 1) / 2) * step
        picked = arms[[label == name for label in labels]]
        yield _Group(name, picked, own.color, own.marker, offset, alike=True)


def _draw_group(plot: _Plot, group: _Group, seeds: pd.DataFrame, question: Question) -> bool:
    """The group's means, intervals and seeds; returns whether the axis cuts an interval."""
    ax, knob = plot.ax, plot.knob
    shown = group.arms[group.arms["n"] > 0]
    place = np.array([knob.position(value) for value in shown[f"param.{knob.knob}"]])
    at = plot.shifted(group.offset_points)
    means = shown["mean"].to_numpy(float)
    # a line between arms says that nothing but the knob changes along it
    alike = len(set(place)) == len(place) and not question.nuisance and group.alike
    if knob.kind != "category" and alike:
        ax.plot(place, means, color=group.color, alpha=0.35, lw=0.9, transform=at, zorder=2)
    style: dict[str, Any] = {"color": group.color, "transform": at}
    ends = shown[["low", "high"]].to_numpy(float).T
    cuts = plot.metric.cut(*ends)
    inner = np.clip(ends, plot.metric.low, plot.metric.high)
    error = {"xerr" if plot.flat else "yerr": np.nan_to_num(np.abs(inner - means))}
    ax.errorbar(
        *plot.xy(place, means), **error, fmt=group.marker, ms=MEAN_SIZE, elinewidth=0.9, zorder=4,
        **style,
    )  # fmt: skip
    caps = "|" if plot.flat else "_"
    for end, cut, arrow in zip(inner, cuts, CUT_MARKS[plot.flat], strict=True):
        ax.plot(*plot.xy(place[~cut], end[~cut]), caps, ms=3.6, mew=0.9, zorder=4, **style)
        ax.plot(
            *plot.xy(place[cut], end[cut]), arrow, ms=ARROW_SIZE, mew=0, zorder=6, clip_on=False,
            **style,
        )  # fmt: skip
    hollow = shown["marked"].to_numpy(bool)
    ax.plot(
        *plot.xy(place[hollow], means[hollow]), group.marker, ms=MEAN_SIZE, mfc="white", zorder=5,
        **style,
    )  # fmt: skip
    own = seeds[seeds["arm"].isin(group.arms["arm"])]
    screened = own["seed"].isin(question.screen)
    _draw_seeds(plot, own[~screened], question, group, {"mew": 0, "alpha": 0.4})
    _draw_seeds(plot, own[screened], question, group, {"mfc": "none", "mew": 0.4, "alpha": 0.35})
    return bool(np.any(cuts))


def _draw_seeds(
    plot: _Plot, seeds: pd.DataFrame, question: Question, group: _Group, style: dict[str, Any]
) -> None:
    place = [plot.knob.position(value) for value in seeds[f"param.{plot.knob.knob}"]]
    plot.ax.plot(
        *plot.xy(place, seeds[f"metric.{question.metric}"]), "o", ms=SEED_SIZE, color=group.color,
        zorder=3, transform=plot.shifted(group.offset_points + SEED_OFFSET_POINTS), **style,
    )  # fmt: skip


def _group_handles(groups: list[_Group], question: Question, *, cut: bool) -> list[Artist]:
    color = groups[0].color if len(groups) == 1 else GREY
    label = f"{curves.mean_name(question)}, 95 % interval"
    handles: list[Artist] = [
        Line2D([], [], color=color, marker="o", ms=MEAN_SIZE, lw=0.9, label=label),
        Line2D([], [], color=color, marker="o", ms=SEED_SIZE, mew=0, lw=0, alpha=0.5, label="seed"),
    ]
    if question.screen:
        hollow: dict[str, Any] = {"mfc": "none", "mew": 0.4, "lw": 0, "alpha": 0.6}
        handles.append(
            Line2D([], [], color=color, marker="o", ms=SEED_SIZE, label="screening seed", **hollow)
        )
    if cut:
        arrow = Line2D([], [], color=color, marker="^", ms=ARROW_SIZE, mew=0, lw=0, label="beyond")
        handles.append(arrow)
    if len(groups) > 1:
        handles += [
            Line2D([], [], color=g.color, marker=g.marker, ms=MEAN_SIZE, lw=0.9, label=g.label)
            for g in groups
        ]
    return handles


def _draw_baseline(plot: _Plot, arms: pd.DataFrame) -> list[Artist]:
    means = arms[arms["baseline"] & (arms["n"] > 0)]["mean"]
    draw = plot.ax.axvline if plot.flat else plot.ax.axhline
    lines = [draw(mean, color=GREY, lw=0.7, ls=(0, (4, 3)), zorder=1) for mean in means]
    for line in lines[:1]:
        line.set_label("baseline")
    return list(lines[:1])


def _draw_ended(
    plot: _Plot, mark: curves.Mark, trials: pd.DataFrame, finals: pd.DataFrame
) -> Artist:
    """In the strip, a mark at each value that has trials without a value of the metric, with how
    many of how many; returns its place in the legend."""
    ax, column, color = plot.ax, f"param.{plot.knob.knob}", mark.color
    all_runs = Counter(plain(value) for value in finals[column])
    own_runs = Counter(plain(value) for value in trials[column])
    at = ax.get_yaxis_transform() if plot.flat else ax.get_xaxis_transform()
    counted = plot.flat or plot.knob.listed  # else the counts would run into each other
    for index, (value, num) in enumerate(own_runs.items()):
        above = COUNT_POINTS[index % 2]  # so that neighbours have room
        xy = plot.xy(plot.knob.position(value), plot.metric.strip)
        ax.plot(*xy, **mark.style, color=color, transform=at, zorder=5)
        if counted:
            ax.annotate(
                f"{num}/{all_runs[value]}", xy, xycoords=at,
                xytext=(4, 0) if plot.flat else (0, above), textcoords="offset points",
                ha="left" if plot.flat else "center",
                va="center" if plot.flat else "bottom",
                fontsize=6, color=color, annotation_clip=False,
            )  # fmt: skip
    return curves.handle_of(mark, trials, color=color)
