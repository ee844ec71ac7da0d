"""What the loop and its callers may expect of every method."""

import pytest
import torch
from methods import EVERY, EVERY_TRAINED, METHODS, shown, small

from sid_sweep import data, quality, spec, teachers
from sid_sweep.distill import distill
from sid_sweep.distill.build import build
from sid_sweep.distill.method import Setting
from sid_sweep.spec.base import variants

every_method = pytest.mark.parametrize("name", EVERY)
every_trained = pytest.mark.parametrize("name", EVERY_TRAINED)


def method(trial, cache):
    return build(Setting(trial, teachers.load(trial, cache=cache), data.source(trial.data)))


def test_every_method_and_every_loss_is_among_them():
    trials = [small(name) for name in METHODS]
    assert {trial.method.kind for trial in trials} == set(variants(spec.Method))
    for kind in set(variants(spec.Loss)) - {trial.loss.kind for trial in trials if trial.loss}:
        assert kind in ("naive", "middle", "full", "teacher_only")  # points of the plane, or a part


@every_method
def test_twice_is_bitwise_the_same(name, straight, cache):
    again = [shown(p) for p in distill(small(name), cache=cache)]
    assert again == straight(name).records
    assert again[-1][1] == "finished"


@every_method
def test_resumed_from_a_record_the_rest_is_bitwise_the_same(name, straight, cache):
    """From the first, one in the middle, and the last: between evaluations and at one."""
    own = straight(name)
    for index in {0, len(own.records) // 2, len(own.records) - 1}:
        rest = distill(small(name), cache=cache, resume=own.state(index))
        assert [shown(p) for p in rest] == own.records[index + 1 :]


@every_method
def test_the_last_record_has_every_promised_metric(name, straight):
    trial, last = small(name), straight(name).last
    assert set(trial.metrics) - {"cost/samples_per_second"} <= set(last.metrics)
    assert last.samples_per_second > 0
    assert quality.picture(trial.data, last.samples).dtype == "uint8"


@every_trained
def test_a_step_moves_the_student_and_the_clock(name, cache):
    trained = method(small(name), cache)
    before = {key: value.clone() for key, value in trained.student.weights().items()}
    assert trained.costs.forwards == 0 or name == "kd"
    for step in range(3):
        trained.step(step * trained.images_per_step)
    after = trained.student.weights()
    assert any(not torch.equal(before[key], after[key]) for key in before)
    assert trained.costs.forwards > 0
    assert trained.costs.backwards > 0
    assert trained.images_per_step in (16, 32)


def test_low_rank_additions_share_what_does_not_learn(cache):
    """Without them: four sets of weights, and of two a gradient and two moments. With them, one."""
    full = {"init": {"kind": "teacher"}}
    whole = method(small("lora", generator=full, fake_score=full), cache)
    one = sum(p.nbytes for p in whole.teacher.denoiser.parameters())
    assert whole.metrics()["cost/state_bytes"] == (4 + 2 * 3) * one
    adapted = method(small("lora"), cache)
    learnt = sum(p.nbytes for p in adapted.fake_score.parameters() if p.requires_grad)
    assert adapted.metrics()["cost/state_bytes"] == one + (3 + 2 * 3) * learnt
