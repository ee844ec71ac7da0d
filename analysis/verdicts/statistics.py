"""Seeds to numbers with their uncertainty: one short function per statistic. Pure: arrays in.

The unit is the seed. Arms share their seeds, so the primary comparison is paired: the mean
difference between two arms over the seeds that both have, on the log scale for metrics that are
positive (where it is a ratio), else on their own.

What is called *anytime* holds at any number of seeds, even one chosen by looking at what they show.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

CONFIDENCE = 0.95
ALPHA = 0.05
POWER = 0.8
LARGEST_EXPONENT = 709.0
PRIOR_PRECISION = 1.0
"""c² of the prior N(0, 1/c²) on an effect in deviations, which anytime statistics bet by: the unit
information prior, one seed's worth."""


@dataclass(frozen=True)
class Interval:
    """A mean over `num` seeds and the ends of its interval; NaN where there is none."""

    mean: float
    low: float
    high: float
    num: int


def t_interval(values: ArrayLike, *, confidence: float = CONFIDENCE) -> Interval:
    """m ± t_{(1+c)/2, n-1} s / √n (Student 1908), s² = Σ(x - m)² / (n - 1).

    Exact for Gaussian seeds at any n ≥ 2. One value has a mean and no interval. Values that are all
    equal have none either: they are copies of one value, and say nothing of how far seeds scatter.

    Raises:
        ValueError: a value is not finite.
    """
    x = _finite(values)
    n, mean = len(x), _mean(x)
    if n < 2 or are_copies(x):
        return Interval(mean, math.nan, math.nan, n)
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1) * x.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def _finite(values: ArrayLike) -> np.ndarray:
    x = np.asarray(values, dtype=np.float64)
    if not np.isfinite(x).all():
        raise ValueError(f"an interval needs finite values, not {x.tolist()}")
    return x


def _mean(x: np.ndarray) -> float:
    return float(x.mean()) if len(x) else math.nan


def log_t_interval(values: ArrayLike, *, confidence: float = CONFIDENCE) -> Interval:
    """Geometric mean with the t interval of the logarithms: never below zero, whatever n."""
    return _of_logarithms(t_interval, values, confidence)


def _of_logarithms(
    interval: Callable[..., Interval], values: ArrayLike, confidence: float
) -> Interval:
    own = interval(np.log(np.asarray(values, dtype=np.float64)), confidence=confidence)
    return Interval(exponential(own.mean), exponential(own.low), exponential(own.high), own.num)


def exponential(x: float) -> float:
    """e^x, infinite where no float holds it."""
    return math.exp(x) if x < LARGEST_EXPONENT else math.nan if math.isnan(x) else math.inf


def are_copies(values: ArrayLike) -> bool:
    """Whether several values are one, up to rounding: a deterministic thing judged alike."""
    x = np.asarray(values, dtype=np.float64)
    return len(x) > 1 and float(np.ptp(x)) <= 1e-12 * float(np.abs(x).max())


@dataclass(frozen=True)
class Effect:
    """The mean of `num` paired differences, its interval, their deviation, and the two-sided p of
    no difference; NaN where two seeds are not there to tell."""

    mean: float
    low: float
    high: float
    deviation: float
    num: int
    p: float


def paired(values: ArrayLike, others: ArrayLike, *, confidence: float = CONFIDENCE) -> Effect:
    """Student's t on the differences of one seed's two values, in the order of the seeds.

    Where all differences are equal, as between two deterministic things, there is nothing to tell
    chance by: no interval and no p.
    """
    d = np.asarray(values, dtype=np.float64) - np.asarray(others, dtype=np.float64)
    own = t_interval(d, confidence=confidence)
    if math.isnan(own.low):
        return Effect(own.mean, math.nan, math.nan, math.nan, own.num, math.nan)
    deviation = float(d.std(ddof=1))
    t = own.mean / (deviation / math.sqrt(own.num))
    return Effect(*(own.mean, own.low, own.high), deviation, own.num, _two_sided(t, own.num - 1))


