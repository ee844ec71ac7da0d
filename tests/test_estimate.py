"""What the plan foresees is what a trial then measures, whatever its method."""

import math
import re
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sid_sweep import data, teachers
from sid_sweep.distill.build import build
from sid_sweep.distill.method import Setting
from sid_sweep.estimate import Memory, Work, forecast, memory, work
from sid_sweep.nets.size import size
from sid_sweep.spec import Trial, load
from sid_sweep.spec.nets import Blueprint
from sid_sweep.spec.reader import stated_cost

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


@pytest.mark.parametrize("name", [n for n in METHODS if small(n).method.kind == "sid"])
def test_the_work_of_a_step_is_foreseen_to_a_tenth(name, cache):
    """Not counted: that a first layer needs no gradient of its input."""
    trial = small(name)
    foreseen = work(trial)
    if name == "lora":
        assert foreseen is None
        return
    teacher = teachers.load(trial, cache=cache)
    own = build(Setting(trial, teacher, data.source(trial.data), torch.device("cpu")))
    with FlopCounterMode(display=False) as counter:
        own.step(0)
    assert foreseen is not None
    assert foreseen.step == pytest.approx(counter.get_total_flops(), rel=0.1)
    assert foreseen.trial == foreseen.step * trial.budget.images / own.images_per_step


def test_a_teacher_that_was_loaded_says_what_is_held():
    theirs = {"teacher": {"kind": "edm", "path": "a.pkl"}, "data": {"kind": "digits"}}
    init = {"init": {"kind": "teacher"}}
    trial = Trial.model_validate(theirs | {"generator": init, "fake_score": init})
    net = {"kind": "unet", "channels": 8}
    blueprint = Blueprint.model_validate({"net": net, "shape": [1, 8, 8], "sigma_data": 0.5})
    assert memory(trial) is None
    assert work(trial) is None
    held, own = memory(trial, blueprint), size(blueprint)
    assert held is not None
    assert held.state == 4 * own.weights * (4 + 2 * 3)  # φ, its copies θ and ψ and an average
    done = work(trial, blueprint)
    assert done is not None
    assert done.step == 2 * own.products * trial.batch.latents * (7 + 4) / 2


def test_an_estimate_is_one_phrase():
    assert str(Work(2.5e13, 3.6e19)) == (
        "25 TFLOP a step and 36 EFLOP a trial: 2.5 s and 1,000.0 h at 10 TFLOP/s"
    )
    assert str(Memory(3 * 2**30, 40 * 2**20)) == (
        "3 GiB of weights, gradients, moments and averages, and at most 40 MiB of activations for "
        "each latent that passes at a time"
    )


SPACES = sorted((Path(__file__).parents[1] / "search_spaces").glob("*.yaml"))
MINUTES = re.compile(r"(?:about )?(\d+)(?: to (\d+))? minutes on 2 cores")


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_the_forecast_is_within_a_factor_of_three_of_what_each_file_says(path):
    stated = stated_cost(path)
    assert re.match(r"\d+ arms x \d+ seeds", stated)
    if "GPU hours" in stated:
        return
    low, high = MINUTES.search(stated).groups()
    seconds = 60 * math.sqrt(int(low) * int(high or low))
    sweep = load(path)
    first = sweep.seeds.screen[0]
    arms = list(sweep.grid()) if sweep.search.sampler == "grid" else [sweep.first_arm()]
    trials = [sweep.trial(arm, first) for arm in arms]
    own = forecast(trials, num=sweep.num_trials, concurrency=2, cores=1, gpus=0)
    assert seconds / 3 < own.seconds < 3 * seconds
    assert 2**30 < own.memory < 2**32
    assert 2**20 < own.disk < 2**32


def test_the_disk_holds_every_student_and_the_checkpoints_of_what_runs():
    trial = small("sid")
    one, three = (forecast([trial], num=n, concurrency=1, cores=1, gpus=0) for n in (1, 3))
    two_at_once = forecast([trial], num=3, concurrency=2, cores=1, gpus=0)
    assert one.seconds * 3 == pytest.approx(three.seconds)
    assert two_at_once.memory == 2 * one.memory
    kept = (three.disk - one.disk) // 2
    assert one.disk - kept == two_at_once.disk - three.disk  # of a trial that runs
    assert kept > 4 * size(Blueprint(net=trial.generator.init.net, shape=[2], sigma_data=1)).weights


def test_nothing_is_foreseen_of_networks_whose_size_nobody_says():
    assert forecast([small("lora")], num=1, concurrency=1, cores=1, gpus=0) is None


def test_a_file_that_states_no_cost_is_asked_nothing(tmp_path):
    (tmp_path / "space.yaml").write_text("# Mine.\nsweep: a\n# Cost: no head\n")
    assert stated_cost(tmp_path / "space.yaml") == ""
