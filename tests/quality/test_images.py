"""The judge of digits: real data and the teacher are its units, noise and repetition fail."""

import numpy as np
import pytest
import torch

from sid_sweep import spec, teachers
from sid_sweep.data import digits, halves
from sid_sweep.quality import judge as build_judge
from sid_sweep.quality import picture
from sid_sweep.quality.images import NUM_SPLITS, load_classifier, teacher_samples
from sid_sweep.spec import Trial

TRIAL = Trial.model_validate(
    {
        "data": {"kind": "digits"},
        "noise": {"kind": "edm"},
        "teacher": {
            "kind": "trained",
            "net": {"width": 32, "depth": 1},
            "images": 5120,
            "batch": 128,
        },
    }
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def teacher(cache):
    return teachers.load(TRIAL, cache=cache)


@pytest.fixture(scope="module")
def judge(cache, teacher):
    return build_judge(TRIAL, teacher, cache=cache)


def test_redrawn_digits_are_the_unit_and_the_other_half_is_further(judge):
    """A perfect memoriser of all digits redraws them; one half knows nothing of the other."""
    images, _ = digits()
    random = torch.Generator().manual_seed(0)
    redrawn = images[torch.randint(len(images), (judge.num_samples,), generator=random)]
    measured = judge.measure(redrawn)
    assert measured["fd_ratio_real"] == pytest.approx(1, rel=0.1)
    assert measured["class_score_ratio"] == pytest.approx(1, rel=0.02)
    others = torch.cat([images[halves(len(images), split=split)[1]] for split in range(NUM_SPLITS)])
    assert judge.measure(others)["fd_ratio_real"] > 1.15


def test_the_teachers_samples_are_the_other_unit(judge, teacher):
    samples = teacher_samples(teacher, TRIAL.noise, judge.num_samples)
    measured = judge.measure(samples)
    assert measured["fd_ratio"] == pytest.approx(1, rel=1e-6)
    assert measured["fd_ratio_real"] > 2  # this one has learnt little


def test_a_teacher_of_one_level_is_no_unit(cache, teacher):
    """It can only denoise at that level, so there are no samples of its own to compare with."""
    noise = {"kind": "fixed", "sigma": 1.0}
    trial = Trial.model_validate({**TRIAL.model_dump(by_alias=True), "noise": noise})
    single = build_judge(trial, teacher, cache=cache)
    measured = single.measure(digits()[0].repeat(4, 1, 1, 1)[: single.num_samples])
    assert "fd_teacher" not in single.references
    assert "fd_ratio" not in measured
    assert set(measured) == set(trial.metrics) & set(trial.data.metrics)


def test_noise_and_repetition_are_bad(judge):
    random = torch.Generator().manual_seed(0)
    noise = torch.rand(judge.num_samples, 1, 8, 8, generator=random) * 2 - 1
    assert judge.measure(noise)["fd_ratio_real"] > 10
    repeated = judge.measure(digits()[0][:1].repeat(judge.num_samples, 1, 1, 1))
    assert repeated["class_score"] == pytest.approx(1, abs=1e-6)
    assert repeated["fd_ratio_real"] > 10


def test_classifier_and_figures_are_made_once(cache, teacher, judge):
    made = {path: path.stat().st_mtime_ns for path in cache.rglob("*") if path.suffix != ".lock"}
    assert {path.parent.name for path in made if path.is_file()} == {
        "teachers",
        "classifiers",
        "judges",
    }
    again = build_judge(TRIAL, teachers.load(TRIAL, cache=cache), cache=cache)
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert again.references == judge.references
    assert torch.equal(again.real, judge.real)


def test_the_classifier_is_deterministic(judge, tmp_path):
    again, accuracy = load_classifier(cache=tmp_path)
    ours = judge.classifier.state_dict()
    assert all(torch.equal(weights, ours[name]) for name, weights in again.state_dict().items())
    assert accuracy == judge.references["classifier_accuracy"]


def test_a_picture_shows_a_hundred_digits():
    drawn = picture(spec.data.Digits(kind="digits"), digits()[0])
    assert drawn.dtype == np.uint8
    assert drawn.shape == (520, 520, 3)  # 10 x 10 digits, 8 pixels of 6, frames of 2
    assert (drawn.min(), drawn.max()) == (0, 255)
    first = digits()[0][0, 0].add(1).mul(127.5).round().byte().repeat_interleave(6, 0)
    assert np.array_equal(drawn[2:50, 2:50, 0], first.repeat_interleave(6, 1).numpy())
