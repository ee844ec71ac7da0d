"""What is called best, better than what, and how an answer says so."""

import numpy as np
import pytest
from lambda_sweep import question, report_of, run_rows, sweep_of

from analysis.texts.answer import answer

TEN = list(range(10))
BASE = {"loss.lambda": 0.5}


def around(value, num=10, *, scatter=0.02, seed=0):
    """An arm's seeds."""
    logs = scatter * np.random.default_rng(seed).standard_normal(num)
    return tuple(float(own) for own in value * np.exp(logs))


def told(data, **changes):
    """The table, by λ, and the answer."""
    asked = question(seeds=TEN, **({"baseline": BASE} | changes))
    report = report_of(data if isinstance(data, list) else sweep_of(data), asked)
    table = report.arms.set_index("param.loss.lambda")
    return table, " ".join(answer(report.arms, report.question))


CLEAR = {0.0: around(2.0), 0.5: around(3.0, seed=1)}


def test_one_that_is_better_than_all_others_is_called_so():
    table, text = told(CLEAR | {1.0: around(4.0, seed=2)})
    assert table["best"].tolist() == [True, False, False]
    assert "is better than every other arm." in text


def test_what_is_worse_than_the_baseline_is_not_bold_though_the_leader_scatters():
    wild = around(0.9, scatter=0.9, seed=2)
    table, _ = told({0.5: around(1.0), 1.0: around(1.2, seed=1), 1.5: wild})
    assert table["verdict"].tolist() == ["", "worse", "undecided"]
    assert table["leads"].tolist() == [False, False, True]
    assert not table["behind"].any()
    assert table["bold"].tolist() == [True, False, True]


def test_nothing_is_best_beside_an_arm_that_only_lost_a_seed():
    """Its survivors are ten times as good."""
    table, text = told(CLEAR | {1.0: (None, *around(0.2, 9, seed=2))})
    assert table["leads"].tolist() == [True, False, False]
    assert not table["best"].any()
    assert "every other arm" not in text
    table, _ = told(CLEAR | {1.0: (None,) * 9 + (0.2,)})
    assert table["best"][0.0]  # how often it is lost tells


def test_what_was_not_compared_is_said_of_the_best():
    screen = {"seeds": TEN[3:], "screen": TEN[:3], "keep": 1}
    asked = question(baseline=BASE, **screen)
    report = report_of(sweep_of(CLEAR | {1.0: around(1.9, 3, seed=2)}), asked)
    text = " ".join(answer(report.arms, asked))
    assert "is better than every other arm that was confirmed." in text
    longer = [
        row
        for seed, final in enumerate(around(0.4, seed=2))
        for row in run_rows(2, seed, {"loss.lambda": 1.0}, final=final, images=800_000)
    ]
    table, text = told([*sweep_of(CLEAR), *longer])
    assert table["contends"].tolist() == [True, True, False]
    assert "is better than every other arm that saw as many images." in text


def test_unequal_compute_is_said_with_the_claim():
    data = sweep_of(CLEAR)
    for row in data:
        row["metric.cost/evaluations"] = 10.0 * (1 + 2 * (row["param.loss.lambda"] == 0.0))
    _, text = told(data)
    assert "every other arm, at equal images but not equal network evaluations." in text
    assert "n = 10, at 3 times the network evaluations." in text


def test_an_error_is_no_evidence_against_an_arm():
    broken = [
        row
        for seed in TEN
        for row in run_rows(
            2, seed, {"loss.lambda": 1.0}, final=None, outcome="failed", cause="no memory"
        )
    ]
    table, _ = told([*sweep_of(CLEAR), *broken])
    assert table["verdict"].tolist() == ["better", "", "undecided"]
    assert not table["best"].any()


def test_an_arm_that_stopped_on_easy_seeds_does_not_lead():
    """Where seeds are added until a verdict, means are over other seeds: it is worse on each."""
    rng = np.random.default_rng(1)
    easy = np.concatenate([rng.normal(-0.5, 0.1, 10), rng.normal(1.0, 0.1, 10)])
    base, worse, like = (
        np.exp(easy + shift + rng.normal(0, 0.03, 20)) for shift in (0.0, 0.3, 0.0)
    )
    finals = {0.5: tuple(base), 1.0: tuple(worse[:10]), 1.5: tuple(like)}
    asked = question(seeds=list(range(20)), baseline=BASE, sequential=True)
    table = report_of(sweep_of(finals), asked).arms
    assert table["mean"].idxmin() == 1
    assert table["verdict"].tolist() == ["", "worse", "undecided"]
    assert not table["leads"][1]
    assert table["behind"].tolist() == [False, True, False]
    raced = question(seeds=list(range(20)), baseline={}, sequential=True)
    table = report_of(sweep_of(finals), raced).arms
    assert not table["leads"][1]


def test_losses_of_the_baseline_are_said_with_the_claim():
    _, text = told({0.5: (None,) * 10, 1.0: around(1.0)})
    assert "λ = 1: 0 of 10 seeds lost, 10 of 10 of the baseline's." in text
    _, text = told({0.5: around(3.0), 1.0: (None, *around(1.0, 9, seed=1))})
    assert "n = 9, 1 of 10 seeds lost." in text


@pytest.mark.parametrize("baseline", [{}, BASE])
def test_one_arm_alone_is_compared_with_nothing(baseline):
    table, text = told({0.5: around(1.0)}, baseline=baseline)
    assert not table["best"].any()
    assert text == "There is one arm, and nothing to compare it with."
