"""An arm that lost seeds: how often, how the survivors fare, and what may be claimed of both."""

import math
from dataclasses import replace

import numpy as np
import pytest
from lambda_sweep import question

from analysis.verdicts.evidence import Evidence, claim
from analysis.verdicts.statistics import boschloo, paired

GOOD = [0.0, 0.1, -0.1, 0.05, -0.05, 0.02]
LOST = math.nan


def evidence(own, other):
    values = np.array([own, other])
    return Evidence([0, 1], values, np.isnan(values), np.ones_like(values, bool))


def claimed(own, other=GOOD, **changes):
    return claim(evidence(own, other), 0, 1, replace(question(), **changes), sequential=False)


def word(own, other=GOOD):
    found = claimed(own, other)
    return found.verdict(found.p, found.p_equal)


def test_one_that_is_always_lost_is_worse():
    found = claimed([LOST] * 6)
    assert found.p == pytest.approx(2 * boschloo(6, 0, 6))
    assert word([LOST] * 6) == "worse"
    assert word(GOOD, [LOST] * 6) == "better"
    assert word([LOST] * 6, [LOST] * 6) == "undecided"


def test_one_lost_seed_does_not_hide_what_the_survivors_show():
    own = [LOST, 2.1, 1.9, 2.05, 2.0, 1.95]
    found = claimed(own)
    assert found.p == pytest.approx(2 * paired(own[1:], GOOD[1:]).p)
    assert word(own) == "worse"


def test_one_that_is_lost_more_often_is_never_better_by_its_survivors():
    assert word([LOST, -2.1, -1.9, -2.05, -2.0, -1.95]) == "undecided"
    assert word(GOOD, [LOST, -2.1, -1.9, -2.05, -2.0, -1.95]) == "undecided"
    assert word([LOST, -2.1, -1.9, -2.05, -2.0, -1.95], [LOST, *GOOD[1:]]) == "better"


def test_without_losses_the_metric_alone_is_tried():
    own = [0.3, 0.35, 0.28, 0.31, 0.36, 0.27]
    assert claimed(own).p == pytest.approx(paired(own, GOOD).p)
    assert claimed([LOST, *own[1:]]).p == pytest.approx(2 * paired(own[1:], GOOD[1:]).p)


def test_who_lost_seeds_is_never_called_equal():
    near = [value + 0.001 * place for place, value in enumerate(GOOD)]
    assert claimed(near, equal_within=0.1).p_equal < 0.001
    assert math.isnan(claimed([LOST, *near[1:]], equal_within=0.1).p_equal)
