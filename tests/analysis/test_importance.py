"""Importance of knobs: right where it is known, silent where the data cannot bear it."""

import math

import numpy as np
import pandas as pd
import pytest
from lambda_sweep import question, run_rows
from scipy import stats

from analysis.frame import tidy
from analysis.plots.figures import draw_all
from analysis.verdicts.arms import arms
from analysis.verdicts.importance import _two_way, importance, obstacle

KNOBS = ("a", "b")
RANGE = {"kind": "uniform", "low": 0.0, "high": 1.0}


def search(of, *, num_arms=30, num_seeds=2, noise=0.1, knobs=KNOBS, seed=0, drop=(), **changes):
    """Frame and question of a random search whose metric is `of` a setting, plus a seed's scatter
    that all arms share and one that they do not."""
    asked = question(
        **{"scientific": list(knobs), "baseline": {}, "columns": [], "scale": "difference"}
        | {"seeds": list(range(num_seeds)), "domains": dict.fromkeys(knobs, RANGE)}
        | changes
    )
    rng = np.random.default_rng(seed)
    shared, rows = rng.standard_normal(num_seeds), []
    for arm in range(num_arms):
        params = {knob: float(rng.random()) for knob in knobs}
        for own in range(num_seeds):
            value = of(params) + shared[own] + noise * float(rng.standard_normal())
            if (arm, own) not in drop:
                rows += run_rows(arm, own, params, final=value)
    return tidy(rows, asked), asked


def parts(found):
    return found.set_index("knob")["importance"]


def test_main_effects_are_parts_of_the_variance():
    """y = 2a + b, of uniform a and b: variances 4 and 1 to one."""
    data, asked = search(lambda p: 2 * p["a"] + p["b"], num_arms=120, noise=0.02)
    found = importance(data, asked)
    assert list(found["knob"]) == ["a", "b"]
    assert parts(found)["a"] == pytest.approx(0.8, abs=0.12)
    assert parts(found)["b"] == pytest.approx(0.2, abs=0.1)
    assert (found["low"] <= found["importance"]).all()
    assert (found["importance"] <= found["high"]).all()
    assert found["importance"].sum() <= 1 + 1e-9


def test_the_knob_that_matters_comes_first_and_its_spread_says_so():
    data, asked = search(lambda p: math.exp(p["b"]))
    found = importance(data, asked)
    assert list(found["knob"]) == ["b", "a"]
    assert found["low"][0] > found["high"][1]


def test_what_two_knobs_do_together_is_neithers():
    data, asked = search(lambda p: 4 * (p["a"] - 0.5) * (p["b"] - 0.5), num_arms=120, noise=0.01)
    assert importance(data, asked)["importance"].sum() < 0.5


def test_words_and_numbers_stand_side_by_side():
    data, asked = search(lambda p: 3 * (p["b"] > 0.5) + p["a"])
    data["param.b"] = np.where(data["param.b"] > 0.5, "edm", "vp")
    found = importance(data, asked)
    assert parts(found)["b"] > 0.7


def test_a_knob_that_some_arms_lack_has_no_importance_but_a_row():
    data, asked = search(lambda p: 2 * p["a"] + p["b"], knobs=("a", "b", "c"))
    data.loc[data["arm"] == 0, "param.c"] = np.nan
    found = importance(data, asked)
    assert list(found["knob"]) == ["a", "b", "c"]
    assert found.iloc[2][["importance", "low", "high"]].isna().all()


def test_an_arm_may_lack_a_seed():
    data, asked = search(lambda p: 2 * p["a"] + p["b"], num_seeds=3, drop=[(0, 2), (5, 1), (7, 0)])
    assert list(importance(data, asked)["knob"]) == ["a", "b"]


def test_what_a_seed_adds_to_all_arms_changes_nothing():
    data, asked = search(lambda p: 2 * p["a"] + p["b"], num_arms=20, drop=[(0, 1), (5, 0)])
    shifted = data.assign(**{"metric.js": data["metric.js"] + 16 * data["seed"]})
    first, second = (importance(own, asked) for own in (data, shifted))
    pd.testing.assert_frame_equal(first, second, atol=0.05, rtol=0)  # trees break ties by rounding


