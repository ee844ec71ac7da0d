"""Judges: fresh data is as good as it gets, collapse is seen, names are those that the spec
promises."""

import numpy as np
import pytest
import torch

from sid_sweep import quality, spec, teachers
from sid_sweep.data import digits, mixture
from sid_sweep.quality.images import load_classifier
from sid_sweep.quality.pictures import by_class, sheet
from sid_sweep.quality.points import points_judge
from sid_sweep.spec import Trial

RING = spec.data.Mixture(kind="mixture")
DIGITS = {
    "data": {"kind": "digits"},
    "noise": {"kind": "edm"},
    "teacher": {
        "kind": "trained",
        "images": 2000,
        "net": {"kind": "residual_mlp", "width": 16, "depth": 1},
    },
    "generator": {"init": {"kind": "teacher"}},
    "fake_score": {"init": {"kind": "teacher"}},
}


def fresh(num, seed):
    return mixture(RING).sample(num, generator=torch.Generator().manual_seed(seed)).float()


def test_modes_are_counted():
    judge = points_judge(RING, 1024, seed=0)
    everything = judge.measure(fresh(1024, 0))
    assert everything["modes"] == 8
    assert everything["off_modes"] < 0.01
    points = fresh(1024, 0)
    half = judge.measure(points[points[:, 0] > 0].repeat(3, 1)[:1024])
    assert half["modes"] in (3, 4, 5)
    assert half["js"] > 0.2
    nowhere = judge.measure(torch.zeros(1024, 2))
    assert (nowhere["modes"], nowhere["off_modes"]) == (0, 1)


def test_metrics_are_those_that_the_specification_lists():
    judge = points_judge(RING, 64, seed=0)
    assert list(judge.measure(fresh(64, 0))) == list(spec.data.Mixture.metrics)


def test_each_of_few_points_can_be_seen_and_many_are_a_cloud():
    line = torch.linspace(-1, 1, 8)
    few = torch.cartesian_prod(line, line)
    inked = {n: (quality.picture(RING, few.repeat(n, 1))[..., 0] < 200).sum() for n in (1, 128)}
    assert 64 * 16 <= inked[1] <= 64 * 36  # squares, none upon another
    assert inked[128] == 64  # a pixel where there are many


def test_a_picture_is_bytes():
    picture = quality.picture(RING, fresh(64, 0))
    assert picture.dtype == np.uint8
    assert picture.shape == (256, 256, 3)


COLOURS = torch.tensor([[1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])


@pytest.mark.parametrize(("side", "times"), [(8, 6), (16, 6), (32, 3), (64, 1), (256, 1)])
def test_a_sheet_is_square_and_enlarges_what_is_small(side, times):
    images = COLOURS[torch.arange(4) % 3, :, None, None].expand(4, 3, side, side)
    drawn = sheet(images)
    cell = times * side + 4
    assert drawn.shape == (2 * cell, 2 * cell, 3)
    middles = drawn[cell // 2 :: cell, cell // 2 :: cell]
    assert middles.tolist() == [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 0, 0]]]
    assert (drawn[:2] == 0).all()  # the frame


def test_what_is_left_of_a_sheet_is_white_and_grey_is_grey():
    drawn = sheet(torch.zeros(5, 1, 32, 32))
    assert drawn.shape == (200, 300, 3)
    assert (drawn[100:, 200:] == 255).all()
    assert (drawn[2:98, 2:98] == 128).all()


def test_large_pictures_are_fewer():
    data = spec.data.Patches(kind="patches")
    assert quality.picture(data, torch.zeros(100, 3, 256, 256)).shape == (1300, 1300, 3)
    assert quality.picture(data, torch.zeros(7, 3, 256, 256), num_images=7).shape == (780, 780, 3)


def test_a_row_of_a_sheet_has_one_class_and_many_classes_lie_evenly():
    labels = torch.arange(10).repeat(20)
    assert labels[by_class(labels, side=10)].view(10, 10).float().std(1).eq(0).all()
    two = torch.arange(2).repeat(50)
    assert two[by_class(two, side=10)].view(10, 10)[:, 0].tolist() == [0] * 5 + [1] * 5
    three = torch.arange(3).repeat(50)
    assert three[by_class(three, side=10)].view(9, 10)[:, 0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    many = torch.arange(100).repeat(5)
    assert many[by_class(many, side=5)].view(5, 5)[:, 0].tolist() == [0, 25, 50, 74, 99]
    assert by_class(torch.tensor([0, 0, 0, 1]), side=2) is None  # one has too few


def test_a_sheet_of_classes_beside_one_of_the_data(tmp_path):
    data = spec.data.Digits(kind="digits", labels=True)
    real = quality.picture_of_data(data, cache=tmp_path)
    assert real.shape == (520, 520, 3)
    shades = torch.linspace(-1, 1, 10)[torch.arange(100) % 10, None, None, None].expand(-1, 1, 8, 8)
    drawn = quality.picture(data, shades, labels=torch.arange(100) % 10)
    rows = drawn[26::52, 26::52, 0]
    assert (rows == rows[:, :1]).all()
    assert (np.diff(rows[:, 0].astype(int)) > 0).all()
    other = quality.picture(data, shades)[26::52, 26::52, 0]
    assert not (other == other[:, :1]).all()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def test_a_teacher_is_trained_once_and_deterministically(cache, tmp_path):
    trial = Trial.model_validate(DIGITS)
    progress = []
    first = teachers.load(trial, cache=cache, report=lambda *figures: progress.append(figures))
    assert progress[-1][:2] == (2000, 2000)
    again = teachers.load(trial, cache=cache, report=lambda *figures: pytest.fail("trained again"))
    other = teachers.load(trial, cache=tmp_path)
    for one, two, three in zip(
        *(teacher.denoiser.parameters() for teacher in (first, again, other)), strict=True
    ):
        assert torch.equal(one, two)
        assert torch.equal(one, three)


@pytest.mark.slow
def test_digits_are_judged_relative_to_real_ones(cache):
    trial = Trial.model_validate(DIGITS)
    judge = quality.judge(trial, teachers.load(trial, cache=cache), cache=cache)
    images, _ = digits()
    real = images[torch.randint(len(images), (len(judge.latents),), generator=torch.Generator())]
    good = judge.measure(real)
    assert list(good) == list(spec.data.Digits.metrics)
    assert good["class_score_ratio"] == pytest.approx(1, abs=0.05)
    noise = judge.measure(torch.randn(real.shape, generator=torch.Generator().manual_seed(0)))
    assert noise["fd_ratio_real"] > 10
    assert quality.picture(trial.data, real).shape == (520, 520, 3)


@pytest.mark.slow
def test_the_classifier_knows_digits_that_it_has_not_seen(cache):
    _, accuracy = load_classifier(cache=cache)
    assert accuracy > 0.95
