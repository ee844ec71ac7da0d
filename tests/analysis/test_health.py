"""Each warning is heard where it should be, and silent where it should not."""

import pytest
from hearing import CLEAR, FAR, heard
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
