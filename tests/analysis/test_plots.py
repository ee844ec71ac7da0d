"""What a plot shows, read from the figure itself; its bytes; and that it draws in every case."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from lambda_sweep import FINALS, question, report_of, rows, run_rows, sweep_of

from analysis.canvas import FILE_KINDS, canvas, dress_metric_axis, knob_axis, render
from analysis.plots import curves_figure, figures, metric_figure

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
    made = figures(*drawn(data, **changes))
    assert len(made) == 2 * len(changes.get("scientific", [KNOB]))
    for figure in made.values():
        assert render(figure, kind="png").startswith(b"\x89PNG")


def test_names_of_files():
    assert list(figures(*drawn(rows()))) == ["js_vs_loss_lambda", "curves"]
    data, changes = CASES["two knobs"]
    assert "curves_by_a_b" in figures(*drawn(data, **changes))


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_the_same_runs_give_the_same_bytes(kind):
    first, second = (figures(*drawn(data)) for data in (rows(), rows()[::-1]))
    for name in first:
        assert render(first[name], kind=kind) == render(second[name], kind=kind)


def test_a_users_settings_change_nothing_and_are_left_alone():
    plain = render(metric_figure(*drawn(rows()), knob=KNOB), kind="png")
    with mpl.rc_context({"font.size": 20, "axes.grid": True, "savefig.bbox": "tight"}):
        styled = render(metric_figure(*drawn(rows()), knob=KNOB), kind="png")
        assert mpl.rcParams["font.size"] == 20
    assert styled == plain


def test_an_unknown_kind_of_file_is_refused():
    with pytest.raises(ValueError, match="one of png, pdf"):
        render(canvas()[0], kind="gif")