def test_screening_seeds_are_those_that_all_arms_ran():
    data, asked = search(
        lambda p: p["a"], num_arms=20, num_seeds=3, seeds=[2], screen=[0, 1], keep=1
    )
    before = importance(data, asked)
    confirmed = data[(data["seed"] != 2) | (data["arm"] == 3)]
    pd.testing.assert_frame_equal(importance(confirmed, asked), before)


def test_the_same_trials_give_the_same_figures_in_whatever_order_they_come():
    data, asked = search(lambda p: 2 * p["a"] + p["b"], num_arms=20)
    again = tidy(data.sample(frac=1, random_state=1), asked)
    pd.testing.assert_frame_equal(importance(data, asked), importance(again, asked))


# ---- what the data cannot bear


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"num_arms": 19}, "19 arms finished, and 2 knobs take 20"),
        ({"num_seeds": 1}, "one seed of an arm does not say how far seeds scatter"),
        ({"noise": 30.0}, "of the variance between the arms' means is their seeds' scatter"),
    ],
)
def test_an_obstacle_is_named_and_nothing_is_computed(changes, sentence):
    data, asked = search(lambda p: p["a"], **changes)
    assert sentence in obstacle(data, asked)
    assert importance(data, asked) is None


def test_one_knob_has_nothing_to_be_told_from():
    data, asked = search(lambda p: p["a"], knobs=("a",))
    assert obstacle(data, asked) == ""
    assert importance(data, asked) is None


def test_a_knob_of_one_value_is_none():
    data, asked = search(lambda p: p["a"])
    data["param.b"] = 1.0
    assert importance(data, asked) is None


@pytest.mark.slow
def test_of_equal_arms_importance_is_told_in_one_sweep_of_twenty_at_most():
    told = [
        obstacle(*search(lambda p: 0.0, num_arms=20, num_seeds=3, seed=seed)) == ""
        for seed in range(60)
    ]
    assert np.mean(told) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 60)


def test_the_fit_is_that_of_two_way_analysis_of_variance():
    """Written out for a balanced table; and by all dummies at once where some are missing."""
    y = pd.DataFrame(np.random.default_rng(3).standard_normal((6, 4)))
    fit = _two_way(y)
    row, column, mean = y.mean(axis=1), y.mean(axis=0), y.to_numpy().mean()
    noise = ((y.sub(row, axis=0).sub(column, axis=1) + mean) ** 2).to_numpy().sum() / 15
    f = 4 * ((row - mean) ** 2).sum() / 5 / noise
    assert fit.freedom == 15
    assert fit.reliability == pytest.approx(1 - 1 / f, rel=1e-10)
    assert fit.p == pytest.approx(stats.f.sf(f, 5, 15), rel=1e-10)
    y.iloc[0, 1] = y.iloc[3, 2] = np.nan
    fit, there = _two_way(y), y.notna().to_numpy()
    arm, seed = np.nonzero(there)
    seeds = np.eye(4)[seed]
    residuals = []
    for design in (seeds, np.hstack([seeds, np.eye(6)[arm]])):
        target = y.to_numpy()[there]
        solved = np.linalg.lstsq(design, target, rcond=None)[0]
        residuals.append(((target - design @ solved) ** 2).sum())
    f = (residuals[0] - residuals[1]) / 5 / (residuals[1] / 13)
    assert fit.freedom == 13
    assert fit.p == pytest.approx(stats.f.sf(f, 5, 13), rel=1e-9)


def test_its_figure_counts_the_arms_that_the_table_leaves_out():
    """Of a nuisance knob the table shows the best setting alone."""
    data, asked = search(lambda p: p["a"] + 2 * p["b"], scientific=["a"], nuisance=["b"])
    data["param.a"] = data["param.a"].round()
    shown = arms(data, asked)
    assert len(shown) == 2
    assert "importance" in draw_all(data, shown, asked)
