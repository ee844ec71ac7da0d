"""The judge of digits: real data and the teacher are its units, noise and repetition fail."""

import numpy as np
import pytest
import torch

from sid_sweep import spec, teachers
from sid_sweep.data import digits
from sid_sweep.quality import judge as build_judge
from sid_sweep.quality import picture
from sid_sweep.quality.images import (
    NUM_SAMPLES,
    STANDING,
    _redrawn,
    _teacher_samples,
    load_classifier,
    standing_mean,
)
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


def redrawn(num, *, seed):
    random = torch.Generator().manual_seed(seed)
    return digits()[0][torch.randint(1797, (num,), generator=random)]


@pytest.mark.slow
def test_a_perfect_student_reads_one(judge):
    """On average over 40 draws, within 4 standard errors; one draw scatters by an eighth."""
    reads = [judge.measure(redrawn(NUM_SAMPLES, seed=s))["fd_ratio_real"] for s in range(40)]
    deviation = np.std(reads, ddof=1)
    assert abs(np.mean(reads) - 1) < 4 * np.hypot(deviation / 40**0.5, STANDING)
    assert 0.08 < deviation < 0.2
    part = redrawn(NUM_SAMPLES, seed=0)
    part[: NUM_SAMPLES // 20] = -part[: NUM_SAMPLES // 20]
    assert judge.measure(part)["fd_ratio_real"] > 1 + 4 * deviation
    assert judge.measure(redrawn(NUM_SAMPLES, seed=0))["class_score_ratio"] == pytest.approx(
        1, rel=0.02
    )


@pytest.mark.slow
def test_the_teachers_samples_are_the_other_unit(judge, teacher):
    drawn = _teacher_samples(teacher, TRIAL.noise)
    reads = [judge.measure(next(drawn)) for _ in range(4)]
    ratios = np.array([read["fd_ratio"] for read in reads])
    assert ratios.std(ddof=1) / 2 <= STANDING  # so it took no more than the least number of draws
    assert ratios.mean() == pytest.approx(1, rel=1e-9)
    assert reads[0]["fd_ratio_real"] > 2  # this one has learnt little


def test_a_unit_is_averaged_until_it_stands():
    random = np.random.default_rng(0)
    means = [standing_mean(iter(random.normal(5, 1, 2000))) for _ in range(30)]
    assert np.std(means) < 1.5 * STANDING * 5
    assert np.std(means) > 0.5 * STANDING * 5  # and no longer than that
    assert standing_mean(iter([3.0] * 9)) == 3


def test_seeds_have_latents_of_their_own(cache, teacher):
    one, other = (
        build_judge(TRIAL.model_copy(update={"seed": seed}), teacher, cache=cache)
        for seed in (0, 1)
    )
    assert one.latents.shape == (NUM_SAMPLES, 1, 8, 8)
    assert not torch.equal(one.latents, other.latents)
    assert one.references == other.references


def test_real_digits_are_white(judge):
    assert judge.real.mean(0).abs().max() < 1e-9
    assert (torch.cov(judge.real.T) - torch.eye(32)).abs().max() < 1e-9


def test_redrawn_digits_are_real_ones(judge):
    drawn = next(_redrawn(judge.real))
    rows = {tuple(row) for row in judge.real.tolist()}
    assert {tuple(row) for row in drawn[:50].tolist()} <= rows


def test_a_teacher_of_one_level_is_no_unit(cache, teacher):
    """It can only denoise at that level, so there are no samples of its own to compare with."""
    noise = {"kind": "fixed", "sigma": 1.0}
    trial = Trial.model_validate({**TRIAL.model_dump(by_alias=True), "noise": noise})
    single = build_judge(trial, teacher, cache=cache)
    measured = single.measure(digits()[0])
    assert "fd_teacher" not in single.references
    assert "fd_ratio" not in measured
    assert set(measured) == set(trial.metrics) & set(trial.data.metrics)


def test_noise_and_repetition_are_bad(judge):
    random = torch.Generator().manual_seed(0)
    noise = torch.rand(NUM_SAMPLES, 1, 8, 8, generator=random) * 2 - 1
    assert judge.measure(noise)["fd_ratio_real"] > 10
    repeated = judge.measure(digits()[0][:1].repeat(NUM_SAMPLES, 1, 1, 1))
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


@pytest.mark.slow
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
