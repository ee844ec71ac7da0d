"""Each statistic against SciPy, a closed form, or its promise; laws; where there is no answer."""

import functools
import math

import numpy as np
import pytest
from scipy import stats

from analysis.verdicts.statistics import (
    Effect,
    _log_martingales,
    anytime,
    anytime_equivalence,
    boschloo,
    confidence_sequence,
    deviation_interval,
    equivalence,
    holm,
    log_confidence_sequence,
    log_t_interval,
    losses_anytime,
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


def test_all_seeds_against_none_is_no_chance_at_any_rate():
    """Both rates at ½ make it likeliest: 2 (1/4)^n."""
    assert boschloo(6, 0, 6) == boschloo(0, 6, 6) == pytest.approx(2 * 0.25**6)
    assert boschloo(0, 0, 5) == boschloo(3, 3, 5) == 1.0
    assert boschloo(1, 0, 6) > 0.5


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_losses_at_one_rate_are_told_apart_in_one_of_twenty(rate):
    lost = np.random.default_rng(3).binomial(6, rate, (4000, 2))
    false = np.mean([boschloo(int(a), int(b), 6) < 0.05 for a, b in lost])
    assert false <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 4000)


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


# ---- valid at any number of seeds


def bayes_factor(d, precision=1.0):
    """∫∫ p(d | σδ, σ) N(δ; 0, 1/c²) dσ/σ dδ over the same at δ = 0, by quadrature over δ and log σ;
    the first difference alone has the factor one."""
    delta, log_sigma = np.linspace(-12, 12, 1201), np.linspace(-9, 9, 1801)
    sigma = np.exp(log_sigma)[:, None]

    def log_likelihood(effects):
        squares = sum((x - sigma * effects) ** 2 for x in d)
        return -len(d) * np.log(sigma) - squares / (2 * sigma**2)

    step_delta, step_sigma = delta[1] - delta[0], log_sigma[1] - log_sigma[0]
    prior = np.sqrt(precision / (2 * np.pi)) * np.exp(-precision * delta**2 / 2)
    above = (np.exp(log_likelihood(delta)) * prior).sum() * step_delta * step_sigma
    return above / (np.exp(log_likelihood(np.zeros(1))).sum() * step_sigma)


@pytest.mark.parametrize("d", [[0.3, -0.2], [0.5, 0.7, 0.4], [1.1, -0.3, 0.8, 0.2, 1.4]])
def test_the_bet_of_a_sequence_is_a_bayes_factor(d):
    largest = max(1.0, *(bayes_factor(d[:n]) for n in range(2, len(d) + 1)))
    effect = anytime(d, np.zeros(len(d)))
    assert effect.p == pytest.approx(1 / largest, rel=1e-6)


def test_the_bet_is_a_martingale_whatever_the_scatter():
    """E[M_n] = 1 under no difference at every n; with a wrong exponent it is not."""
    rng = np.random.default_rng(2)
    draws = 7.3 * rng.standard_normal((20_000, 4))
    bets = np.exp([_log_martingales(own) for own in draws])
    assert bets[:, 0] == pytest.approx(1.0)
    for n in (1, 2, 3):
        error = bets[:, n].std() / math.sqrt(len(draws))
        assert abs(bets[:, n].mean() - 1) < 4 * error < 0.2
    wrong = bets[:, 3] ** 1.5
    assert wrong.mean() - 1 > 4 * bets[:, 3].std() / math.sqrt(len(draws))


@pytest.mark.parametrize("n", [5, 8, 30])
def test_a_confidence_sequence_ends_where_the_bet_reaches_its_price(n):
    x = np.random.default_rng(n).normal(2.0, 0.7, n)
    own = confidence_sequence(x)
    for end in (own.low, own.high):
        assert _log_martingales(x - end)[-1] == pytest.approx(math.log(20), abs=1e-9)
    assert _log_martingales(x - own.mean)[-1] < math.log(20)
    wide = t_interval(x)
    assert own.low < wide.low < wide.high < own.high  # the price of looking as one likes


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_few_seeds_have_no_end(n):
    own = confidence_sequence(np.arange(n))
    assert (own.mean, own.low, own.high) == ((n - 1) / 2, -math.inf, math.inf)
    log = log_confidence_sequence(np.exp(np.arange(n)))
    assert (log.low, log.high) == (0.0, math.inf)
    assert math.isnan(confidence_sequence([1.0]).low)
    assert math.isnan(anytime([1.0, 2.0], [0.0, 1.0]).p)  # copies


