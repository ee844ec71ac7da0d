"""Intervals against the textbook and SciPy, laws, and who enters a mean."""

import math

import numpy as np
import pandas as pd
import pytest
from lambda_sweep import frame, question, rows, run_rows, sweep_of
from scipy import stats

from analysis.frame import tidy
from analysis.statistics import arms, student_interval

VALUES = [1.31, 1.57, 1.22, 1.49, 1.40]


def arms_of(finals, **changes):
    return arms(tidy(sweep_of(finals), question(**changes)), question(**changes))


def test_an_interval_by_hand():
    # mean 2, s = 1, n = 3; with 2 degrees of freedom the quantile is c √(2 / (1 - c²)), c = .95
    half = 0.95 * math.sqrt(2 / (1 - 0.95**2)) / math.sqrt(3)
    interval = student_interval([1.0, 2.0, 3.0])
    assert (interval.mean, interval.num) == (2.0, 3)
    assert interval.high - 2 == pytest.approx(half, abs=1e-12)
    assert 2 - interval.low == pytest.approx(half, abs=1e-12)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
def test_it_agrees_with_scipy(confidence):
    interval = student_interval(VALUES, confidence=confidence)
    other = stats.ttest_1samp(VALUES, 0).confidence_interval(confidence)
    assert interval.low == pytest.approx(other.low, abs=1e-12)
    assert interval.high == pytest.approx(other.high, abs=1e-12)


def test_it_moves_and_stretches_with_its_values():
    a, b = -3.0, 17.0
    before, after = student_interval(VALUES), student_interval(np.asarray(VALUES) * a + b)
    assert after.mean == pytest.approx(a * before.mean + b, abs=1e-12)
    assert after.low == pytest.approx(a * before.high + b, abs=1e-12)
    assert after.high == pytest.approx(a * before.low + b, abs=1e-12)


def test_it_covers_as_often_as_it_says():
    draws = np.random.default_rng(0).standard_normal((4000, 3))
    intervals = [student_interval(row) for row in draws]
    covered = np.mean([i.low <= 0 <= i.high for i in intervals])
    deviation = math.sqrt(0.95 * 0.05 / 4000)
    assert abs(covered - 0.95) < 4 * deviation
    # the companion: with z in place of t the test must fail (z covers 81 % at n = 3)
    scale = stats.norm.ppf(0.975) / stats.t.ppf(0.975, 2)
    narrow = np.mean([abs(i.mean) <= scale * (i.high - i.low) / 2 for i in intervals])
    assert abs(narrow - 0.95) > 4 * deviation


def test_one_seed_has_no_interval_and_none_has_no_mean():
    one, none = student_interval([1.5]), student_interval([])
    assert (one.mean, one.num) == (1.5, 1)
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    assert math.isnan(none.mean)
    assert none.num == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        student_interval([1.0, bad])


def test_a_row_per_arm():
    table = arms(frame(), question())
    assert table["param.loss.lambda"].tolist() == [0.0, 0.5, 1.0, 1.5]
    assert table["mean"].tolist() == pytest.approx([28.0, 1.6, 1.4, 2.0], abs=1e-12)
    assert table["n"].tolist() == [3, 3, 3, 1]
    assert table["sd"].tolist()[:3] == pytest.approx([1.0, 0.1, 0.1], abs=1e-12)
    assert table["images"].tolist() == [400_000] * 4
    assert table["seconds"].tolist() == [9.0, 10.0, 11.0, 12.0]
    assert table["metric.modes"].tolist() == [8.0] * 4
    assert table["baseline"].tolist() == [False, True, False, False]
    assert table["best"].tolist() == [False, False, True, False]


def test_the_last_evaluation_counts_and_not_the_best_one():
    data = frame()
    assert data[~data["final"]]["metric.sw2_ratio"].max() < arms(data, question())["mean"].min()


def test_a_lost_run_is_counted_and_marks_its_arm():
    table = arms(frame(), question())
    assert table["diverged"].tolist() == [0, 0, 0, 2]
    assert table["marked"].tolist() == [False, False, False, True]
    assert table["complete"].tolist() == [True, True, True, False]


def test_a_lost_run_never_enters_the_mean_even_with_a_metric():
    lost = sweep_of({1.0: (1.3, 1.4, 1.5)}) + run_rows(
        0, 3, {"loss.lambda": 1.0}, final=1e9, outcome="failed"
    )
    table = arms(tidy(lost, question()), question())
    assert table["mean"].tolist() == pytest.approx([1.4], abs=1e-12)
    assert (table["n"][0], table["failed"][0]) == (3, 1)


def test_survivors_are_never_best():
    table = arms_of({0.5: (1.5, 1.6, 1.7), 1.5: (0.1, None, None)})
    assert table["best"].tolist() == [True, False]


def test_an_arm_that_lacks_a_seed_is_not_best_yet():
    table = arms_of({0.5: (1.5, 1.6, 1.7), 1.0: (0.1,)})
    assert table["best"].tolist() == [True, False]


def test_the_goal_decides():
    table = arms_of({0.0: (27.0, 28.0, 29.0), 0.5: (1.5, 1.6, 1.7)}, goal="maximize")
    assert table["best"].tolist() == [True, False]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_finished_run_must_have_a_finite_metric(bad):
    data = tidy(sweep_of({0.5: (1.5, bad, 1.7)}), question())
    with pytest.raises(ValueError, match=r"arm 0, seed 1 finished with sw2_ratio = (nan|inf)"):
        arms(data, question())


def test_words_keep_the_order_of_their_domain_and_missing_knobs_come_last():
    kinds = ["power", "edm"]
    asked = question(
        scientific=["weight.kind", "weight.exponent"],
        baseline={},
        domains={
            "weight.kind": {"kind": "choice", "values": kinds},
            "weight.exponent": {"kind": "choice", "values": [2, 1]},
        },
    )
    settings = [
        {"weight.kind": "edm"},
        {"weight.kind": "power", "weight.exponent": 2},
        {"weight.kind": "power", "weight.exponent": 1},
    ]
    data = [row for arm, s in enumerate(settings) for row in run_rows(arm, 0, s, final=1.0)]
    assert arms(tidy(data, asked), asked)["arm"].tolist() == [2, 1, 0]


def test_the_order_of_rows_changes_nothing():
    shuffled = pd.DataFrame(rows()).sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(
        arms(tidy(shuffled, question()), question()), arms(frame(), question())
    )
