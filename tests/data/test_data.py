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
    ring = mixture(spec.Mixture(kind="mixture", radius=2.0, deviation=0.3))
    assert ring.means.shape == (8, 2)
    assert ring.means.norm(dim=1).tolist() == pytest.approx([2.0] * 8)
    assert ring.variances.tolist() == pytest.approx([0.09] * 8)
    assert ring.means.dtype == torch.float64
