"""Each warning is heard where it should be, and silent where it should not."""

import numpy as np
import pytest
from hearing import CLEAR, heard
from lambda_sweep import CAUSE, run_rows, sweep_of


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


def test_copies_are_named():
    finals = {0.0: (28.0, 28.1, 27.9), 0.5: (1.4, 1.4, 1.4), 1.0: (2.0, 2.01, 1.99)}
    sentence = (
        "1 of 3 arms gave one value at every seed: copies, not repetitions, so they have no "
        "interval, and nothing is claimed of them."
    )
    assert sentence in heard(sweep_of(finals))


@pytest.mark.parametrize(
    ("causes", "words"),
    [
        (["samples left the data's range (100 σ)"] * 3, "samples left the data's range (100 σ)"),
        (
            [f"the gradient overflows float16 at a loss scale of {x}" for x in ("1e-05", "2", "3")],
            "such as the gradient overflows float16 at a loss scale of 1e-05",
        ),
    ],
)
def test_causes_are_grouped_whatever_their_numbers(causes, words):
    rows = sweep_of(CLEAR)
    for seed, cause in enumerate(causes):
        lost = {"final": None, "outcome": "diverged", "cause": cause}
        rows += run_rows(3, seed, {"loss.lambda": 1.5}, **lost)
    assert f"3 diverged; most often (3): {words}." in heard(rows)[0]


def test_every_warning_is_one_sentence():
    for sentence in heard(sweep_of({0.0: (1.0, None), 1.0: (None, None)})):
        assert sentence.endswith(".")
        assert "\n" not in sentence


# ---- what has not begun


def test_arms_that_never_started_are_counted():
    (found,) = heard(sweep_of(CLEAR), num_arms=8)
    assert found == "5 of 8 arms have not started: this table is preliminary."
    assert heard(sweep_of(CLEAR), num_arms=3) == []


def test_nothing_of_the_end_is_said_before_it():
    """Of the baseline, say, while an arm has not started."""
    one = {"baseline": {"loss.lambda": 0.5}}
    assert "No arm is shown to be better than the baseline." in heard(sweep_of(CLEAR), **one)
    assert len(heard(sweep_of(CLEAR), num_arms=4, **one)) == 1


def screened(confirmed, **changes):
    """CLEAR on the screening seeds, and by λ the values of fresh seeds."""
    rows = sweep_of(CLEAR)
    for arm, value in enumerate(CLEAR):
        for seed, final in enumerate(confirmed.get(value, ()), start=7):
            rows += run_rows(arm, seed, {"loss.lambda": value}, final=final)
    return heard(rows, **{"screen": [0, 1, 2], "seeds": [7, 8, 9], "keep": 1} | changes)


FRESH = {0.5: (1.4, 1.42, 1.39), 1.0: (2.0, 2.02, 1.99)}


def test_screening_alone_is_preliminary():
    assert screened({}) == [
        "No arm has been confirmed on fresh seeds: this table is preliminary.",
        "No arm finished at every seed, so none leads.",
    ]


def test_only_what_is_confirmed_is_due_fresh_seeds():
    assert screened(FRESH) == []
    found = screened({**FRESH, 1.0: FRESH[1.0][:2]})
    assert found[0] == (
        "0 of 15 trials are still running and 1 have not started: this table is preliminary."
    )


def test_an_arm_that_needs_no_more_seeds_is_not_waited_for():
    many = tuple(range(12))
    finals = {0.0: [9.0 + 0.01 * s for s in many[:8]], 1.0: [2.0 + 0.01 * s for s in many]}
    rows = sweep_of({value: tuple(own) for value, own in finals.items()})
    found = heard(rows, sequential=True, seeds=list(many))
    assert not any("preliminary" in sentence for sentence in found)
    assert any("4 have not started" in sentence for sentence in heard(rows, seeds=list(many)))


# ---- what chose an arm


def test_an_arm_that_fresh_seeds_show_to_have_been_lucky():
    sentence = (
        "On fresh seeds the arm that screened best (λ = 0.5) is 1.3 times its screened value "
        "(1.8 against 1.4): it was chosen in part by luck."
    )
    assert sentence in screened({**FRESH, 0.5: (1.8, 1.81, 1.79)})
    sentence = sentence.replace("1.3 times", "no longer at")
    assert sentence in screened({**FRESH, 0.5: (1.8, 1.81, 1.79)}, scale="difference")


@pytest.mark.parametrize("fresh", [(1.2, 1.21, 1.19), (1.3, 1.9, 1.6)])
def test_an_arm_that_is_no_worse_or_not_shown_to_be_was_not_lucky(fresh):
    assert not any("luck" in sentence for sentence in screened({**FRESH, 0.5: fresh}))


def tuned(rates, **changes):
    """The warnings of λ = .5 and 1, each tried with some learning rates."""
    rows, arm = [], 0
    for value, tried in rates.items():
        for rate in tried:
            for seed, final in enumerate((1.0, 1.01, 0.99)):
                params = {"loss.lambda": value, "lr": rate}
                rows += run_rows(arm, seed, params, final=final * value * (1 + rate))
            arm += 1
    return heard(rows, nuisance=["lr"], **changes)


def test_tuning_effort_that_differs():
    found = tuned({0.5: (0.1, 0.2, 0.3), 1.0: (0.1,)})
    sentence = (
        "Tuning effort differs: λ = 0.5 is the best of 3 nuisance settings, λ = 1 of 1, and the "
        "best of more is better by luck."
    )
    assert sentence in found
    equal = tuned({0.5: (0.1, 0.2), 1.0: (0.1, 0.2)})
    assert not any("effort" in sentence for sentence in equal)


def test_tuning_by_the_reported_seeds():
    found = tuned({0.5: (0.1, 0.2), 1.0: (0.1, 0.2)})
    assert any("chosen by the seeds that the table reports" in sentence for sentence in found)
    for other in (
        tuned({0.5: (0.1,), 1.0: (0.1,)}),
        tuned({0.5: (0.1, 0.2), 1.0: (0.1, 0.2)}, screen=[0, 1, 2], seeds=[7], keep=1),
    ):
        assert not any("chosen by the seeds" in sentence for sentence in other)


# ---- losses and knobs


def test_collapse_is_counted_by_its_limit():
    found = heard(sweep_of(CLEAR), collapse={"modes": 8.5})
    assert found[0] == (
        "9 of 9 trials (100%) collapsed (modes < 8.5): they count as lost and enter no mean."
    )
    assert heard(sweep_of(CLEAR), collapse={"modes": 8.0}) == []


@pytest.mark.parametrize(
    ("num_arms", "slope", "said"), [(24, 0, True), (24, 9, False), (9, 0, False)]
)
def test_knobs_that_cannot_be_ranked(num_arms, slope, said):
    rng, rows = np.random.default_rng(0), []
    for arm in range(num_arms):
        params = {"loss.lambda": float(rng.random()), "lr": float(rng.random())}
        for seed in range(3):
            final = 1 + slope * params["lr"] + 0.1 * float(rng.random())
            rows += run_rows(arm, seed, params, final=final)
    both = {"scientific": ["loss.lambda", "lr"], "baseline": {}, "domains": {}}
    found = heard(rows, **both)
    assert any("importance of the knobs cannot be told" in s for s in found) == said
