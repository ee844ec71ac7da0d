"""Each warning is heard where it should be, and silent where it should not."""

import numpy as np
import pytest
from lambda_sweep import CAUSE, question, run_rows, sweep_of

from analysis.arms import arms
from analysis.frame import tidy
from analysis.health import warnings
from analysis.statistics import deviation_interval, paired, seeds_needed

CLEAR = {0.0: (28.0, 28.1, 27.9), 0.5: (1.4, 1.41, 1.39), 1.0: (2.0, 2.01, 1.99)}
"""Best in the middle, far ahead of the baseline, all seeds finished: nothing to object to."""


def heard(rows, **changes):
    asked = question(**{"baseline": {"loss.lambda": 1.0}} | domain([0.0, 0.5, 1.0]) | changes)
    data = tidy(rows, asked)
    return warnings(data, arms(data, asked), asked)


def domain(values):
    return {"domains": {"loss.lambda": {"kind": "choice", "values": values}}}


def test_silence_where_all_is_well():
    assert heard(sweep_of(CLEAR)) == []


def test_unfinished_trials():
    rows = sweep_of({**CLEAR, 1.0: (2.0,)})
    rows += run_rows(2, 1, {"loss.lambda": 1.0}, final=3.0, outcome="running")
    assert heard(rows)[0] == (
        "1 of 9 trials are still running and 1 have not started: this table is preliminary."
    )


def test_lost_trials_with_their_commonest_cause():
    rows = sweep_of({**CLEAR, 1.5: (None, None)})
    rows += run_rows(3, 2, {"loss.lambda": 1.5}, final=None, outcome="failed", cause="disk full")
    assert heard(rows) == [
        "3 of 12 trials (25%) ended without a value: 2 diverged, 1 failed; "
        f"most often (2): {CAUSE}."
    ]


def test_no_complete_arm():
    found = heard(sweep_of({0.5: (1.0, None, 1.1), 1.0: (1.2, 1.3, None)}))
    assert "No arm finished at every seed, so none leads." in found


def test_unequal_budgets():
    rows = sweep_of({0.0: (28.0, 28.1, 27.9), 0.5: (1.4, 1.41, 1.39)})
    more = [
        row
        for seed, final in enumerate((2.0, 2.01, 1.99))
        for row in run_rows(2, seed, {"loss.lambda": 1.0}, final=final, images=410_000)
    ]
    assert heard(rows + more) == [
        "Budgets differ by more than 2%, from 400,000 images (λ = 0) to 410,000 (λ = 1): "
        "such arms are not comparable."
    ]


def test_budgets_within_two_percent_are_equal():
    rows = sweep_of({0.0: (28.0, 28.1, 27.9), 0.5: (1.4, 1.41, 1.39)})
    for seed, final in enumerate((2.0, 2.01, 1.99)):
        rows += run_rows(2, seed, {"loss.lambda": 1.0}, final=final, images=408_000)
    assert heard(rows) == []


@pytest.mark.parametrize(
    ("finals", "who"),
    [
        ({0.0: (28.0,), 0.5: (1.4,), 1.0: (2.0,)}, "Every arm has"),
        ({**CLEAR, 1.5: (3.0, None, None)}, "The arm (λ = 1.5) has"),
        ({**CLEAR, 1.5: (3.0,), 2.0: (4.0,)}, "The arms (λ = 1.5) and (λ = 2) have"),
        ({**CLEAR, 2.0: (1,), 3.0: (1,), 4.0: (1,), 5.0: (1,)}, "4 of 7 arms have"),
    ],
)
def test_one_seed_has_no_interval(finals, who):
    sentence = f"{who} one finished seed, so no interval: a difference there may be chance."
    assert sentence in heard(sweep_of(finals))


def test_the_best_arm_on_the_edge():
    finals = {0.0: (1.4, 1.41, 1.39), 0.5: (2.0, 2.01, 1.99), 1.0: (3.0, 3.01, 2.99)}
    assert heard(sweep_of(finals)) == [
        "The arm that leads has λ = 0, at the lower end of the range searched (0 to 1), and is "
        "better than its neighbour inside: a better value may lie outside."
    ]


