"""What a table says is true at the rate that it states: the whole pipeline on simulated sweeps.

Arms that are all equal, seeds with something in common, metrics that scatter in several ways,
trials that diverge. A false verdict in a table happens in at most one of twenty, whichever and
however many arms; intervals hold the truth as often as they say. The naive way, each arm against
the baseline by itself, fails in the same simulation.
"""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.arms import arms
from analysis.frame import tidy
from analysis.question import Question
from sid_sweep.trials import Measurement, Result
from sid_sweep.trials.rows import rows

TRUTH = 5.0  # what every arm is worth
SCATTERS = {  # by name: scale of the metric, and a seed's value from a unit normal
    "normal": ("difference", lambda z: TRUTH + z),
    "lognormal .3": ("ratio", lambda z: TRUTH * np.exp(0.3 * z)),
    "lognormal .6": ("ratio", lambda z: TRUTH * np.exp(0.6 * z)),
    "heavy": ("ratio", lambda z: TRUTH * np.exp(0.3 * stats.t.ppf(stats.norm.cdf(z), 3))),
}
QUICK = [(8, 5, 0.5, "lognormal .3", 0.0), (8, 5, 0.5, "normal", 0.1)]
FULL = [
    (num_arms, num_seeds, common, scatter, lost)
    for num_arms in (8, 32)
    for num_seeds in (3, 5, 10)
    for common in (0.0, 0.5, 0.8)
    for scatter in SCATTERS
    for lost in (0.0, 0.1)
    if (common, scatter) in ((0.5, "lognormal .6"), (0.8, "lognormal .3"), (0.0, "heavy"),
                             (0.5, "normal"))
]  # fmt: skip


def sweep(rng, num_arms, num_seeds, common, scatter, lost):
    """A table of arms that are all equal."""
    scale, value = SCATTERS[scatter]
    question = Question(
        sweep="null", question="Which?", metric="m", goal="minimize", scientific=("k",),
        nuisance=(), baseline={"k": 0}, seeds=tuple(range(num_seeds)), scale=scale,
        domains={"k": {"kind": "choice", "values": list(range(num_arms))}},
    )  # fmt: skip
    shared, own = rng.standard_normal(num_seeds), rng.standard_normal((num_arms, num_seeds))
    values = value(math.sqrt(common) * shared + math.sqrt(1 - common) * own)
    dead = rng.random((num_arms, num_seeds)) < lost
    data = []
    for arm, seed in np.ndindex(num_arms, num_seeds):
        place = {"sweep": "null", "arm": arm, "seed": seed, "trial": f"{arm}/{seed}", "run_id": ""}
        metrics = {} if dead[arm, seed] else {"m": float(values[arm, seed])}
        spent = {"images": 1, "seconds": 1.0, "peak_memory_bytes": 1}
        standing = Result(outcome="diverged" if dead[arm, seed] else "finished", **spent)
        measured = [Measurement(**spent, metrics=metrics, timestamp_ms=0)]
        data += rows(place, {"k": arm}, standing, measured)
    return arms(tidy(data, question), question), scale


def rates(num, *setting, seed=0):
    """How many tables hold a false verdict, how many call one arm best, how often the intervals of
    an arm and of an effect hold the truth, and in how many tables some effect's does not."""
    rng = np.random.default_rng(seed)
    verdicts = best = naive = 0
    arm_holds, effect_holds = [], []
    for _ in range(num):
        table, scale = sweep(rng, *setting)
        none = 1.0 if scale == "ratio" else 0.0
        verdicts += table["verdict"].isin(["better", "worse", "equal"]).any()
        best += table["best"].any()
        own = table[table["n"] > 1]
        center = TRUTH  # of the median, which is what a geometric mean is of
        arm_holds += list((own["low"] <= center) & (center <= own["high"]))
        compared = table[table["effect_n"] > 1]
        holds = (compared["effect_low"] <= none) & (none <= compared["effect_high"])
        effect_holds += list(holds)
        naive += not holds.all()
    return verdicts / num, best / num, np.mean(arm_holds), np.mean(effect_holds), naive / num


def check(num, setting):
    verdicts, best, arm, effect, naive = rates(num, *setting)
    error = math.sqrt(0.05 * 0.95 / num)
    assert verdicts <= 0.05 + 4 * error
    assert best <= 0.05 + 4 * error
    if setting[3] != "heavy":  # t intervals of heavy tails are a little wide
        clustered = math.sqrt(0.05 * 0.95 / num)  # arms of a table are not independent
        assert abs(arm - 0.95) < 0.02 + 4 * clustered / math.sqrt(setting[0] / 2)
        assert abs(effect - 0.95) < 0.02 + 4 * clustered
    return naive


@pytest.mark.parametrize("setting", QUICK, ids=str)
def test_equal_arms_are_told_apart_in_one_table_of_twenty(setting):
    naive = check(100, setting)
    assert naive > 0.1, "each arm by itself would err too often; this shows that it can fail"


@pytest.mark.slow
@pytest.mark.parametrize("setting", FULL, ids=str)
def test_whatever_the_scatter_and_however_many_arms(setting):
    check(200 if setting[0] == 8 else 60, setting)


def test_a_real_difference_is_found():
    """The companion: with an arm a third better and ten seeds, the table says so."""
    rng, found = np.random.default_rng(1), 0
    for _ in range(20):
        question = Question(
            sweep="s", question="?", metric="m", goal="minimize", scientific=("k",), nuisance=(),
            baseline={"k": 0}, seeds=tuple(range(10)), domains={},
        )  # fmt: skip
        values = np.exp(0.2 * rng.standard_normal((4, 10)))
        values[2] /= 1.5
        data = []
        for arm, seed in np.ndindex(4, 10):
            place = {"sweep": "s", "arm": arm, "seed": seed, "trial": "", "run_id": ""}
            spent = {"images": 1, "seconds": 1.0, "peak_memory_bytes": 1}
            own = {"m": float(values[arm, seed])}
            measured = [Measurement(**spent, metrics=own, timestamp_ms=0)]
            data += rows(place, {"k": arm}, Result(outcome="finished", **spent), measured)
        table = arms(tidy(data, question), question)
        found += table["verdict"].tolist()[2] == "better"
    assert found >= 15
