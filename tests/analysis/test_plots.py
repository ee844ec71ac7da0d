"""What a plot shows, read from the figure itself; its bytes; and that it draws in every case."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from lambda_sweep import FINALS, question, report_of, rows, run_rows, sweep_of
from matplotlib.font_manager import fontManager
from matplotlib.text import Text

from analysis.notation import value_text
from analysis.plots.canvas import (
    FILE_KINDS,
    canvas,
    dress_metric_axis,
    font_families,
    knob_axis,
    legend_columns,
    render,
    set_log_ticks,
)
from analysis.plots.curves import curves_figure, mean_curve
from analysis.plots.figures import draw_all, importance_figure, metric_figure
from analysis.plots.slopes import slopes_figure

KNOB = "loss.lambda"


def drawn(data, **changes):
    report = report_of(data, question(**changes))
    return report.frame, report.arms, report.question


def lines_of(figure):
    return [line for line in figure.axes[0].lines if len(line.get_xdata())]


def test_the_mean_of_each_arm_stands_over_its_knob():
    figure = metric_figure(*drawn(rows()), knob=KNOB)
    means = next(line for line in lines_of(figure) if line.get_color() == "#0072B2")
    assert list(means.get_xdata()) == [0.0, 0.5, 1.0, 1.5]
    assert list(means.get_ydata()) == pytest.approx([27.98809, 1.597914, 1.397615, 2.0], rel=1e-6)


def test_the_whiskers_are_the_intervals():
    data = drawn(rows())
    (container,) = metric_figure(*data, knob=KNOB).axes[0].containers
    segments = np.array([path.vertices for path in container[2][0].get_paths()])
    arms = data[1][data[1]["n"] > 1]
    assert segments[:3, :, 1].tolist() == pytest.approx(arms[["low", "high"]].to_numpy())


def test_an_interval_beyond_the_axis_ends_in_an_arrow():
    wild = sweep_of({0.5: (1.0, 1.1, 1.2), 1.0: (1.0, 4.0, 1.1)})
    data = drawn(wild)
    figure = metric_figure(*data, knob=KNOB)
    low, high = figure.axes[0].get_ylim()
    beyond = data[1].set_index(f"param.{KNOB}")
    assert beyond.loc[1.0, "high"] > high  # what this test is about
    (arrow,) = [line for line in lines_of(figure) if line.get_marker() == "^"]
    assert list(arrow.get_xdata()) == [1.0]
    assert arrow.get_ydata()[0] == pytest.approx(high)
    caps = [line for line in lines_of(figure) if line.get_marker() == "_"]
    assert all(low < end < high for line in caps for end in line.get_ydata())
    assert "beyond" in [text.get_text() for text in figure.legends[0].get_texts()]
    calm = metric_figure(*drawn(rows()), knob=KNOB)
    assert "beyond" not in [text.get_text() for text in calm.legends[0].get_texts()]


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_a_line_keeps_lost_trials_apart_from_all_values(goal):
    data = drawn(rows(), goal=goal)
    ax = metric_figure(*data, knob=KNOB).axes[0]
    (limit,) = [line.get_ydata()[0] for line in ax.lines if line.get_label() == "limit"]
    values = data[0].loc[data[0]["final"], "metric.js"].dropna()
    (cross,) = [line for line in ax.lines if line.get_marker() == "x"]
    worse = 1 if goal == "minimize" else -1
    at = ax.transAxes.transform((0, cross.get_ydata()[0]))[1]
    assert all(worse * (limit - value) > 0 for value in values)
    assert worse * (at - ax.transData.transform((0, limit))[1]) > 0
    assert all(worse * (limit - tick) >= 0 for tick in ax.get_yticks())


@pytest.mark.parametrize(("scale", "name"), [("ratio", "geometric mean"), ("difference", "mean")])
def test_the_legend_says_which_mean(scale, name):
    texts = [
        text.get_text()
        for figure in draw_all(*drawn(rows(), scale=scale)).values()
        for text in figure.legends[0].get_texts()
    ]
    assert f"{name}, 95 % interval" in texts
    assert name in texts
    assert ("geometric mean" in " ".join(texts)) == (scale == "ratio")


def test_values_with_long_names_stand_in_rows_from_the_top():
    names = [f"a_long_name_{k}" for k in range(17)]
    data, changes = case([{"method": name} for name in names])
    changes["domains"] = {"method": {"kind": "choice", "values": names}}
    figure = metric_figure(*drawn(data, **changes), knob="method")
    ax = figure.axes[0]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == names
    top, bottom = (ax.transData.transform((1, place))[1] for place in (0, 16))
    assert top > bottom
    assert figure.get_size_inches()[1] > 17 * 0.15
    assert ax.get_xlabel().startswith("js")


def test_seventeen_curves_have_seventeen_looks():
    names = [f"method_{k}" for k in range(17)]
    data, changes = case([{"method": name} for name in names])
    figure = curves_figure(*drawn(data, **changes), knob="method")
    looks = {(line.get_color(), line.get_marker()) for line in figure.axes[0].lines}
    assert len(looks) == 17
    assert len(figure.legends[0].get_texts()) == 17


def test_ticks_stand_at_the_arms_and_labels_do_not_touch():
    values = [0.0, 0.25, 0.5, 0.75, 1.0, 1.02, 1.5]
    data, changes = case([{KNOB: value} for value in values])
    changes["domains"] = {KNOB: {"kind": "choice", "values": values}}
    figure = metric_figure(*drawn(data, **changes), knob=KNOB)
    figure.canvas.draw()
    ax = figure.axes[0]
    assert list(ax.get_xticks()) == values
    texts = [text.get_text() for text in ax.get_xticklabels()]
    assert texts == ["" if value == 1.02 else value_text(value) for value in values]


@pytest.mark.parametrize(("low", "high"), [(1.1, 1.9), (0.9, 40), (1e-3, 1e5), (3, 8)])
def test_a_logarithmic_axis_has_three_to_eight_ticks(low, high):
    _, ax = canvas()
    ax.set_yscale("log")
    set_log_ticks(ax.yaxis, low, high)
    ticks = ax.get_yticks()
    assert 3 <= len(ticks) <= 8
    assert all(low <= tick <= high for tick in ticks)


def test_seeds_that_only_screened_are_hollow():
    figure = metric_figure(*drawn(rows(), seeds=[1, 2], screen=[0], keep=4), knob=KNOB)
    hollow = [line for line in lines_of(figure) if line.get_markerfacecolor() == "none"]
    assert sum(len(line.get_xdata()) for line in hollow) == 4
    assert "screening seed" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_curve_is_the_mean_of_the_table_with_its_interval():
    frame, arms, asked = drawn(rows())
    curve = mean_curve(frame[frame["arm"] == 1], asked, clock="seconds")
    assert list(curve["clock"]) == [4.5, 10.0]
    assert curve.iloc[-1][["mean", "low", "high"]].tolist() == pytest.approx(
        arms[arms["arm"] == 1].iloc[0][["mean", "low", "high"]].tolist()
    )


def test_each_seed_is_a_slope_from_the_baseline_to_its_arm():
    figure = slopes_figure(*drawn(rows()))
    titles = [ax.get_title().splitlines() for ax in figure.axes]
    assert [title[0] for title in titles] == ["λ = 0", "λ = 1", "λ = 1.5"]
    assert titles[1][1:] == ["0.875 [0.855, 0.894]", "better"]
    better = [list(line.get_ydata()) for line in figure.axes[1].lines]
    assert better[:3] == [[1.5, 1.3], [1.6, 1.4], [1.7, 1.5]]
    assert better[3] == pytest.approx([1.597914, 1.397615], rel=1e-6)
    assert slopes_figure(*drawn(rows(), baseline={})) is None


def test_every_finished_seed_is_a_dot():
    figure = metric_figure(*drawn(rows()), knob=KNOB)
    dots = max(lines_of(figure), key=lambda line: len(line.get_xdata()))
    expected = sorted(v for finals in FINALS.values() for v in finals if v is not None)
    assert sorted(dots.get_ydata()) == expected


def test_lost_runs_are_crosses_with_their_count():
    figure = metric_figure(*drawn(rows()), knob=KNOB)
    crosses = [line for line in lines_of(figure) if line.get_marker() == "x"]
    assert [list(cross.get_xdata()) for cross in crosses] == [[1.5]]
    assert [text.get_text() for text in figure.axes[0].texts] == ["2/3"]
    assert "diverged" in [text.get_text() for text in figure.legends[0].get_texts()]


def given_up():
    """The sweep with one more arm, which was given up at two of its seeds."""
    own = [
        run_rows(9, s, {KNOB: 2.0}, final=77.0, outcome="pruned", images=200_000) for s in (0, 1)
    ]
    return [*rows(), *own[0], *own[1]]


def test_an_arm_that_was_given_up_is_a_diamond_with_its_count_and_its_partial_value_is_none():
    figure = metric_figure(*drawn(given_up()), knob=KNOB)
    (diamond,) = [line for line in lines_of(figure) if line.get_marker() == "D"]
    assert list(diamond.get_xdata()) == [2.0]
    assert [text.get_text() for text in figure.axes[0].texts] == ["2/2", "2/3"]
    assert "pruned" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert not any(77.0 in line.get_ydata() for line in lines_of(figure))
    others = metric_figure(*drawn(rows()), knob=KNOB).legends[0].get_texts()
    assert "pruned" not in [text.get_text() for text in others]


def test_its_curves_end_below_a_diamond_where_it_was_given_up():
    figure = curves_figure(*drawn(given_up()), knob=KNOB)
    diamonds = [line for line in lines_of(figure) if line.get_marker() == "D"]
    assert [list(own.get_xdata()) for own in diamonds] == [[200_000], [200_000]]
    curves = [line for line in lines_of(figure) if line.get_color() == diamonds[0].get_color()]
    assert [list(own.get_xdata()) for own in curves if own.get_marker() == "None"] == [
        [100_000, 200_000]
    ] * 2


def test_the_mean_over_survivors_is_hollow():
    figure = metric_figure(*drawn(rows()), knob=KNOB)
    (hollow,) = [line for line in lines_of(figure) if line.get_markerfacecolor() == "white"]
    assert list(hollow.get_xdata()) == [1.5]


@pytest.mark.parametrize(("goal", "above"), [("minimize", True), ("maximize", False)])
def test_lost_runs_stand_at_the_bad_end(goal, above):
    figure = metric_figure(*drawn(rows(), goal=goal), knob=KNOB)
    (cross,) = [line for line in lines_of(figure) if line.get_marker() == "x"]
    assert (cross.get_ydata()[0] > 0.5) == above


def test_the_baseline_is_a_line_at_its_mean():
    figure = metric_figure(*drawn(rows()), knob=KNOB)
    (line,) = [line for line in lines_of(figure) if line.get_label() == "baseline"]
    assert list(line.get_ydata()) == pytest.approx([1.597914] * 2, rel=1e-6)


def test_every_run_is_a_curve_and_every_arm_a_mean():
    figure = curves_figure(*drawn(rows()), knob=KNOB)
    curves = [line for line in lines_of(figure) if line.get_marker() == "None"]
    curves = [line for line in curves if line.get_label() != "limit"]
    assert len(curves) == 12 + 4
    crosses = [line for line in lines_of(figure) if line.get_marker() == "x"]
    assert [list(cross.get_xdata()) for cross in crosses] == [[400_000], [400_000]]


@pytest.mark.parametrize(
    ("values", "kind", "axis"),
    [
        ([0.0, 0.5, 1.0], "choice", "linear"),
        ([1, 10, 100], "choice", "log"),
        ([64, 128, 256], "choice", "linear"),
        ([0.0, 1e-4, 1e-2], "choice", "category"),
        (["edm", "power"], "choice", "category"),
        ([True, False], "choice", "category"),
        ([0.1, 0.2], "log_uniform", "log"),
        ([0.1, 0.2], "uniform", "linear"),
        ([0.0, 1e-3, 1.0], "uniform", "linear"),
        ([None, 0.5, 1.0], "choice", "category"),
    ],
)
def test_the_axis_fits_the_knob(values, kind, axis):
    params = pd.Series(values, dtype=object if None in values else None)
    space = {"kind": kind, "values": values, "low": 0.0, "high": 1.0}
    asked = question(domains={KNOB: space})
    found = knob_axis(pd.DataFrame({f"param.{KNOB}": params}), asked, knob=KNOB)
    assert found.kind == axis
    positions = [found.position(value) for value in found.values]
    assert positions == sorted(positions)


@pytest.mark.parametrize(("values", "scale"), [((1.0, 28.0), "log"), ((1.4, 2.0), "linear")])
def test_a_wide_metric_is_logarithmic(values, scale):
    _, ax = canvas()
    dress_metric_axis(ax, np.array(values), question())
    assert ax.get_yscale() == scale
    low, high = ax.get_ylim()
    assert low < min(values) < max(values) < high


def test_a_huge_interval_does_not_flatten_the_rest():
    _, ax = canvas()
    dress_metric_axis(ax, np.array([1.0, 2.0]), question(), reach=np.array([-100.0, 100.0]))
    low, high = ax.get_ylim()
    assert high - low < 4


def case(settings, **changes):
    knobs = list(settings[0])
    asked = {"scientific": knobs, "baseline": {}, "domains": {}} | changes
    data = [
        row
        for arm, params in enumerate(settings)
        for seed in range(2)
        for row in run_rows(arm, seed, params, final=1.0 + 0.1 * arm + 0.01 * seed)
    ]
    return data, asked


CASES = {
    "words": case([{"weight.kind": kind} for kind in ("edm", "power", "a longer word")]),
    "many numbers": case(
        [{"optim.lr": 1e-5 * 1.7**k} for k in range(14)],
        domains={"optim.lr": {"kind": "log_uniform", "low": 1e-5, "high": 0.1}},
    ),
    "two knobs": case([{"a.b": x, "c.d": y} for x in (0.0, 1.0) for y in ("p", "q")]),
    "two knobs, many": case([{"a.b": float(x), "c.d": y} for x in range(9) for y in range(2)]),
    "nuisance": case(
        [{"a.b": 1.0, "c.d": 2.0}, {"a.b": 1.0, "c.d": 3.0}], scientific=["a.b"], nuisance=["c.d"]
    ),
    "one arm": case([{"a.b": 1.0}]),
    "all lost": (sweep_of({0.5: (None, None), 1.0: (None, None)}), {}),
    "equal": (sweep_of({0.5: (1.0, 1.0), 1.0: (1.0, 1.0)}), {}),
    "negative": (sweep_of({0.5: (-1.0, -1.5), 1.0: (-30.0, 1.0)}), {"scale": "difference"}),
    "maximize": (sweep_of({0.5: (1.0, 2.0), 1.0: (None, 1.0)}), {"goal": "maximize"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_it_draws(name):
    data, changes = CASES[name]
    made = draw_all(*drawn(data, **changes))
    assert len([stem for stem in made if stem != "slopes"]) == 3 * len(
        changes.get("scientific", [KNOB])
    )
    for figure in made.values():
        assert render(figure, kind="png").startswith(b"\x89PNG")


def test_names_of_files():
    assert list(draw_all(*drawn(rows()))) == [
        "js_vs_loss_lambda",
        "curves",
        "curves_seconds",
        "slopes",
    ]
    data, changes = CASES["two knobs"]
    assert "curves_by_a_b" in draw_all(*drawn(data, **changes))


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_the_same_runs_give_the_same_bytes(kind):
    first, second = (draw_all(*drawn(data)) for data in (rows(), rows()[::-1]))
    for name in first:
        assert render(first[name], kind=kind) == render(second[name], kind=kind)


def test_a_users_settings_change_nothing_and_are_left_alone():
    plain = render(metric_figure(*drawn(rows()), knob=KNOB), kind="png")
    with mpl.rc_context({"font.size": 20, "axes.grid": True, "savefig.bbox": "tight"}):
        styled = render(metric_figure(*drawn(rows()), knob=KNOB), kind="png")
        assert mpl.rcParams["font.size"] == 20
    assert styled == plain


def texts_of(figure):
    return {text.get_text(): text for text in figure.findobj(Text) if text.get_text()}


def test_a_dollar_in_a_name_is_a_dollar_in_every_plot():
    names = ["$\\frac$", "a_b$c$", "plain"]
    data, changes = case([{"method": name} for name in names], baseline={"method": "plain"})
    data = [{**row, "metric.cost": 1.0 + row["arm"]} for row in data]
    figures = draw_all(*drawn(data, **changes, columns=["cost"], cost="cost"))
    assert len(figures) == 5
    for figure in figures.values():
        assert render(figure, kind="png").startswith(b"\x89PNG")  # the first is no mathematics
        dollars = [text for name, text in texts_of(figure).items() if "$" in name]
        assert dollars or figure is figures["pareto"]
        assert not any(text.get_parse_math() for text in dollars)


def test_a_colour_bar_of_many_decades_has_plain_numbers():
    values = [1e-5 * 1.5**k for k in range(30)]
    domain = {"kind": "log_uniform", "low": 1e-5, "high": 2.0}
    data, changes = case([{KNOB: value} for value in values], domains={KNOB: domain})
    figure = curves_figure(*drawn(data, **changes), knob=KNOB)
    figure.canvas.draw()
    (bar,) = figure.axes[1:]
    ticks = [tick.get_text() for tick in bar.get_yticklabels()]
    assert ticks == ["1e-05", "0.0001", "0.001", "0.01", "0.1", "1"]


def test_letters_that_the_font_lacks_come_from_a_font_that_is_there():
    assert font_families(set()) == ["sans-serif"]
    assert font_families({"IPAGothic", "Comic Sans MS"}) == ["sans-serif", "IPAGothic"]
    here = {font.name for font in fontManager.ttflist}
    if len(own := font_families(here)) > 1:
        data, changes = case([{"method": name} for name in ("日本", "x₀")])
        figure = metric_figure(*drawn(data, **changes), knob="method")
        assert texts_of(figure)["日本"].get_fontfamily() == own
        for kind in FILE_KINDS:  # a letter that no font has is a warning
            render(figure, kind=kind)


def test_an_unknown_kind_of_file_is_refused():
    with pytest.raises(ValueError, match="one of png, pdf"):
        render(canvas()[0], kind="gif")


def test_a_legend_has_as_many_columns_as_fit():
    assert legend_columns(["mean", "seed", "baseline"]) == 3
    assert legend_columns(["geometric mean, 95 % interval", "noise.kind = fixed", "baseline"]) == 2
    assert legend_columns(["x" * 70, "seed"]) == 1
    uneven = ["geometric mean, 95 % interval", "seed", "baseline", "pruned", "diverged"]
    assert legend_columns(uneven) == 3  # four would be filled as 2, 1, 1, 1, which is too wide


def test_importance_is_a_bar_for_each_knob_that_has_one():
    parts = pd.DataFrame(
        {"knob": ["loss.lambda", "batch.latents", "fake_score.steps"],
         "importance": [0.6, 0.2, np.nan], "low": [0.5, 0.1, np.nan], "high": [0.7, 0.3, np.nan]}
    )  # fmt: skip
    (ax,) = importance_figure(parts, question()).axes
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["batch.latents", "λ"]
    assert [bar.get_width() for bar in ax.patches] == [0.2, 0.6]
