"""Who enters a mean, what may be claimed, and what may not."""

import math

import numpy as np
import pandas as pd
import pytest
from lambda_sweep import frame, question, rows, run_rows, sweep_of
from scipy import stats

from analysis.arms import arms
from analysis.frame import tidy


def arms_of(finals, **changes):
    return arms(tidy(sweep_of(finals), question(**changes)), question(**changes))


def test_a_row_per_arm():
    table = arms(frame(), question())
    assert table["param.loss.lambda"].tolist() == [0.0, 0.5, 1.0, 1.5]
    means = [math.prod(own) ** (1 / 3) for own in ((27, 28, 29), (1.5, 1.6, 1.7), (1.3, 1.4, 1.5))]
    assert table["mean"].tolist() == pytest.approx([*means, 2.0], rel=1e-12)
    assert table["n"].tolist() == [3, 3, 3, 1]
    assert table["images"].tolist() == [400_000] * 4
    assert table["seconds"].tolist() == [9.0, 10.0, 11.0, 12.0]
    assert table["metric.modes"].tolist() == [8.0] * 4
    assert table["baseline"].tolist() == [False, True, False, False]
    assert table["leads"].tolist() == [False, False, True, False]


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
    asked = question(seeds=[0, 1, 2, 3])
    table = arms(tidy(lost, asked), asked)
    assert table["mean"].tolist() == pytest.approx([(1.3 * 1.4 * 1.5) ** (1 / 3)], rel=1e-12)
    assert (table["n"][0], table["failed"][0]) == (3, 1)


def test_survivors_never_lead():
    table = arms_of({0.5: (1.5, 1.6, 1.7), 1.5: (0.1, None, None)})
    assert table["leads"].tolist() == [True, False]
    assert not table["bold"].any()


def test_an_arm_that_lacks_a_seed_does_not_lead_yet():
    table = arms_of({0.5: (1.5, 1.6, 1.7), 1.0: (0.1,)})
    assert table["leads"].tolist() == [True, False]


def test_the_goal_decides():
    finals = {0.0: (27.0, 28.0, 29.0), 0.5: (1.5, 1.6, 1.7)}
    table = arms_of(finals, goal="maximize")
    assert table["leads"].tolist() == [True, False]
    assert table["verdict"].tolist() == ["better", ""]
    assert arms_of(finals)["verdict"].tolist() == ["worse", ""]


# ---- claims

NEAR = {0.5: (1.5, 1.9, 1.6, 2.2), 1.0: (1.51, 1.88, 1.62, 2.19), 1.5: (3.1, 3.9, 3.0, 4.5)}


def test_effects_are_paired_ratios_to_the_baseline():
    table = arms_of(NEAR, seeds=[0, 1, 2, 3]).set_index("param.loss.lambda")
    logs = np.log(np.array(NEAR[1.5]) / np.array(NEAR[0.5]))
    other = stats.ttest_1samp(logs, 0)
    ends = np.exp([*other.confidence_interval()])
    assert table["effect"][1.5] == pytest.approx(math.exp(logs.mean()), rel=1e-12)
    assert [table["effect_low"][1.5], table["effect_high"][1.5]] == pytest.approx(ends, rel=1e-9)
    assert table["effect_n"].tolist() == [0, 4, 4]
    assert table["p"][1.5] == pytest.approx(2 * other.pvalue, rel=1e-9)  # the smaller of two
    assert table["verdict"].tolist() == ["", "undecided", "worse"]


def test_equal_is_said_only_within_a_declared_region():
    table = arms_of(NEAR, seeds=[0, 1, 2, 3], equal_within=0.1)
    assert table["verdict"].tolist() == ["", "equal", "worse"]


def test_a_difference_is_the_scale_of_what_may_be_zero():
    finals = {0.5: (0.0, 1.0, -1.0), 1.0: (5.0, 6.1, 3.9)}
    table = arms_of(finals, scale="difference")
    assert table["mean"].tolist() == pytest.approx([0.0, 5.0])
    assert table["effect"][1] == pytest.approx(5.0)
    with pytest.raises(ValueError, match="not positive"):
        arms_of(finals)


def test_best_is_better_than_all_and_bold_is_not_worse_than_the_best():
    clear = {0.0: (9.0, 9.1, 8.9, 9.05), 0.5: (1.4, 1.41, 1.39, 1.4), 1.0: (2.0, 2.01, 1.99, 2.02)}
    table = arms_of(clear, seeds=[0, 1, 2, 3])
    assert table["best"].tolist() == [False, True, False]
    assert table["bold"].tolist() == [False, True, False]
    table = arms_of(NEAR, seeds=[0, 1, 2, 3])
    assert not table["best"].any()
    assert table["bold"].tolist() == [True, True, False]
    table = arms_of({value: NEAR[value] for value in (0.5, 1.0)}, seeds=[0, 1, 2, 3])
    assert not table["bold"].any()  # nothing is worse


def test_an_arm_that_loses_seeds_is_compared_by_how_often():
    many = tuple(range(8))
    fine = tuple(1.0 + 0.1 * seed for seed in many)
    table = arms_of({0.5: fine, 1.0: (None,) * 8, 1.5: (None, *fine[1:])}, seeds=list(many))
    assert table["verdict"].tolist() == ["", "worse", "undecided"]
    assert table["p"][1] == pytest.approx(2 * 2 * 0.5**8)  # McNemar's, of two arms
    assert (table["lost_low"][1], table["lost_high"][1]) == (pytest.approx(0.025 ** (1 / 8)), 1.0)


def test_copies_have_no_interval_and_no_verdict():
    table = arms_of({0.5: (1.5, 1.6, 1.7), 1.0: (1.107, 1.107, 1.107)})
    assert table["copies"].tolist() == [False, True]
    assert math.isnan(table["low"][1])
    both = arms_of({0.5: (1.5, 1.5, 1.5), 1.0: (1.1, 1.1, 1.1)})
    assert both["verdict"].tolist() == ["", "undecided"]
    assert not both["best"].any()


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
