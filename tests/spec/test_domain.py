"""Domains: what they hold, and a space of all their kinds whose every draw is a trial."""

import math
import random

import pytest

from sid_sweep.spec import load
from sid_sweep.spec.domain import Choice, IntUniform, LogUniform, Uniform, describe

SPACE = """\
sweep: everything
question: Does every kind of domain give trials?
objective: {metric: js}
search: {sampler: random, arms: 4}
seeds: [0]
scientific:
  loss.kind: {choice: [sid, naive]}
  loss.lambda: {uniform: [-0.25, 1.5], when: {loss.kind: sid}}
nuisance:
  generator.optim.lr: {log_uniform: [1.0e-5, 1.0e-2]}
  fake_score.steps: {int_uniform: [1, 5]}
  generator.init.net.kind: {choice: [mlp, residual_mlp]}
  generator.init.net.depth: {int_uniform: [1, 3], when: {generator.init.net.kind: mlp}}
fixed:
  data: {kind: mixture}
  loss: {}
"""


def draw(domain, rng):
    match domain:
        case Choice():
            return rng.choice(domain.choice)
        case IntUniform():
            return rng.randint(*domain.int_uniform)
        case LogUniform():
            return math.exp(rng.uniform(*map(math.log, domain.log_uniform)))
        case Uniform():
            return rng.uniform(*domain.uniform)


def test_every_draw_is_a_trial(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    sweep, rng = load(path), random.Random(0)
    for seed in range(1000):
        drawn = {knob: draw(domain, rng) for knob, domain in sweep.domains.items()}
        assert all(sweep.domains[knob].holds(value) for knob, value in drawn.items())
        arm = sweep.trimmed(drawn)
        assert ("loss.lambda" in arm) == (arm["loss.kind"] == "sid")
        assert ("generator.init.net.depth" in arm) == (arm["generator.init.net.kind"] == "mlp")
        trial = sweep.trial(arm, seed)
        assert (trial.loss.kind, trial.seed) == (arm["loss.kind"], seed)
        assert trial.generator.optim.lr == arm["generator.optim.lr"]


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        (Choice(choice=[0, 1.0, "a"]), [0, 0.0, 1, "a"], [False, True, 0.5, "b"]),
        (Uniform(uniform=(0.0, 1.0)), [0, 0.5, 1.0], [-0.1, 1.1, "a"]),
        (LogUniform(log_uniform=(0.1, 10.0)), [0.1, 10], [0.0, 10.1]),
        (IntUniform(int_uniform=(2, 4)), [2, 3, 4], [1, 5]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_domain_holds_its_values_and_no_others(domain, inside, outside):
    assert all(domain.holds(value) for value in [*inside, *domain.corners()])
    assert not any(domain.holds(value) for value in outside)


def test_a_domain_describes_itself():
    assert describe(Choice(choice=[1, 2])) == {"kind": "choice", "values": [1, 2]}
    assert describe(IntUniform(int_uniform=(2, 4))) == {"kind": "int_uniform", "low": 2, "high": 4}