def confidence_sequence(values: ArrayLike, *, confidence: float = CONFIDENCE) -> Interval:
    """Holds the mean of Gaussian values at every number of them at once, at `confidence`.

    All μ at which M_n(μ) < 1/α, M_n as in `_log_martingales`. With T = (α² c²/(n+c²))^(1/n) and
    s² = Σ(x - m)²/n it is m ± √(s² (n+c²)(1-T) / ((n+c²)T - c²)), and the whole line where that
    denominator is not positive: at 95 %, up to n = 4 (Wang & Ramdas 2023, arXiv:2310.03722).

    Raises:
        ValueError: a value is not finite.
    """
    x = _finite(values)
    n, mean = len(x), _mean(x)
    if n < 2 or are_copies(x):
        return Interval(mean, math.nan, math.nan, n)
    c2, alpha = PRIOR_PRECISION, 1 - confidence
    T = (alpha**2 * c2 / (n + c2)) ** (1 / n)
    divisor = (n + c2) * T - c2
    if divisor <= 0:
        return Interval(mean, -math.inf, math.inf, n)
    half = float(x.std()) * math.sqrt((n + c2) * (1 - T) / divisor)
    return Interval(mean, mean - half, mean + half, n)


def log_confidence_sequence(values: ArrayLike, *, confidence: float = CONFIDENCE) -> Interval:
    """Geometric mean with the confidence sequence of the logarithms."""
    return _of_logarithms(confidence_sequence, values, confidence)


def anytime(values: ArrayLike, others: ArrayLike, *, confidence: float = CONFIDENCE) -> Effect:
    """`paired`, but valid however the number of seeds was chosen, given them in their order.

    p is the least of min(1, 1/M_n) over the seeds so far: P(ever p ≤ α) ≤ α (Ville 1939), so a
    claim that was made stands. The interval is the confidence sequence at the last seed.
    """
    d = np.asarray(values, dtype=np.float64) - np.asarray(others, dtype=np.float64)
    own = confidence_sequence(d, confidence=confidence)
    if math.isnan(own.low):
        return Effect(own.mean, math.nan, math.nan, math.nan, own.num, math.nan)
    deviation = float(d.std(ddof=1))
    p = math.exp(min(0.0, -float(_log_martingales(d).max())))
    return Effect(own.mean, own.low, own.high, deviation, own.num, p)


def anytime_equivalence(values: ArrayLike, others: ArrayLike, *, margin: float) -> float:
    """p of |difference| ≥ margin at any number of seeds: where the mean lies between the margins,
    that of the nearer one, since M_n(μ) grows with the distance of μ from the mean."""
    d = np.asarray(values, dtype=np.float64) - np.asarray(others, dtype=np.float64)
    if len(d) < 2 or are_copies(d):
        return math.nan
    means = np.cumsum(d) / np.arange(1, len(d) + 1)
    evidence = np.minimum(_log_martingales(d - margin), _log_martingales(d + margin))
    return math.exp(min(0.0, -float(evidence[np.abs(means) < margin].max(initial=0.0))))


def _log_martingales(d: np.ndarray) -> np.ndarray:
    """log M_n of the first n = 1, 2, ... differences: how far a bet against mean 0 has got.

    M_n = √(c²/(n+c²)) ((n+c²)V / ((n+c²)V - S²))^(n/2) with S = Σd and V = Σd²: the Bayes factor of
    d ~ N(σδ, σ²), δ ~ N(0, 1/c²), against δ = 0, both with the prior dσ/σ (Gönen et al. 2005). At
    δ = 0 it is a martingale from M_1 = 1 whatever σ is (Lai 1976; Wang & Ramdas 2023).
    """
    c2, n = PRIOR_PRECISION, np.arange(1, len(d) + 1)
    S, V = np.cumsum(d), np.cumsum(d**2)
    known = V > 0  # zeros alone say nothing
    whole, rest = np.where(known, (n + c2) * V, 1.0), np.where(known, (n + c2) * V - S**2, 1.0)
    return (np.log(c2 / (n + c2)) + n * (np.log(whole) - np.log(rest))) / 2


