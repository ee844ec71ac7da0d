"""What is said of the number of seeds, and of pairing them."""

import math

import numpy as np
import pytest
from hearing import FAR, heard
from lambda_sweep import sweep_of

from analysis.verdicts.power import correlation
from analysis.verdicts.statistics import deviation_interval, paired, seeds_needed

NOISY = {0.5: (1.4, 2.2, 1.3, 1.8), 1.0: (1.6, 1.9, 1.7, 2.1)}
FOUR = {"seeds": [0, 1, 2, 3]}


def test_how_many_seeds_would_do_and_how_uncertain_that_is():
    *_, sentence = heard(sweep_of({**FAR, **NOISY}), **FOUR)
    effect = paired(np.log(NOISY[0.5]), np.log(NOISY[1.0]))
    ends = deviation_interval(effect.deviation, 4)
    low, need, high = (
        seeds_needed(effect=effect.mean, deviation=s) for s in (ends[0], effect.deviation, ends[1])
    )
    assert sentence == (
        "The arm that leads (λ = 0.5) is not told from the baseline (λ = 1) by 4 seeds: if they "
        f"differ as it seems, about {need:.0f} would do, with so uncertain a scatter {low:.0f} to "
        f"{high:.0f} (α = .05, power .8)."
    )


def test_three_seeds_cannot_say_how_many_would_do():
    finals = {0.0: (9.0, 9.1, 8.9), 0.5: (1.4, 1.5, 1.3), 1.0: (1.5, 1.4, 1.4)}
    *_, sentence = heard(sweep_of(finals))
    assert sentence.endswith("by 3 seeds, which cannot say how many would do.")


def test_a_leading_baseline_is_held_against_the_runner_up():
    finals = {**FAR, 0.5: (1.4, 1.5, 1.3, 1.4), 1.0: (1.41, 1.3, 1.5, 1.41)}
    *_, sentence = heard(sweep_of(finals), baseline={"loss.lambda": 0.5}, **FOUR)
    assert "from the runner-up (λ = 1)" in sentence
    assert "more than 200 seeds" in sentence


# ---- pairing


def simulated(rho, *, num_arms=8, num_seeds=10, seed=0):
    """Logs of equal arms whose seeds correlate by ρ."""
    rng = np.random.default_rng(seed)
    shared, own = rng.standard_normal(num_seeds), rng.standard_normal((num_arms, num_seeds))
    return math.sqrt(rho) * shared + math.sqrt(1 - rho) * own


def test_the_correlation_is_the_mean_over_pairs_of_arms_and_its_upper_end_holds_it():
    rng = np.random.default_rng(0)
    for rho in (0.0, 0.3, 0.8):
        found = [correlation(simulated(rho, seed=s)) for s in rng.integers(2**31, size=300)]
        own, most = np.transpose(found)
        assert own.mean() == pytest.approx(rho, abs=0.08)
        assert (most >= rho).mean() == pytest.approx(0.95, abs=0.05)


def test_scale_and_level_of_an_arm_do_not_change_the_correlation():
    values = simulated(0.5)
    scales = np.array([1, 5, 0.1, 2, 1, 30, 1, 1])[:, None]
    assert correlation(values * scales + 3) == pytest.approx(correlation(values), rel=1e-9)


@pytest.mark.parametrize(
    ("rho", "num_seeds", "said"),
    [(0.0, 20, True), (0.8, 20, False), (0.5, 10, False), (0.0, 3, False)],
)
def test_pairing_that_gained_nothing_is_said_where_the_seeds_show_it(rho, num_seeds, said):
    values = np.exp(0.2 * simulated(rho, num_seeds=num_seeds, seed=1))
    values[0] *= 9.0  # so that nothing else is to be said of the arm that leads
    rows = sweep_of({float(arm): tuple(own) for arm, own in enumerate(values)})
    found = heard(rows, seeds=list(range(num_seeds)))
    assert any("to pair them gains next to nothing" in sentence for sentence in found) == said


def test_seeds_that_go_against_each_other_widen_the_intervals():
    logs = np.linspace(-0.5, 0.5, 8)
    rows = sweep_of({0.5: tuple(np.exp(logs)), 1.0: tuple(np.exp(-logs))})
    found = heard(rows, seeds=list(range(8)))
    sentence = "Over 8 seeds the arms have little in common (mean correlation -1.00): to pair them "
    assert sentence + "widens the intervals." in found


# ---- seeds added until decided

UNDECIDED = {0.5: (1.4, 2.2, 1.3, 1.8), 1.0: (1.6, 1.9, 1.7, 2.1)}


def test_seeds_that_ran_out_are_said_and_no_number_that_would_do():
    found = heard(sweep_of(UNDECIDED), sequential=True, **FOUR)
    sentence = (
        "The 4 seeds ran out with 1 of 1 arms undecided: a longer list of seeds goes on from there."
    )
    assert sentence in found
    assert not any("would do" in sentence for sentence in found)


def test_seeds_that_did_not_run_out_are_not_said():
    assert not any("ran out" in s for s in heard(sweep_of(UNDECIDED), **FOUR))
    more = {**FOUR, "seeds": [0, 1, 2, 3, 4, 5]}
    assert not any("ran out" in s for s in heard(sweep_of(UNDECIDED), sequential=True, **more))
    many = range(12)
    told = {
        0.5: tuple(1 + seed / 10 for seed in many),
        1.0: tuple(3 + seed / 9 for seed in many),
    }
    found = heard(sweep_of(told), sequential=True, seeds=list(many))
    assert not any("ran out" in sentence for sentence in found)


def test_arms_that_are_alike_at_every_seed_are_wholly_correlated():
    own = np.array([1.0, 3.0, 2.0])
    assert correlation(np.stack([own, 2 * own])) == (1.0, 1.0)
