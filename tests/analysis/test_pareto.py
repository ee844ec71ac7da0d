"""Membership of the Pareto set is a frequency, and ties in cost are said right."""

import numpy as np
import pytest
from lambda_sweep import question, run_rows

from analysis.frame import tidy
from analysis.verdicts.arms import arms
from analysis.verdicts.pareto import is_member, members

COST = "cost/evaluations"


def shares(metric, cost, *, unfinished=(), **changes):
    """Of arms (rows) at seeds (columns), through the table."""
    metric = np.asarray(metric, dtype=float)
    cost = np.broadcast_to(np.asarray(cost, dtype=float), metric.shape[::-1]).T
    asked = question(
        baseline={}, domains={}, seeds=list(range(metric.shape[1])),
        columns=[COST], cost=COST, **{"scale": "difference"} | changes,
    )  # fmt: skip
    rows = []
    for (arm, seed), value in np.ndenumerate(metric):
        outcome = "running" if (arm, seed) in unfinished else "finished"
        for row in run_rows(arm, seed, {"loss.lambda": float(arm)}, final=value, outcome=outcome):
            rows.append({**row, f"metric.{COST}": cost[arm, seed]})
    data = tidy(rows, asked)
    return arms(data, asked)["pareto"].to_numpy()


def by_pairs(metric, cost):
    """The definition, arm by arm."""
    points = list(zip(metric, cost, strict=True))
    return [
        not any(m <= own[0] and c <= own[1] and (m < own[0] or c < own[1]) for m, c in points)
        for own in points
    ]


@pytest.mark.parametrize("kinds", [(3, 3), (8, 2), (2, 8), (1, 4), (1000, 1000)])
def test_members_are_those_of_the_definition_ties_included(kinds):
    rng = np.random.default_rng(0)
    metric, cost = (rng.integers(kind, size=(200, 7)).astype(float) for kind in kinds)
    expected = [by_pairs(*own) for own in zip(metric, cost, strict=True)]
    np.testing.assert_array_equal(members(metric, cost), expected)


def test_an_arm_as_dear_and_worse_is_no_member_and_one_equal_in_both_is():
    values = [[1.0, 1.1, 0.9], [1.0, 1.1, 0.9], [2.0, 2.1, 1.9], [0.5, 0.6, 0.4]]
    assert shares(values, [0.1, 0.1, 0.1, 0.7]).tolist() == [1.0, 1.0, 0.0, 1.0]


def test_a_share_is_how_often_the_dearer_arm_is_better_on_resampled_seeds():
    """Two differences of one sign against one: better in the resamples of binomial odds."""
    share = shares([[0.0, 0.0, 0.0], [-1.0, -1.0, 1.0]], [1.0, 2.0])
    assert share[0] == 1.0
    chance = sum(c * (2 / 3) ** k * (1 / 3) ** (3 - k) for k, c in ((2, 3), (3, 1)))
    assert share[1] == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 1000))


def test_seeds_are_resampled_together():
    """Arms that differ by a constant at every seed differ in every resample, however seeds scatter;
    seeds drawn apart for each arm would mix them."""
    seeds = np.array([1.0, 5.0, 9.0, 20.0])
    assert shares([seeds, seeds - 0.01], [1.0, 2.0]).tolist() == [1.0, 1.0]
    assert shares([seeds, seeds + 0.01], [1.0, 2.0]).tolist() == [1.0, 0.0]


def test_a_cost_that_scatters_is_resampled_too():
    cost = np.array([[1.0, 1.0, 1.0], [0.5, 2.0, 0.5]]).T
    share = shares([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]], cost)
    assert share[0] == 1.0
    assert 0.1 < share[1] < 0.9


def test_the_scale_of_the_metric_decides_which_mean():
    """Geometric means are 2 and 2.1, arithmetic ones 2.5 and 2.1: by ratios the first is better in
    more resamples."""
    values, cost = [[1.0, 4.0], [2.1, 2.1]], [1.0, 0.5]
    assert shares(values, cost, scale="ratio")[0] > 0.6
    assert shares(values, cost)[0] < 0.4


def test_what_is_to_be_raised_is_raised():
    values = [[1.0, 1.1], [2.0, 2.1]]
    assert shares(values, [1.0, 1.0], goal="maximize").tolist() == [0.0, 1.0]
    assert shares(values, [1.0, 2.0], cost_goal="maximize").tolist() == [1.0, 1.0]
    assert shares(values, [1.0, 2.0], cost_goal="minimize").tolist() == [1.0, 0.0]


def test_one_seed_has_no_share_and_an_unfinished_arm_is_no_candidate():
    assert np.isnan(shares([[1.0], [2.0]], [1.0, 2.0])).all()
    share = shares([[1.0, 1.1], [0.1, 0.1]], [1.0, 0.5], unfinished=[(1, 1)])
    assert share[0] == 1.0
    assert np.isnan(share[1])


def test_the_same_trials_give_the_same_shares():
    values = np.random.default_rng(1).standard_normal((6, 4))
    first, again = (shares(values, np.arange(6.0)) for _ in range(2))
    assert first.tobytes() == again.tobytes()


@pytest.mark.slow
def test_of_eight_equal_arms_bare_means_name_three_and_resampling_is_sure_of_the_cheapest_alone():
    rng = np.random.default_rng(2)
    cost = np.broadcast_to(np.arange(8.0), (1, 8))
    bare, sure, named = [], [], []
    for _ in range(60):
        values = rng.standard_normal((8, 5))
        bare.append(members(values.mean(1)[None], cost).sum())
        share = shares(values, cost[0])
        sure.append((share >= 0.95).sum())
        named.append(share[is_member(share)][1:].mean() if is_member(share).sum() > 1 else np.nan)
    harmonic = sum(1 / k for k in range(1, 9))
    assert np.mean(bare) == pytest.approx(harmonic, abs=0.5)
    assert np.mean(sure) < 1.35
    assert np.nanmean(named) < 0.9
