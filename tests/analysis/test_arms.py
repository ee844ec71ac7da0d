"""Who enters a mean, what may be claimed, and what may not."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from lambda_sweep import frame, question, rows, run_rows, sweep_of
from scipy import stats

from analysis.frame import tidy
from analysis.verdicts.arms import arms, interval_of
from analysis.verdicts.statistics import anytime


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
    assert data[~data["final"]]["metric.js"].max() < arms(data, question())["mean"].min()


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
    assert table["p"][1] == pytest.approx(2 * 2 * 2 * 0.25**8)  # of two tests, of two arms
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
    with pytest.raises(ValueError, match=r"arm 0, seed 1 finished with js = (nan|inf)"):
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


# ---- collapse


def test_a_student_below_its_threshold_is_lost_though_it_finished():
    data = sweep_of({0.5: (1.5, 1.6, 1.7), 1.0: (1.3, 90.0, 1.5)})
    next(row for row in data if row["metric.js"] == 90.0)["metric.modes"] = 4.0
    asked = question(collapse={"modes": 8.0})
    table = arms(tidy(data, asked), asked)
    assert table["collapsed"].tolist() == [0, 1]
    assert table["mean"][1] == pytest.approx(math.sqrt(1.3 * 1.5))
    assert (table["lost"][1], table["ended"][1]) == (1, 3)
    assert table["raw"].tolist() == ["", "1.3, collapsed, 1.5"]
    assert table["metric.modes"].tolist() == [8.0, pytest.approx(20 / 3)]
    assert table["complete"].tolist() == [True, False]
    assert table["p"][1] == 1.0  # one seed lost to none, by McNemar
    assert arms(tidy(data, question()), question())["collapsed"].tolist() == [0, 0]


def test_arms_that_collapse_at_every_seed_are_worse_by_how_often():
    data = sweep_of({0.5: (1.5,) * 8, 1.0: (1.4,) * 8})
    for row in data:
        row["metric.modes"] = 8.0 if row["arm"] == 0 else 3.0
    asked = question(seeds=list(range(8)), collapse={"modes": 8.0})
    table = arms(tidy(data, asked), asked)
    assert table["verdict"].tolist() == ["", "worse"]
    assert (table["n"][1], table["raw"][1]) == (0, "")


# ---- screened and confirmed

SCREENED = {  # the first three seeds screen
    0.5: (1.5, 1.6, 1.7, 1.6, 1.5, 1.7),
    1.0: (1.0, 1.1, 1.2, 1.5, 1.4, 1.6),
    1.5: (3.0, 3.1, 3.2),
}


def screened(finals=SCREENED, **changes):
    return arms_of(finals, seeds=[3, 4, 5], screen=[0, 1, 2], keep=1, **changes)


def test_what_chose_an_arm_is_not_what_is_reported_of_it():
    table = screened()
    assert table["confirmed"].tolist() == [True, True, False]
    assert table["mean"][1] == pytest.approx((1.5 * 1.4 * 1.6) ** (1 / 3))
    assert table["screened"].tolist() == pytest.approx(
        [(a * b * c) ** (1 / 3) for a, b, c in ((1.5, 1.6, 1.7), (1.0, 1.1, 1.2), (3.0, 3.1, 3.2))]
    )
    assert table["shrinkage"][1] == pytest.approx((1.5 * 1.4 * 1.6 / 1.32) ** (1 / 3))
    assert math.isnan(table["shrinkage"][2])
    assert table["n"].tolist() == [3, 3, 0]
    assert table["screened_n"].tolist() == [3, 3, 3]


def test_an_arm_that_is_not_confirmed_is_no_member_of_anything():
    table = screened()
    assert table["verdict"].tolist() == ["", "better", ""]
    assert math.isnan(table["p"][2])
    assert not table["complete"][2]
    logs = np.log(np.array(SCREENED[1.0][3:]) / np.array(SCREENED[0.5][3:]))
    assert table["p"][1] == pytest.approx(stats.ttest_1samp(logs, 0).pvalue)  # a family of one


def test_a_screened_arm_leads_by_its_fresh_seeds_alone():
    finals = SCREENED | {1.0: (0.1, 0.1, 0.1, 2.5, 2.4, 2.6)}
    assert screened(finals)["leads"].tolist() == [True, False, False]


def test_losses_of_screening_are_counted_where_nothing_else_is_known():
    finals = SCREENED | {1.5: (3.0, None, None), 1.0: (1.0, None, 1.2, 1.5, 1.4, 1.6)}
    table = screened(finals)
    assert table["diverged"].tolist() == [0, 0, 2]
    assert not table["marked"].any()
    assert table["complete"].tolist() == [True, True, False]


# ---- tuned knobs


def tuned(values, **changes):
    """By (λ, lr): the metric at each seed."""
    asked = question(nuisance=["lr"], **changes)
    data = []
    for arm, ((lam, lr), metrics) in enumerate(values.items()):
        for seed, final in enumerate(metrics):
            outcome = "finished" if final is not None else "diverged"
            params = {"loss.lambda": lam, "lr": lr}
            data += run_rows(arm, seed, params, final=final, outcome=outcome)
    return arms(tidy(data, asked), asked)


TUNED = {
    (0.5, 1): (2.5, 2.6, 2.7),
    (0.5, 2): (1.5, 1.6, 1.7),
    (1.0, 1): (1.3, 1.4, 1.5),
    (1.0, 2): (1.1, None, 1.2),
}

FRESH = [(2.5, 2.6, 2.9), (1.5, 1.6, 1.8), (1.3, 1.4, 1.5), (1.1, 1.3, 1.2)]


def test_of_each_scientific_setting_the_best_tuned_one_stands_in_the_table():
    table = tuned(TUNED)
    assert table["arm"].tolist() == [1, 2]  # one that lost a seed is not the best of its setting
    assert table["tried"].tolist() == [2, 2]
    assert table["tuned_on_same_seeds"].all()
    assert table["baseline"].tolist() == [True, False]
    logs = np.log(np.array([1.3, 1.4, 1.5]) / np.array([1.5, 1.6, 1.7]))
    p = stats.ttest_1samp(logs, 0).pvalue
    assert table["p"][1] == pytest.approx(2 * 2 * p)  # the best of four pairs of settings


def test_knobs_are_tuned_by_the_seeds_that_screen():
    values = {key: (*(own or 1.2 for own in metrics), 1.0) for key, metrics in TUNED.items()}
    fresh = {
        key: (*own[:3], *other) for (key, own), other in zip(values.items(), FRESH, strict=True)
    }
    told = tuned(fresh, seeds=[3, 4, 5], screen=[0, 1, 2], keep=1)
    logs = np.log(np.array(FRESH[3]) / np.array(FRESH[1]))
    assert told["p"][1] == pytest.approx(
        stats.ttest_1samp(logs, 0).pvalue
    )  # nothing chose by these
    table = tuned(values, seeds=[3], screen=[0, 1, 2], keep=1)
    assert table["arm"].tolist() == [1, 3]
    assert not table["tuned_on_same_seeds"].any()


def test_a_baseline_that_names_its_tuned_knobs_is_that_arm():
    table = tuned(TUNED, baseline={"loss.lambda": 0.5, "lr": 1})
    assert table["arm"].tolist() == [0, 1, 2]
    assert table["baseline"].tolist() == [True, False, False]


# ---- seeds added in turn

CLEAR = {0.5: (2.0, 2.1, 1.9, 2.05, 1.95, 2.02, 1.98, 2.0, 2.1, 1.9, 2.0, 2.03)}
CLEAR |= {1.0: (1.0, 1.1, 0.9, 1.02, 0.97, 1.04, 0.99, 1.01)}


def test_an_arm_whose_verdict_stands_is_complete_with_fewer_seeds():
    many = list(range(12))
    table = arms_of(CLEAR, seeds=many, sequential=True)
    assert table["verdict"].tolist() == ["", "better"]
    assert table["stopped"].tolist() == ["", "decided"]
    assert table["complete"].tolist() == [True, True]
    assert table["best"].tolist() == [False, True]
    fixed = arms_of(CLEAR, seeds=many)
    assert fixed["complete"].tolist() == [True, False]
    assert fixed["p"][1] < table["p"][1]
    assert table["effect_low"][1] < fixed["effect_low"][1]
    assert table["low"][0] < fixed["low"][0]


def test_metric_and_losses_share_alpha_in_a_sequence():
    table = arms_of(CLEAR, seeds=list(range(12)), sequential=True)
    logs = [np.log(CLEAR[value][:8]) for value in (1.0, 0.5)]
    assert table["p"][1] == pytest.approx(2 * anytime(*logs).p)


def test_to_stop_early_because_it_is_decided_does_not_untune_an_arm():
    low, high = CLEAR[1.0], (1.2, 1.3, 1.1, 1.22, 1.17, 1.24, 1.19, 1.21, 1.2, 1.2)
    table = tuned(
        {(0.5, 1): CLEAR[0.5], (1.0, 1): low, (1.0, 2): high},
        seeds=list(range(12)),
        sequential=True,
    )
    assert table["arm"].tolist() == [0, 1]


def test_the_baseline_is_due_no_more_seeds_once_all_are_decided():
    both = {value: own[:8] for value, own in CLEAR.items()}
    table = arms_of(both, seeds=list(range(12)), sequential=True)
    assert table["stopped"].tolist() == ["decided", "decided"]
    assert table["complete"].all()
    low = both[1.0]
    near = {0.5: low, 1.0: both[0.5], 1.5: tuple(x + 0.02 * (-1) ** i for i, x in enumerate(low))}
    table = arms_of(near, seeds=list(range(12)), sequential=True)
    assert table["verdict"].tolist() == ["", "worse", "undecided"]
    assert table["complete"].tolist() == [False, True, False]


def test_an_arm_that_another_outclasses_is_complete():
    finals = {0.5: (None,), 1.0: CLEAR[0.5][:8], 1.5: CLEAR[1.0]}
    table = arms_of(finals, seeds=list(range(12)), sequential=True, baseline={})
    assert table["stopped"].tolist() == ["", "outclassed", ""]


def test_a_seed_that_ends_late_takes_no_claim_back():
    """What counts is what came before the first seed that has not ended at both."""
    finals = dict(CLEAR)
    finals[1.0] = (*CLEAR[1.0], 40.0, 0.05, 40.0)
    many = list(range(12))
    assert arms_of(finals, seeds=many, sequential=True)["verdict"][1] == "better"
    data = sweep_of(finals)
    for row in data:
        row |= {"outcome": "running", "cause": ""} if (row["arm"], row["seed"]) == (1, 0) else {}
    asked = question(seeds=many, sequential=True)
    table = arms(tidy(data, asked), asked)
    assert table["effect_n"].tolist() == [0, 0]
    assert table["verdict"].tolist() == ["", "undecided"]


def test_losses_in_a_sequence_are_told_at_half_of_alpha():
    many = tuple(range(12))
    fine = tuple(1.0 + 0.1 * seed for seed in many)
    table = arms_of({0.5: fine, 1.0: (None,) * 12}, seeds=list(many), sequential=True)
    assert table["p"][1] == pytest.approx(2 * 13 / 2**12)
    assert table["verdict"][1] == "worse"


def test_trials_at_no_declared_seed_are_no_table():
    with pytest.raises(ValueError, match=r"no trial at any of its seeds \(7\)"):
        arms_of({0.5: (1.0, 2.0)}, seeds=[7])


def test_no_interval_goes_beyond_what_a_metric_can_be():
    """Neither above the most that it can have nor below nothing."""
    bounded = replace(question(), most=1.0)
    assert interval_of([0.3, 0.9], bounded).high == 1.0
    assert interval_of([0.3, 0.9], question()).high > 1
    apart = replace(question(), scale="difference")
    assert interval_of([0.1, 0.9], apart).low == 0.0
    assert math.isnan(interval_of([0.5], bounded).high)
