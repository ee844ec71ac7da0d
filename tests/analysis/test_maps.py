"""The map of two knobs and the trade of quality against cost."""

import numpy as np
import pytest
from lambda_sweep import question, report_of, run_rows

from analysis.plots import canvas, figures, maps
from analysis.question import Question
from analysis.verdicts.pareto import is_member

CROSSES, SELVES = (0.0, 0.5, 1.0), (0.0, 1.0, 2.0)


def plane_report(*, lost=(), drop=()):
    """A 3 x 3 plane with the metric 1 + |s - 2c|; the arms in `lost` diverge."""
    asked = question(
        scientific=["loss.cross", "loss.self"],
        baseline={},
        seeds=[0],
        domains={},
    )
    rows, arm = [], 0
    for c in CROSSES:
        for s in SELVES:
            if (c, s) in drop:
                continue
            gone = {"outcome": "diverged", "cause": "x"} if (c, s) in lost else {}
            params = {"loss.cross": c, "loss.self": s}
            final = None if gone else 1 + abs(s - 2 * c)
            rows += run_rows(arm, 0, params, final=final, **gone)
            arm += 1
    return report_of(rows, asked)


def trade_report(points, **changes):
    """Arms at (quality, cost); the knob is the arm's name."""
    asked = question(
        scientific=["method"],
        baseline={},
        seeds=[0, 1],
        domains={},
        columns=["cost/nfe"],
        cost="cost/nfe",
        **changes,
    )
    rows = []
    for arm, (name, (quality, cost)) in enumerate(points.items()):
        for seed in (0, 1):
            for row in run_rows(arm, seed, {"method": name}, final=quality):
                rows.append({**row, "metric.cost/nfe": float(cost)})
    return report_of(rows, asked)


def test_a_map_has_a_cell_for_every_arm_and_the_sid_line():
    report = plane_report()
    assert maps.map_knobs(report.arms, report.question) == ("loss.cross", "loss.self")
    figure = maps.map_figure(report.arms, report.question, x="loss.cross", y="loss.self")
    ax = figure.axes[0]
    values = ax.collections[0].get_array()
    expected = [[1 + abs(s - 2 * c) for c in CROSSES] for s in SELVES]
    np.testing.assert_allclose(np.asarray(values).reshape(3, 3), expected)
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(y, 2 * np.asarray(x))
    words = {text.get_text() for text in ax.texts}
    assert {"λ=0", "λ=½", "1", "3"} <= words
    assert canvas.render(figure, kind="png").startswith(b"\x89PNG")


def test_a_lost_arm_is_crossed_and_not_coloured():
    report = plane_report(lost=[(0.5, 1.0)])
    figure = maps.map_figure(report.arms, report.question, x="loss.cross", y="loss.self")
    ax = figure.axes[0]
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in crosses] == [(0.5, 1.0)]
    assert np.ma.getmaskarray(ax.collections[0].get_array()).sum() == 1


def test_only_a_full_grid_of_two_numbers_is_a_map():
    report = plane_report(drop=[(0.0, 0.0)])
    assert maps.map_knobs(report.arms, report.question) is None
    drawn = figures.draw_all(report.frame, report.arms, report.question)
    assert not any(name.endswith("_map") for name in drawn)
    assert "js_map" in figures.draw_all(
        plane_report().frame, plane_report().arms, plane_report().question
    )


def test_the_pareto_set_is_what_no_arm_beats_in_both():
    points = {"a": (1.0, 50), "b": (2.0, 1), "c": (3.0, 1), "d": (1.0, 60), "e": (1.5, 20)}
    report = trade_report(points)
    front = set(report.arms.loc[is_member(report.arms["pareto"]), "param.method"])
    assert front == {"a", "b", "e"}
    assert "leads, Pareto 100%" in report.markdown()
    drawn = figures.draw_all(report.frame, report.arms, report.question)["pareto"]
    assert {text.get_text() for text in drawn.axes[0].texts} == {"a", "b", "e"}


def pareto_axes(report):
    return maps.pareto_figure(report.frame, report.arms, report.question).axes[0]


@pytest.mark.parametrize(
    "costs",
    [[10, 11, 12, 13], [13, 12, 11, 10], [1, 8, 60], [10], [5, 5, 5], range(10, 27), [0, 1, 2]],
    ids=str,
)
def test_every_arm_is_seen_at_its_cost(costs):
    report = trade_report({f"arm_{k}": (1.0 + k, cost) for k, cost in enumerate(costs)})
    ax = pareto_axes(report)
    edges, height = ax.get_xlim(), ax.get_ylim()
    assert all(edges[0] < cost < edges[1] for cost in costs)
    assert all(height[0] < mean < height[1] for mean in report.arms["mean"])
    points = sorted(own.lines[0].get_xdata()[0] for own in ax.containers)
    assert points == pytest.approx(sorted(costs), rel=1e-12)


def unsteady_costs(spread):
    """Three arms at costs 10, 11, 12; that of the second differs from seed to seed by a factor."""
    report = trade_report({"a": (3.0, 10), "b": (2.0, 11), "c": (1.0, 12)})
    rows = report.frame.copy()
    middle = rows["param.method"] == "b"
    rows.loc[middle, "metric.cost/nfe"] *= np.where(rows.loc[middle, "seed"] == 0, spread, 1.0)
    return report_of(rows, report.question)


def test_an_interval_of_a_cost_is_seen_whole_where_it_flattens_nothing():
    ax = pareto_axes(unsteady_costs(1.01))
    (segment,) = (path.vertices for path in ax.containers[1].lines[2][0].get_paths())
    low, high = segment[:, 0]
    assert low < 10.5 < 11.5 < high  # a t interval of two seeds is wide
    assert ax.get_xlim()[0] < low < high < ax.get_xlim()[1]
    assert {line.get_marker() for line in ax.lines}.isdisjoint("<>")


def test_an_interval_of_a_cost_beyond_the_axis_ends_in_an_arrow():
    report = unsteady_costs(1.3)
    figure = maps.pareto_figure(report.frame, report.arms, report.question)
    ax = figure.axes[0]
    ends = {
        line.get_marker(): line.get_xdata()[0]
        for line in ax.lines
        if line.get_marker() in ("<", ">")
    }
    assert ends == dict(zip("<>", ax.get_xlim(), strict=True))
    assert "beyond" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_cost_may_be_something_to_raise():
    points = {"a": (1.0, 10), "b": (1.0, 20)}
    report = trade_report(points, cost_goal="maximize")
    assert set(report.arms.loc[is_member(report.arms["pareto"]), "param.method"]) == {"b"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"cost": "x"}, "not among the columns"), ({"cost_goal": "least"}, "it is one of minimize")],
)
def test_a_cost_that_makes_no_sense_is_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        question(**changes)


def test_without_a_cost_nothing_is_pareto():
    assert plane_report().arms["pareto"].isna().all()
    assert Question.from_outline({**vars_of(question())}).cost == ""


def vars_of(asked):
    return {name: getattr(asked, name) for name in asked.__dataclass_fields__}
