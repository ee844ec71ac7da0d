"""An edge is an objection where the neighbour inside is shown to be worse, and in no sweep else."""

import numpy as np
import pytest
from hearing import heard
from lambda_sweep import question, run_rows, sweep_of

from analysis.frame import tidy
from analysis.verdicts.arms import arms
from analysis.verdicts.edges import leader_on_edge


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


def tuned(values):
    """Rows of two λ, each with a nuisance learning rate; by (λ, rate) the value of each seed."""
    rates = sorted({rate for _, rate in values})
    rows = []
    for arm, ((value, rate), finals) in enumerate(values.items()):
        for seed, final in enumerate(finals):
            params = {"loss.lambda": value, "lr": rate}
            rows += run_rows(arm, seed, params, final=final)
    return heard(
        rows, nuisance=["lr"], baseline={"loss.lambda": 1.0}, domains={
            "loss.lambda": {"kind": "choice", "values": [0.5, 1.0]},
            "lr": {"kind": "choice", "values": rates},
        },
    )  # fmt: skip


RATES = {0.001: (3.0, 3.01, 2.99), 0.01: (2.0, 2.01, 1.99), 0.1: (1.0, 1.01, 0.99)}


def test_a_tuned_knob_has_edges_too_though_the_table_leaves_its_neighbour_out():
    values = {(0.5, rate): finals for rate, finals in RATES.items()}
    values |= {(1.0, rate): tuple(9 + 9 * x for x in finals) for rate, finals in RATES.items()}
    (edge,) = [sentence for sentence in tuned(values) if "end of the range" in sentence]
    assert edge.startswith("The arm that leads has lr = 0.1, at the upper end of the range")


def test_a_tuned_knob_within_its_range_is_no_edge():
    finals = dict(
        zip(RATES, ((2.0, 2.01, 1.99), (1.0, 1.01, 0.99), (3.0, 3.01, 2.99)), strict=True)
    )
    values = {(0.5, rate): own for rate, own in finals.items()}
    values |= {(1.0, rate): tuple(9 + 9 * x for x in own) for rate, own in finals.items()}
    assert not any("end of the range" in sentence for sentence in tuned(values))


def test_the_seeds_that_screened_say_so_where_the_neighbour_was_not_confirmed():
    finals = {0.0: (1.4, 1.41, 1.39), 0.5: (2.0, 2.01, 1.99), 1.0: (3.0, 3.01, 2.99)}
    rows = sweep_of(finals)
    for arm, value in ((0, 0.0), (2, 1.0)):
        for seed in (7, 8):
            final = {0.0: 1.4, 1.0: 3.0}[value] + seed / 100
            rows += run_rows(arm, seed, {"loss.lambda": value}, final=final)
    found = heard(rows, screen=[0, 1, 2], seeds=[7, 8], keep=1)
    assert sum("at the lower end of the range" in sentence for sentence in found) == 1


def test_a_neighbour_that_lost_a_seed_says_nothing():
    finals = {0.0: (1.4, 1.41, 1.39), 0.5: (2.0, 2.01, None), 1.0: (3.0, 3.01, 2.99)}
    assert not any("end of the range" in sentence for sentence in heard(sweep_of(finals)))


@pytest.mark.slow
def test_of_equal_arms_one_sweep_in_twenty_hears_of_an_edge_and_unconditionally_two_in_five_would():
    rng, values = np.random.default_rng(0), [0.0, 0.25, 0.5, 0.75, 1.0]
    num, heard_of, at_end = 50, 0, 0
    for _ in range(num):
        finals = np.exp(0.3 * rng.standard_normal((5, 5)) + 0.3 * rng.standard_normal(5))
        rows = sweep_of({value: tuple(own) for value, own in zip(values, finals, strict=True)})
        domains = {"loss.lambda": {"kind": "choice", "values": values}}
        asked = question(seeds=[0, 1, 2, 3, 4], domains=domains)
        data = tidy(rows, asked)
        heard_of += bool(leader_on_edge(data, arms(data, asked), asked))
        at_end += int(np.log(finals).mean(1).argmin()) in (0, 4)
    assert heard_of / num <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / num)
    assert at_end / num > 0.25


def test_an_arm_without_a_neighbour_has_no_edge():
    """A random search draws no value of a knob twice, so no two arms differ in one knob alone."""
    ranges = {
        "a": {"kind": "uniform", "low": 0.0, "high": 1.0},
        "b": {"kind": "uniform", "low": 0.0, "high": 1.0},
    }
    drawn = [{"a": 0.5, "b": 0.01}, {"a": 0.6, "b": 0.4}, {"a": 0.7, "b": 0.8}]
    rows = [
        row
        for arm, params in enumerate(drawn)
        for seed, off in enumerate((-0.01, 0.0, 0.01))
        for row in run_rows(arm, seed, params, final=1.0 + arm + off)
    ]
    assert not any(
        "end of the range" in sentence
        for sentence in heard(rows, scientific=["a", "b"], baseline={}, domains=ranges)
    )