def losses_anytime(only_first: int, only_second: int) -> float:
    """p of paired losses at any number of seeds: of those that one of two arms lost alone, each is
    the first's or the second's with probability ½. 1/M with M = 2^(a+b) B(a+1, b+1), the bet
    against a fair coin that mixes all coins evenly (Ville 1939)."""
    a, b = only_first, only_second
    return math.exp(min(0.0, -(a + b) * math.log(2) - float(special.betaln(a + 1, b + 1))))


def _two_sided(t: float, freedom: int) -> float:
    return float(2 * stats.t.sf(abs(t), freedom))


def equivalence(effect: Effect, *, margin: float) -> float:
    """p of |difference| ≥ margin: the larger of two one-sided tests (Schuirmann 1987)."""
    if math.isnan(effect.p):
        return math.nan
    error = effect.deviation / math.sqrt(effect.num)
    distance = margin - abs(effect.mean)
    return float(stats.t.sf(distance / error, effect.num - 1))


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p of a family, step-down (Holm 1979): below α, a claim is made with a chance of at
    most α that any claim of the family is false. NaN is no member."""
    given = sorted((value, place) for place, value in enumerate(p) if not math.isnan(value))
    adjusted, least = [math.nan] * len(p), 0.0
    for rank, (value, place) in enumerate(given):
        least = max(least, min(1.0, (len(given) - rank) * value))
        adjusted[place] = least
    return adjusted


def proportion_interval(
    successes: int, num: int, *, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """The exact interval of a proportion (Clopper & Pearson 1934)."""
    tail = (1 - confidence) / 2
    low = stats.beta.ppf(tail, successes, num - successes + 1) if successes else 0.0
    high = stats.beta.ppf(1 - tail, successes + 1, num - successes) if successes < num else 1.0
    return float(low), float(high)


@functools.lru_cache(maxsize=4096)
def boschloo(lost: int, other_lost: int, num: int) -> float:
    """Exact unconditional p of `lost` of `num` seeds against `other_lost` of as many (Boschloo
    1970): the largest over all rates that both could have, so never too small where the losses of
    one seed are independent or go together.

    A conditional test is blind at few seeds: six of six against none is p = .03 by McNemar's, which
    allows for losses that exclude each other, and 2 (1/4)^6 = .0005 here.
    """
    if lost == other_lost:
        return 1.0
    table = [[lost, other_lost], [num - lost, num - other_lost]]
    return float(stats.boschloo_exact(table, n=32).pvalue)


def seeds_needed(
    *, effect: float, deviation: float, alpha: float = ALPHA, most: int = 10_000
) -> float:
    """Least n at which a paired, two-sided t test sees `effect` with power .8.

    By the noncentral t: power = P(|T| > t_{1-α/2, n-1}), T ~ t_{n-1}(√n effect/deviation). Infinite
    beyond `most`.
    """
    if deviation == 0:
        return 2 if effect else math.inf

    def power(n: int) -> float:
        limit = stats.t.ppf(1 - alpha / 2, n - 1)
        shift = math.sqrt(n) * abs(effect) / deviation
        return float(stats.nct.sf(limit, n - 1, shift) + stats.nct.cdf(-limit, n - 1, shift))

    low, high = 2, 2
    while power(high) < POWER:
        low, high = high, 2 * high
        if high > most:
            return math.inf
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= POWER else (middle + 1, high)
    return high


def deviation_interval(
    deviation: float, num: int, *, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Of a standard deviation from `num` Gaussian values: s √((n-1)/χ²)."""
    tail = (1 - confidence) / 2
    low, high = (stats.chi2.ppf(q, num - 1) for q in (1 - tail, tail))
    return deviation * math.sqrt((num - 1) / low), deviation * math.sqrt((num - 1) / high)
