"""What a table says is true at the rate that it states: the whole pipeline on simulated sweeps.

Arms that are all equal, seeds with something in common, metrics that scatter in several ways,
trials that diverge or collapse. A false verdict in a table happens in at most one of twenty,
whichever and however many arms, however they were chosen and whenever one stopped to add seeds;
intervals hold the truth as often as they say. The naive way fails in the same simulation.
"""

import math

import numpy as np
import pytest
from soundness import Setting, at_once, decided, draw, race, screened

from analysis.verdicts.arms import arms

QUICK = [Setting(8, 5), Setting(8, 5, scatter="normal", lost=0.1)]
FULL = [
    Setting(num_arms, num_seeds, common, scatter, lost, how)
    for num_arms in (8, 32)
    for num_seeds in (3, 5, 10)
    for common, scatter in (
        (0.5, "lognormal .6"), (0.8, "lognormal .3"), (0.0, "heavy"), (0.5, "normal")
    )
    for lost, how in ((0.0, "diverged"), (0.1, "diverged"), (0.1, "collapsed"))
]  # fmt: skip
SELECTED = [Setting(num_arms, n, common=0.0) for num_arms in (8, 32) for n in (3, 5, 10)]


def error(num, part=0.05):
    """Four standard errors of a part of `num`."""
    return 4 * math.sqrt(part * (1 - part) / num)


def check(num, setting):
    found = at_once(num, setting)
    assert found.false_verdict <= 0.05 + error(num)
    assert found.best <= 0.05 + error(num)
    if setting.scatter != "heavy":  # t intervals of heavy tails are a little wide
        # arms of a table are not independent
        assert abs(found.arm - 0.95) < 0.02 + error(num) / math.sqrt(setting.num_arms / 2)
        assert abs(found.effect - 0.95) < 0.02 + error(num)
    return found.naive


@pytest.mark.parametrize("setting", QUICK, ids=str)
def test_equal_arms_are_told_apart_in_one_table_of_twenty(setting):
    naive = check(50, setting)
    assert naive > 0.1, "each arm by itself would err too often; this shows that it can fail"


@pytest.mark.long
@pytest.mark.parametrize("setting", FULL, ids=str)
def test_whatever_the_scatter_and_however_many_arms(setting):
    check(100 if setting.num_arms == 8 else 40, setting)


def test_so_are_arms_that_were_tuned_on_the_seeds_that_report_them():
    """The one that is put first of eight is no better for it."""
    found = at_once(50, Setting(4, 5, common=0.0, tuned=8))
    assert found.false_verdict <= 0.05 + error(50)
    assert found.best <= 0.05 + error(50)
    assert found.naive > 0.1, "each by its own interval would err too often"


def test_arms_that_collapse_alike_are_told_apart_in_one_table_of_twenty():
    found = at_once(30, Setting(8, 10, lost=0.1, how="collapsed"))
    assert found.false_verdict <= 0.05 + error(30)


def check_screened(num, setting):
    found = screened(num, setting)
    assert found.false_verdict <= 0.05 + error(num)
    assert abs(found.covers - 0.95) < 0.02 + error(num)
    return found


@pytest.mark.slow
def test_the_arm_that_was_chosen_is_reported_by_seeds_that_did_not_choose_it():
    found = check_screened(30, Setting(32, 5, common=0.0))
    assert found.naive_claims > 0.1
    assert found.naive_covers < 0.8
    assert found.shrinkage > 1.2


@pytest.mark.long
@pytest.mark.parametrize("setting", SELECTED, ids=str)
def test_however_many_were_chosen_from(setting):
    num = 300 if setting.num_arms == 8 else 100
    found = check_screened(num, setting)
    assert found.naive_covers < (0.92 if setting.num_arms == 8 else 0.85)
    assert setting.num_arms == 8 or found.naive_claims > 0.08


@pytest.mark.slow
def test_seeds_may_be_added_until_there_is_a_verdict():
    found = decided(20, Setting(4, 15))
    assert found.false_verdict <= 0.05 + error(20)
    assert found.naive > 0.1


@pytest.mark.long
@pytest.mark.parametrize(
    "setting",
    [Setting(8, 30), Setting(8, 30, scatter="lognormal .6", lost=0.1, how="collapsed")],
    ids=str,
)
def test_whenever_one_stops(setting):
    found = decided(100, setting)
    assert found.false_verdict <= 0.05 + error(100)
    assert found.naive > 0.05 + error(100)
    assert found.missed < 0.05


def test_what_is_decided_early_saves_seeds():
    """The companion: arms far from the baseline are told, by fewer trials than declared."""
    found = decided(3, Setting(4, 15), gains=np.array([0.0, 4.0, 4.0, 4.0]))
    assert found.false_verdict == 1.0  # here it is true
    assert found.seeds < 0.7


def test_a_race_keeps_the_best_and_saves_what_is_far_behind():
    found = race(10, Setting(4, 12), gains=np.array([0.0, 1.0, 2.0, 6.0]))
    assert found.best_dropped == 0
    assert found.trials < 0.8


@pytest.mark.long
@pytest.mark.parametrize("setting", [Setting(8, 20), Setting(8, 20, lost=0.1)], ids=str)
def test_one_of_equal_arms_is_dropped_in_one_race_of_twenty(setting):
    assert race(60, setting).best_dropped <= 0.05 + error(60)


def test_a_real_difference_is_found():
    """The companion: with an arm a third better and ten seeds, the table says so."""
    rng, setting, found = np.random.default_rng(1), Setting(4, 10, common=0.0), 0
    question = setting.question()
    gains = np.array([0.0, 0.0, math.log(1.5) / 0.2, 0.0])  # in deviations
    for _ in range(20):
        table = arms(draw(rng, setting, gains=gains).frame(question), question)
        found += table["verdict"].tolist()[2] == "better"
    assert found >= 15
