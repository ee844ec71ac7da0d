"""Each statistic against SciPy, a closed form, or its promise; laws; where there is no answer."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.statistics import (
    Effect,
    deviation_interval,
    equivalence,
    holm,
    log_t_interval,
    mcnemar,
    paired,
    proportion_interval,
    seeds_needed,
    t_interval,
)

VALUES = [1.31, 1.57, 1.22, 1.49, 1.40]
OTHERS = [1.20, 1.41, 1.25, 1.30, 1.33]


def test_an_interval_by_hand():
    # mean 2, s = 1, n = 3; with 2 degrees of freedom the quantile is c √(2 / (1 - c²)), c = .95
    half = 0.95 * math.sqrt(2 / (1 - 0.95**2)) / math.sqrt(3)
    interval = t_interval([1.0, 2.0, 3.0])
    assert (interval.mean, interval.num) == (2.0, 3)
    assert interval.high - 2 == pytest.approx(half, abs=1e-12)
    assert 2 - interval.low == pytest.approx(half, abs=1e-12)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
def test_it_agrees_with_scipy(confidence):
    interval = t_interval(VALUES, confidence=confidence)
    other = stats.ttest_1samp(VALUES, 0).confidence_interval(confidence)
    assert interval.low == pytest.approx(other.low, abs=1e-12)
    assert interval.high == pytest.approx(other.high, abs=1e-12)


def test_it_moves_and_stretches_with_its_values():
    a, b = -3.0, 17.0
    before, after = t_interval(VALUES), t_interval(np.asarray(VALUES) * a + b)
    assert after.mean == pytest.approx(a * before.mean + b, abs=1e-12)
    assert after.low == pytest.approx(a * before.high + b, abs=1e-12)
    assert after.high == pytest.approx(a * before.low + b, abs=1e-12)


def test_on_the_log_scale_it_is_positive_and_scales_with_its_values():
    interval, doubled = log_t_interval([30.0, 31.0, 1.7]), log_t_interval([60.0, 62.0, 3.4])
    assert 0 < interval.low < interval.mean < interval.high
    assert interval.mean == pytest.approx((30 * 31 * 1.7) ** (1 / 3), rel=1e-12)
    assert doubled.low == pytest.approx(2 * interval.low, rel=1e-12)
    assert t_interval([30.0, 31.0, 1.7]).low < 0  # what it is there for


def test_it_covers_as_often_as_it_says():
    draws = np.random.default_rng(0).standard_normal((4000, 3))
    intervals = [t_interval(row) for row in draws]
    covered = np.mean([i.low <= 0 <= i.high for i in intervals])
    deviation = math.sqrt(0.95 * 0.05 / 4000)
    assert abs(covered - 0.95) < 4 * deviation
    # the companion: with z in place of t the test must fail (z covers 81 % at n = 3)
    scale = stats.norm.ppf(0.975) / stats.t.ppf(0.975, 2)
    narrow = np.mean([abs(i.mean) <= scale * (i.high - i.low) / 2 for i in intervals])
    assert abs(narrow - 0.95) > 4 * deviation


@pytest.mark.parametrize("values", [[1.5], [1.107] * 3, [0.1 + 0.2, 0.3]])
def test_one_value_and_copies_of_one_have_a_mean_and_no_interval(values):
    interval = t_interval(values)
    assert (interval.mean, interval.num) == (pytest.approx(values[0]), len(values))
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_none_has_no_mean():
    assert math.isnan(t_interval([]).mean)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        t_interval([1.0, bad])


def test_a_paired_effect_is_scipys_and_turns_its_sign():
    effect, turned = paired(VALUES, OTHERS), paired(OTHERS, VALUES)
    other = stats.ttest_rel(VALUES, OTHERS)
    ends = other.confidence_interval()
    assert effect.p == turned.p == pytest.approx(other.pvalue, rel=1e-12)
    assert [effect.low, effect.high] == pytest.approx([ends.low, ends.high], abs=1e-12)
    assert [-turned.high, -turned.low] == pytest.approx([ends.low, ends.high], abs=1e-12)


def test_a_constant_difference_has_no_p():
    effect = paired([2.0, 3.0, 4.0], [1.0, 2.0, 3.0])
    assert effect.mean == 1.0
    assert math.isnan(effect.p)


def test_equivalence_is_the_larger_of_two_one_sided_tests():
    effect, margin = paired(VALUES, OTHERS), 0.3
    difference = np.array(VALUES) - OTHERS
    sides = [
        stats.ttest_1samp(difference, -margin, alternative="greater").pvalue,
        stats.ttest_1samp(difference, margin, alternative="less").pvalue,
    ]
    assert equivalence(effect, margin=margin) == pytest.approx(max(sides), rel=1e-9)
    assert equivalence(effect, margin=1e-6) > 0.5
    assert math.isnan(equivalence(Effect(1.0, *[math.nan] * 3, 1, math.nan), margin=0.1))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    adjusted = holm([0.01, math.nan, 0.02])
    assert adjusted[0] == pytest.approx(0.02)
    assert math.isnan(adjusted[1])
    assert holm([]) == []


@pytest.mark.parametrize(("successes", "num"), [(0, 3), (2, 3), (3, 3), (7, 20), (0, 0)])
def test_a_proportion_has_the_interval_of_scipy(successes, num):
    if num == 0:
        assert proportion_interval(0, 0) == (0.0, 1.0)
        return
    other = stats.binomtest(successes, num).proportion_ci(method="exact")
    assert proportion_interval(successes, num) == pytest.approx((other.low, other.high), abs=1e-9)


def test_mcnemar_is_a_fair_coin():
    assert mcnemar(6, 0) == mcnemar(0, 6) == pytest.approx(2 * 0.5**6)
    assert mcnemar(0, 0) == mcnemar(3, 3) == 1.0


@pytest.mark.parametrize(("effect", "deviation"), [(0.2, 0.3), (1.0, 0.5), (-0.1, 0.3), (3.0, 0.1)])
def test_seeds_needed_have_the_promised_power_and_one_less_has_not(effect, deviation):
    n = int(seeds_needed(effect=effect, deviation=deviation))
    draws = np.random.default_rng(0).normal(effect, deviation, (20_000, n))
    error = 4 * math.sqrt(0.8 * 0.2 / 20_000)

    def power(num):
        return np.mean(stats.ttest_1samp(draws[:, :num], 0, axis=1).pvalue < 0.05)

    assert power(n) > 0.8 - error
    assert n == 2 or power(n - 1) < 0.8 + error


def test_seeds_needed_has_limits():
    assert seeds_needed(effect=0.0, deviation=1.0) == math.inf
    assert seeds_needed(effect=1.0, deviation=0.0) == 2


def test_a_deviation_has_its_interval():
    draws = np.random.default_rng(1).standard_normal((4000, 4)).std(axis=1, ddof=1)
    ends = [deviation_interval(s, 4) for s in draws]
    covered = np.mean([low <= 1 <= high for low, high in ends])
    assert abs(covered - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 4000)