@pytest.mark.parametrize("last", [(3.0, 3.01, 2.99), (1.5, 1.7, 1.55)])
def test_an_edge_that_chance_may_have_chosen_is_no_warning(last):
    """Whether another arm is clearly worse or none is."""
    finals = {0.0: (1.4, 1.6, 1.5), 0.5: (1.5, 1.45, 1.6), 1.0: last}
    assert not any("end of the range" in sentence for sentence in heard(sweep_of(finals)))


@pytest.mark.parametrize(
    ("space", "end"),
    [
        ({"kind": "uniform", "low": 0.0, "high": 10.0}, None),  # .5 is exactly 5 % of the range
        ({"kind": "uniform", "low": 0.1, "high": 10.0}, "lower"),
        ({"kind": "uniform", "low": -9.0, "high": 0.9}, "upper"),
        ({"kind": "log_uniform", "low": 0.1, "high": 10.0}, None),
        ({"kind": "log_uniform", "low": 1e-6, "high": 0.6}, "upper"),
        ({"kind": "int_uniform", "low": 0, "high": 1}, None),
        ({"kind": "choice", "values": [0.5, 1.0]}, None),  # two choices are no range
        ({"kind": "choice", "values": ["a", 0.5, 1.0]}, None),
    ],
)
def test_the_edge_of_every_kind_of_domain(space, end):
    low = space.get("low")
    space = {**space, "low": low - 1e-9} if low == 0.0 and space["kind"] == "uniform" else space
    finals = {0.5: (1.4, 1.41, 1.39), 1.0: (2.0, 2.01, 1.99)}
    found = heard(sweep_of(finals), domains={"loss.lambda": space})
    assert [f"at the {end} end" in sentence for sentence in found] == ([True] if end else [])


def test_the_baseline_is_not_beaten():
    found = heard(sweep_of(CLEAR), baseline={"loss.lambda": 0.5})
    assert found == ["No arm is shown to be better than the baseline."]


def test_nothing_is_said_of_the_baseline_while_an_arm_runs():
    rows = sweep_of({**CLEAR, 1.0: (2.0, 2.01)})
    rows += run_rows(2, 2, {"loss.lambda": 1.0}, final=3.0, outcome="running")
    found = heard(rows, baseline={"loss.lambda": 0.5})
    assert not any("baseline" in sentence for sentence in found)


def test_the_baseline_did_not_finish():
    found = heard(sweep_of({**CLEAR, 1.5: (None, None, None)}), baseline={"loss.lambda": 1.5})
    sentence = "The baseline (λ = 1.5) has no finished trial: nothing can be compared with it."
    assert sentence in found


def test_no_baseline_no_comparison():
    assert heard(sweep_of(CLEAR), baseline={}) == []


NOISY = {0.5: (1.4, 2.2, 1.3, 1.8), 1.0: (1.6, 1.9, 1.7, 2.1)}
FAR = {0.0: (9.0, 9.1, 8.9, 9.2)}
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


def test_copies_are_named():
    finals = {0.0: (28.0, 28.1, 27.9), 0.5: (1.4, 1.4, 1.4), 1.0: (2.0, 2.01, 1.99)}
    sentence = (
        "1 of 3 arms gave one value at every seed: copies, not repetitions, so they have no "
        "interval and no verdict."
    )
    assert sentence in heard(sweep_of(finals))


def test_causes_are_grouped_whatever_their_numbers():
    rows = sweep_of(CLEAR)
    for seed, reached in enumerate(("1.54e+04", "287", "2.9")):
        cause = f"a sample of {reached} is beyond 99.5"
        lost = {"final": None, "outcome": "diverged", "cause": cause}
        rows += run_rows(3, seed, {"loss.lambda": 1.5}, **lost)
    assert "3 diverged; most often (3): a sample of … is beyond …." in heard(rows)[0]


def test_every_warning_is_one_sentence():
    for sentence in heard(sweep_of({0.0: (1.0, None), 1.0: (None, None)})):
        assert sentence.endswith(".")
        assert "\n" not in sentence
