"""What the plan foresees is what a trial then measures, whatever its method."""

import sys
from pathlib import Path

import pytest
import torch

from sid_sweep import data, teachers
from sid_sweep.distill.build import build
from sid_sweep.distill.method import Setting
from sid_sweep.estimate import Memory, memory
from sid_sweep.spec import Trial

sys.path.insert(0, str(Path(__file__).parent / "distill"))
from methods import BASE, METHODS, TRAINED, small


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("name", METHODS)
def test_the_state_is_foreseen_to_the_byte(name, cache):
    trial = small(name)
    foreseen = memory(trial)
    if name == "lora":
        assert foreseen is None
        return
    teacher = teachers.load(trial, cache=cache)
    own = build(Setting(trial, teacher, data.source(trial.data), torch.device("cpu")))
    if trial.method.kind == "dde":
        own.step(0)  # its data's estimator comes first
    assert foreseen is not None
    assert foreseen.state == own.metrics()["cost/state_bytes"]


def test_half_precision_halves_activations_and_not_the_state():
    wide, half = (memory(small("sid", precision=p)) for p in ("float32", "bfloat16"))
    assert wide is not None
    assert half == Memory(wide.state, wide.activations_each // 2)


def test_a_student_from_the_teachers_weights_is_as_large_as_the_teacher():
    begun = {"generator": {"init": {"kind": "teacher"}}}
    own = memory(Trial.model_validate(BASE | TRAINED | begun | {"method": {"kind": "kd"}}))
    net = TRAINED["teacher"]["net"]
    fresh = {"generator": {"init": {"kind": "random", "net": net}}}
    assert own == memory(Trial.model_validate(BASE | TRAINED | fresh | {"method": {"kind": "kd"}}))


def test_an_estimate_is_one_phrase():
    assert str(Memory(3 * 2**30, 40 * 2**20)) == (
        "3 GiB of weights, gradients, moments and averages, and at most 40 MiB of activations for "
        "each latent that passes at a time"
    )
