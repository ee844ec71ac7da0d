"""A plan that could not come to an end is refused by counting, not by writing it out."""

import time
from itertools import pairwise
from pathlib import Path

import optuna
import pytest
from pydantic import ValidationError

from sid_sweep.search.study import _suggest
from sid_sweep.spec import SpecError, Trial, load
from sid_sweep.spec.domain import IntUniform, LogUniform, Uniform
from sid_sweep.spec.seeds import Seeds

LAMBDA = Path(__file__).parents[1] / "lambda.yaml"
TENTHS = "{choice: [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55]}"
KNOBS = (
    "generator.optim.lr", "generator.optim.beta1", "generator.loss_scale", "generator.sigma_init",
    "fake_score.optim.lr", "fake_score.optim.beta1", "generator.weight.exponent", "loss.lambda",
    "batch.generator_fraction",
)  # fmt: skip
SAMPLED = "search={sampler: random, arms: 3}"


def space(folder, swept: dict[str, str], **keys: str) -> Path:
    path = folder / "space.yaml"
    lines = ["sweep: many", "question: How many?", "objective: {metric: js}", "scientific:"]
    lines += [f"  {knob}: {domain}" for knob, domain in swept.items()]
    keys = {"seeds": "1", "fixed": "{data: {kind: mixture}}"} | keys
    path.write_text("\n".join([*lines, *(f"{key}: {value}" for key, value in keys.items())]))
    return path


def test_a_billion_arms_are_counted(tmp_path):
    began = time.process_time()
    with pytest.raises(SpecError, match=r":4: scientific: a grid of up to 1,000,000,000 arms"):
        load(space(tmp_path, dict.fromkeys(KNOBS, TENTHS)))
    assert time.process_time() - began < 2


def test_only_arms_that_conditions_leave_are_counted(tmp_path):
    """Nine knobs of ten values, each of which exists at the first value of the one before."""
    chain = {
        knob: TENTHS.replace("]}", f"], when: {{{before}: 0.1}}}}")
        for before, knob in pairwise(KNOBS)
    }
    sweep = load(space(tmp_path, {KNOBS[0]: TENTHS} | chain))
    assert sweep.num_arms == 8 * 9 + 10


def test_as_many_arms_as_allowed_are_a_sweep(tmp_path, monkeypatch):
    monkeypatch.setattr("sid_sweep.spec.ends.MAX_ARMS", 100)
    assert load(space(tmp_path, dict.fromkeys(KNOBS[:2], TENTHS))).num_arms == 100
    swept = dict.fromkeys(KNOBS[:2], TENTHS) | {KNOBS[2]: "{choice: [1.0, 2.0]}"}
    with pytest.raises(SpecError, match="a grid of up to 200 arms, and at most 100"):
        load(space(tmp_path, swept))


@pytest.mark.parametrize(
    ("overrides", "rule"),
    [
        (["seeds=100_000"], "seeds: 800,000 trials, and a sweep has at most 100,000"),
        (["search={sampler: random, arms: 1_000_000_000}"], "search.arms: 3,000,000,000 trials"),
        (["seeds=[9223372036854775808]"], "9223372036854775808 is beyond 2^63 - 1"),
        (["seeds=[-1]"], "must be greater than or equal to 0"),
        ([f"seeds={'9' * 5000}"], "999... is beyond 2^63 - 1"),
        (["search={sampler: tpe, arms: 3, seed: 9223372036854775808}"], "is beyond 2^63 - 1"),
        (["baseline={}", "scientific={budget.images: {choice: [1, 10000000000000000000000]}}"],
         "10000000000000000000000 is beyond 2^63 - 1"),
        (["seeds={screen: [9223372036854775807], confirm: 1}"], "775808: must be less"),
        ([SAMPLED, "nuisance.fake_score.steps={int_uniform: [1, 2_000_000_000_000]}"],
         "more than a sampler can divide"),
        ([SAMPLED, "nuisance.generator.optim.lr={uniform: [-1.0e+308, 1.0e+308]}"],
         "ends lie within ±1e+300"),
        ([SAMPLED, "nuisance.generator.optim.lr={uniform: [0.0, 4.9e-324]}"], "1e-300 apart"),
        (["generator.init={net: {depth: 1_000_000}}"], "must be less than or equal to 1000"),
    ],
)  # fmt: skip
def test_what_has_no_end_or_no_room_is_refused_in_one_line(overrides, rule):
    with pytest.raises(SpecError) as caught:
        load(LAMBDA, overrides)
    (line,) = str(caught.value).splitlines()
    assert rule in line
    assert line.startswith("--set ")
    assert len(line) < 400


def test_a_trial_made_in_python_has_the_same_seeds():
    with pytest.raises(ValidationError, match="less than or equal"):
        Trial.model_validate({"data": {"kind": "mixture"}, "seed": 2**63})


def test_a_hundred_thousand_seeds_are_read_at_once():
    began = time.process_time()
    assert len(Seeds.model_validate(100_000).screen) == 100_000
    assert time.process_time() - began < 2


@pytest.mark.parametrize("sampler", [optuna.samplers.RandomSampler, optuna.samplers.TPESampler])
@pytest.mark.parametrize(
    "domain",
    [
        Uniform(uniform=(-1e300, 1e300)),
        Uniform(uniform=(0.0, 1e-300)),
        LogUniform(log_uniform=(5e-324, 1e300)),
        IntUniform(int_uniform=(-(10**12), 10**12)),
        IntUniform(int_uniform=(10**12 - 3, 10**12)),
    ],
    ids=repr,
)
def test_the_widest_ranges_are_drawn_from(sampler, domain):
    """As the study does; a warning of Optuna's arithmetic is an error here."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=sampler(seed=0))
    for number in range(15):
        proposal = study.ask()
        value = _suggest(proposal, "knob", domain)
        assert domain.holds(value)
        study.tell(proposal, float(number % 4))
