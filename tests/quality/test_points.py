"""The judge of points: fresh data is perfect, modes are counted, and their tails."""

import math

import numpy as np
import pytest
import torch

from sid_sweep import spec
from sid_sweep.data import mixture
from sid_sweep.quality.points import MODE_SHARE, points_judge

RING = spec.Mixture(kind="mixture")
NUM = 2048


@pytest.fixture(scope="module")
def judge():
    return points_judge(RING, NUM)


def fresh(num, *, data=RING, seed=0):
    return mixture(data).sample(num, generator=torch.Generator().manual_seed(seed)).float()


def looks_fresh(judge, data, *, draws=50):
    """Whether the mean of ratio² is within 4 standard errors of 1, those of the judge included."""
    ratios = [judge.measure(fresh(NUM, data=data, seed=seed))["sw2_ratio"] for seed in range(draws)]
    squares = torch.tensor(ratios).double().square()
    references = len(judge.fresh)
    pairs = torch.stack([(judge.fresh - one).square().mean((1, 2)) for one in judge.fresh])
    means = pairs.sum(1) / (references - 1) / judge.floor**2
    assert means.mean().item() == pytest.approx(1, rel=1e-5)  # the floor is the mean over pairs
    variance = squares.var() / draws + 4 * means.var() / references  # Hoeffding's, for the pairs
    return abs(float(squares.mean()) - 1) < 4 * float(variance.sqrt())


def test_fresh_data_has_ratio_one(judge):
    assert looks_fresh(judge, RING)
    assert not looks_fresh(judge, spec.Mixture(kind="mixture", radius=1.5))
    assert not looks_fresh(judge, spec.Mixture(kind="mixture", deviation=0.05))


@pytest.mark.parametrize("modes", [1, 4, 8])
def test_modes_are_counted(judge, modes):
    samples = mixture(RING).means.float()[:modes].repeat_interleave(NUM // modes, 0)
    measured = judge.measure(samples)
    assert (measured["modes"], measured["off_modes"]) == (modes, 0.0)


def test_a_mode_needs_a_fifth_of_its_share():
    judge, centres = points_judge(RING, 4000), mixture(RING).means.float()
    needed = round(4000 * MODE_SHARE / 8)
    for num, modes in ((needed, 2.0), (needed - 1, 1.0)):
        samples = torch.cat([centres[1:2].expand(num, 2), centres[:1].expand(4000 - num, 2)])
        assert judge.measure(samples)["modes"] == modes


def test_off_modes_is_the_tail_beyond_four_deviations(judge):
    """exp(-4²/2) of a planar Gaussian, within 4 standard errors; three deviations are far off."""
    draws = 100
    tails = [judge.measure(fresh(NUM, seed=seed))["off_modes"] for seed in range(draws)]
    tail, error = sum(tails) / draws, math.sqrt(math.exp(-8) / (draws * NUM))
    assert abs(tail - math.exp(-8)) < 4 * error
    assert abs(tail - math.exp(-4.5)) > 4 * error


def test_one_mode_is_far_worse_than_fresh_data(judge):
    collapsed = fresh(8 * NUM)
    near = (collapsed - torch.tensor([1.4, 0.0])).norm(dim=1) < 0.5
    measured = judge.measure(collapsed[near][: NUM // 4].repeat(4, 1))
    assert measured["modes"] == 1
    assert measured["sw2_ratio"] > 10


def test_a_picture_shows_the_samples(judge):
    picture, other = judge.picture(fresh(NUM)), judge.picture(torch.zeros(NUM, 2))
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[2] == 3
    assert not np.array_equal(picture, other)
    assert other[128, 128].sum() < other[0, 0].sum()  # ink where the samples are, white elsewhere