def test_a_claim_of_a_sequence_stands():
    """Seeds that come after a claim take nothing back."""
    clear = np.array([1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 0.97, 1.03])
    early = anytime(clear, np.zeros(8))
    later = anytime([*clear, -9.0, 9.0, -9.0], np.zeros(11))
    assert later.p == early.p < 0.001
    assert later.low < 0 < later.high


def test_of_equal_arms_one_in_twenty_is_ever_told_apart():
    """Stopped at the first claim within 40 seeds; Student's t at every look is the companion."""
    rng, num = np.random.default_rng(3), 2000
    draws = rng.standard_normal((num, 40)) * 0.4
    ever = np.mean([anytime(d, np.zeros(40)).p < 0.05 for d in draws])
    held = [
        all(i.low <= 0 <= i.high for i in map(confidence_sequence, (d[:5], d[:10], d[:40])))
        for d in draws[:500]
    ]
    assert ever < 0.05 + 4 * math.sqrt(0.05 * 0.95 / num)
    assert 1 - np.mean(held) < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 500)
    n = np.arange(2, 41)
    means = np.cumsum(draws, 1)[:, 1:] / n
    squares = np.cumsum(draws**2, 1)[:, 1:] - n * means**2
    t = means / np.sqrt(squares / (n - 1) / n)
    naive = np.mean((2 * stats.t.sf(abs(t), n - 1) < 0.05).any(1))
    assert naive > 0.2


def test_equality_at_any_time_is_the_worse_of_both_margins():
    rng, margin = np.random.default_rng(4), 0.3
    d = rng.normal(0.02, 0.1, 12)
    p = anytime_equivalence(d, np.zeros(12), margin=margin)
    sides = np.minimum(_log_martingales(d - margin), _log_martingales(d + margin))
    assert p == pytest.approx(math.exp(-sides.max()), rel=1e-12)
    assert p < 0.05
    assert anytime_equivalence(d + 1, np.zeros(12), margin=margin) == 1.0  # far off, and surely so
    assert math.isnan(anytime_equivalence([1.0, 1.0], [1.0, 1.0], margin=margin))
    at_margin = rng.normal(margin, 0.3, (2000, 40))
    ever = np.mean([anytime_equivalence(x, np.zeros(40), margin=margin) < 0.05 for x in at_margin])
    assert 0 < ever < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 2000)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (5, 0), (0, 9), (7, 3)])
def test_losses_at_any_time_are_a_mixture_of_coins(first, second):
    q = np.linspace(0, 1, 200_001)
    mixture = np.trapezoid(q**first * (1 - q) ** second, q) * 2.0 ** (first + second)
    p = losses_anytime(first, second)
    assert p == pytest.approx(min(1.0, 1 / mixture), rel=1e-6)
    assert p == losses_anytime(second, first)


def test_losses_of_equal_arms_are_told_apart_in_one_of_twenty():
    rng, ever, naive = np.random.default_rng(5), 0, 0
    fixed = functools.cache(lambda a, b: stats.binomtest(a, a + b).pvalue)
    for _ in range(1000):
        coins = rng.random(40) < 0.5
        counts = list(zip(np.cumsum(coins), np.cumsum(~coins), strict=True))
        ever += min(losses_anytime(int(a), int(b)) for a, b in counts) < 0.05
        naive += min(fixed(int(a), int(b)) for a, b in counts) < 0.05
    assert ever / 1000 < 0.05 + 4 * math.sqrt(0.05 * 0.95 / 1000) < naive / 1000
