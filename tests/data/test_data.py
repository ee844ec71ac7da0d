"""Digits, their halves, and mixtures by name."""

import pytest
import torch

from sid_sweep import spec
from sid_sweep.data import digits, halves, mixture


def test_digits_fill_minus_one_to_one():
    images, classes = digits()
    assert images.shape == (1797, 1, 8, 8)
    assert (images.min(), images.max()) == (-1, 1)
    assert images.dtype == torch.float32
    counts = torch.bincount(classes).tolist()
    assert len(counts) == 10
    assert min(counts) > 170


@pytest.mark.parametrize("num", [10, 1797])
def test_halves_are_disjoint_and_equal(num):
    first, second = (set(half.tolist()) for half in halves(num, split=3))
    assert first.isdisjoint(second)
    assert len(first) == len(second) == num // 2
    assert first | second <= set(range(num))
    assert set(halves(num, split=3)[0].tolist()) == first
    assert set(halves(num, split=4)[0].tolist()) != first


def test_a_ring_by_its_specification():
    ring = mixture(spec.data.Mixture(kind="mixture", radius=2.0, deviation=0.3))
    assert ring.means.shape == (8, 2)
    assert ring.means.norm(dim=1).tolist() == pytest.approx([2.0] * 8)
    assert ring.variances.tolist() == pytest.approx([0.09] * 8)
    assert ring.means.dtype == torch.float64


NAMES = {"ring8": 8, "grid25": 25, "spirals": 48, "checkerboard": 128, "scattered": 12}
planar = pytest.mark.parametrize("name", ["ring8", "grid25", "spirals", "checkerboard"])


def named(name, **values):
    extra = {"components": 12, "dimensions": 5} if name == "scattered" else {}
    return mixture(spec.data.Mixture(kind="mixture", name=name, **extra, **values))


@pytest.mark.parametrize("name", NAMES)
def test_a_mixture_has_its_components_and_its_ratios(name):
    own = named(name, weight_ratio=4.0, deviation_ratio=3.0, deviation=0.02)
    assert len(own.weights) == len(own.means) == len(own.variances) == NAMES[name]
    assert own.means.dtype == torch.float64
    assert float(own.weights.sum()) == pytest.approx(1)
    assert float(own.weights[0] / own.weights[-1]) == pytest.approx(4)  # falling, geometrically
    torch.testing.assert_close(own.weights[1:] / own.weights[:-1], own.weights[1:] * 0 + 4 ** (
        -1 / (NAMES[name] - 1)
    ))  # fmt: skip
    assert float(own.variances.sqrt()[0]) == pytest.approx(0.02)  # the heaviest is the narrowest
    assert float(own.variances.sqrt()[-1]) == pytest.approx(0.06)
    equal = named(name)
    assert equal.weights.tolist() == pytest.approx([1 / NAMES[name]] * NAMES[name])


@planar
def test_planar_mixtures_stay_within_their_extent_and_their_centres_differ(name):
    own = named(name, radius=2.0)
    assert float(own.means.abs().max()) <= 2.0 + 1e-12
    assert float(own.means.abs().max()) > 1.5
    distances = torch.cdist(own.means, own.means) + torch.eye(NAMES[name]) * 9
    assert float(distances.min()) > 0.05


@planar
def test_planar_mixtures_are_their_own_mirror_image_through_the_middle(name):
    means = named(name).means
    distances = torch.cdist(means, -means)
    assert float(distances.min(1).values.max()) < 1e-7


def test_a_checkerboard_is_dark_where_it_should_be():
    """Field (i, j) of the 4 x 4 board holds 16 centres or none, in turn."""
    means = named("checkerboard", radius=2.0).means  # fields of side 1
    fields = (means + 2).floor().long()
    counts = torch.zeros(4, 4, dtype=torch.long)
    for i, j in fields.tolist():
        counts[i, j] += 1
    expected = [[16 if (i + j) % 2 == 0 else 0 for j in range(4)] for i in range(4)]
    assert counts.tolist() == expected


def test_spirals_keep_their_arms_apart_and_their_points_evenly_along_the_arc():
    first, second = named("spirals").means.split(24)
    steps = first.diff(dim=0).norm(dim=1)
    assert float(steps.max() / steps.min()) < 1.3
    assert float(torch.cdist(first, second).min()) > 0.5 * float(steps.mean())


def test_scattered_centres_are_the_same_in_every_process():
    assert torch.equal(named("scattered").means, named("scattered").means)
    assert named("scattered").means.shape == (12, 5)
