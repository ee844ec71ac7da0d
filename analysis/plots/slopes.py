"""Each seed from the baseline to an arm, which is what a paired comparison rests on."""

import math
import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.notation import arm_text, estimate, same_value, value_text
from analysis.plots.canvas import WIDE_INCHES, WIDTH_INCHES, dress_metric_axis, house_style
from analysis.plots.curves import mean_name
from analysis.plots.palette import BLUE, GREY, VERMILION
from analysis.question import Question

COLUMNS, MAX_PANELS = 5, 40
PANEL_INCHES, EDGE_INCHES = 1.25, 0.75  # height of a row of panels, and of what is above and below
LETTERS_PER_INCH = 16  # of the legend's title
TITLE_LETTERS, TITLE_LINES = 22, 5


def slopes_figure(frame: pd.DataFrame, arms: pd.DataFrame, question: Question) -> Figure | None:
    """A panel per arm: each seed that it shares with the baseline is a line, the mean a thick one.

    None without a baseline, or where no arm shares a seed with it. Of more arms than fit, those
    with the best means.
    """
    base = arms[arms["baseline"]]
    others = arms[~arms["baseline"] & (arms["effect_n"] > 0)]
    if len(base) != 1 or others.empty:
        return None
    if len(others) > MAX_PANELS:
        leading = others.sort_values("mean", ascending=question.goal == "minimize", kind="stable")
        others = others.loc[sorted(leading.index[:MAX_PANELS])]
    values = _reported(frame, question)
    columns = min(len(others), COLUMNS)
    num_rows = math.ceil(len(others) / columns)
    width = WIDTH_INCHES if columns <= 3 else WIDE_INCHES
    with house_style():
        figure = Figure(figsize=(width, EDGE_INCHES + PANEL_INCHES * num_rows))
        panels = figure.subplots(num_rows, columns, squeeze=False).ravel()
        figure.supylabel(question.metric, fontsize=8)
        for ax, (_, arm) in zip(panels, others.iterrows(), strict=False):
            ends = values.loc[base["arm"].iloc[0]], values.loc[arm["arm"]]
            _draw_panel(ax, *ends, question, title=_title(arm, base.iloc[0], question))
        for ax in panels[len(others) :]:
            ax.set_visible(False)
        _legend(figure, base.iloc[0], question)
    return figure


def _reported(frame: pd.DataFrame, question: Question) -> pd.DataFrame:
    """The metric of finished trials by arm and seed, of the seeds that the table reports."""
    finished = frame[frame["final"] & (frame["outcome"] == "finished")]
    finished = finished[finished["seed"].isin(question.seeds)]
    return finished.pivot(index="arm", columns="seed", values=f"metric.{question.metric}")


def _draw_panel(
    ax: Axes, base: pd.Series, own: pd.Series, question: Question, *, title: str
) -> None:
    both = base.notna() & own.notna()
    ends = np.array([base[both], own[both]], dtype=float)
    improves = (ends[1] < ends[0]) if question.goal == "minimize" else (ends[1] > ends[0])
    for seed in range(ends.shape[1]):
        color, dash = (BLUE, "-") if improves[seed] else (VERMILION, (0, (4, 1.5)))
        ax.plot([0, 1], ends[:, seed], color=color, ls=dash, lw=0.6, alpha=0.7, zorder=2)
    means = np.exp(np.log(ends).mean(1)) if question.scale == "ratio" else ends.mean(1)
    ax.plot([0, 1], means, color="black", lw=1.5, marker="o", ms=2.5, zorder=3)
    dress_metric_axis(ax, ends.ravel(), question)
    ax.set_ylabel("")
    ax.tick_params(labelsize=6)
    ax.set_xlim(-0.2, 1.2)
    ax.set_xticks([0, 1], ["base", "arm"])
    ax.set_title(title, fontsize=6, linespacing=1.2)


def _title(arm: pd.Series, base: pd.Series, question: Question) -> str:
    """In what an arm differs from the baseline (the value alone where its knob is the only one and
    both are long), its effect and verdict."""
    values = {knob: arm[f"param.{knob}"] for knob in question.knobs}
    other = {k: v for k, v in values.items() if not same_value(v, base[f"param.{k}"])}
    text = arm_text(other)
    if len(values) == 1 and len(text) > TITLE_LETTERS:
        text = value_text(next(iter(values.values())))
    name = textwrap.fill(text, TITLE_LETTERS, max_lines=TITLE_LINES, placeholder="…")
    effect = estimate(arm["effect"], arm["effect_low"], arm["effect_high"])
    return f"{name}\n{effect}\n{arm['verdict']}"


def _legend(figure: Figure, base: pd.Series, question: Question) -> None:
    mean = mean_name(question)
    handles = [
        Line2D([], [], color=BLUE, lw=0.8, label="seed: better"),
        Line2D([], [], color=VERMILION, lw=0.8, ls=(0, (4, 1.5)), label="worse"),
        Line2D([], [], color="black", lw=1.5, marker="o", ms=2.5, label=mean),
    ]
    name = arm_text({knob: base[f"param.{knob}"] for knob in question.baseline})
    title = (
        f"baseline: {name}; titles: {question.scale} to it, verdict; each panel has its own scale"
    )
    lines = textwrap.fill(title, int(LETTERS_PER_INCH * figure.get_figwidth()))
    figure.legend(
        handles=handles, title=lines, loc="outside upper center", ncols=3, columnspacing=1.0,
        labelcolor=GREY,
    )  # fmt: skip
