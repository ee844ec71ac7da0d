"""Distances against closed forms, laws and a second implementation, in float64."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist, jensenshannon
from scipy.stats import norm

from sid_sweep.quality.distances import (
    class_score,
    directions,
    histogram,
    jensen_shannon,
    sliced_w2,
)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


LINE = torch.ones(1, 1, dtype=torch.float64)
AXES = directions(50, 3, generator=torch.Generator().manual_seed(9)).double()


def along(samples, axes):
    """The quantiles of another sample of the same size."""
    return np.sort((axes @ samples.T).numpy(), axis=1)


# ---- sliced W2


def test_on_a_line_it_is_the_best_assignment():
    a, b = normal(60, 1), normal(60, 1, seed=1).exp()
    costs = cdist(a, b, "sqeuclidean")
    best = costs[linear_sum_assignment(costs)].mean()
    assert sliced_w2(a, LINE, along(b, LINE)) ** 2 == pytest.approx(best, rel=1e-12)


def test_laws_of_sliced_w2():
    """A shift by v costs the mean of ⟨θ, v⟩²; symmetry, scaling, order; never above a pairing."""
    a, b, v = normal(80, 3), normal(80, 3, seed=1), torch.tensor([1.0, -2.0, 0.5]).double()
    shift = float((AXES @ v).square().mean())
    assert sliced_w2(a, AXES, along(a + v, AXES)) ** 2 == pytest.approx(shift, rel=1e-12)
    distance = sliced_w2(a, AXES, along(b, AXES))
    assert sliced_w2(b, AXES, along(a, AXES)) == distance
    assert sliced_w2(-3 * a, AXES, along(-3 * b, AXES)) == pytest.approx(3 * distance, rel=1e-12)
    assert sliced_w2(a.flip(0), AXES, along(b, AXES)) == distance
    pairing = cdist(a, b, "sqeuclidean")[range(80), range(80)].mean()
    assert distance <= math.sqrt(pairing)
    assert sliced_w2(a, AXES, along(a, AXES)) == 0


@pytest.mark.parametrize("dim", [2, 5])
def test_directions_are_uniform_on_the_sphere(dim):
    """E θθᵀ = I/D, within 4 standard errors; that of D + 1 dimensions is far off."""
    axes = directions(20_000, dim, generator=torch.Generator().manual_seed(0)).double()
    assert axes.norm(dim=1).tolist() == pytest.approx([1] * 20_000, rel=1e-6)
    products = (axes[:, :, None] * axes[:, None, :]).flatten(1)
    errors = products.std(0) / math.sqrt(len(axes))
    identity = torch.eye(dim, dtype=torch.float64).flatten()
    assert bool(((products.mean(0) - identity / dim).abs() < 4 * errors).all())
    assert not bool(((products.mean(0) - identity / (dim + 1)).abs() < 4 * errors).all())


def test_directions_of_the_plane_are_even():
    axes = directions(8, 2, generator=torch.Generator().manual_seed(0)).double()
    angles = torch.atan2(axes[:, 1], axes[:, 0])
    assert (angles.diff() - math.pi / 8).abs().max() < 1e-6
    other = directions(8, 2, generator=torch.Generator().manual_seed(1)).double()
    assert not torch.allclose(axes, other)


# ---- Jensen-Shannon


def test_jensen_shannon_is_scipys_squared():
    p, q = np.random.default_rng(0).dirichlet(np.ones(30), 2)
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2) ** 2, rel=1e-12)
    assert jensen_shannon(p, q) == pytest.approx(jensen_shannon(q, p), rel=1e-12)
    assert jensen_shannon(p, p) == pytest.approx(0, abs=1e-15)


def test_what_shares_nothing_is_a_bit_apart_wherever_it_lies():
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.0, 1.0])
    assert jensen_shannon(p, q) == pytest.approx(1)
    assert jensen_shannon(p, np.zeros(3)) == pytest.approx(1)  # all of q lies outside
    outside = np.array([0.25, 0.25, 0.0])  # half of q does: a known value, with a fourth cell
    inside = jensen_shannon(np.array([0.5, 0.5, 0.0, 0.0]), np.array([0.25, 0.25, 0.0, 0.5]))
    assert jensen_shannon(p, outside) == pytest.approx(inside)


@pytest.mark.parametrize("dim", [1, 2])
def test_a_histogram_is_smoothed_by_a_gaussian_of_that_deviation(dim):
    at = np.zeros((1, dim))
    shares = histogram(at, reach=4.0, cells=401, bandwidth=0.5)
    assert shares.sum() == pytest.approx(1, abs=1e-9)
    width = 8 / 401
    places = (np.arange(401) + 0.5) * width - 4
    marginal = shares if dim == 1 else shares.sum(1)
    assert marginal == pytest.approx(width * norm.pdf(places, scale=0.5), abs=2e-5)
    assert histogram(at + 9, reach=4.0, cells=401, bandwidth=0.5).sum() == 0


# ---- class score


def test_class_score_counts_the_classes_that_are_surely_told():
    sure = torch.eye(10, dtype=torch.float64).repeat(30, 1)
    unsure = torch.full((40, 10), 0.1, dtype=torch.float64)
    assert class_score(unsure) == pytest.approx(1, rel=1e-12)
    assert class_score(sure) == pytest.approx(10, rel=1e-12)
    assert class_score(sure[sure[:, :3].sum(1) > 0]) == pytest.approx(3, rel=1e-12)
    assert class_score(sure[:1].repeat(50, 1)) == pytest.approx(1, rel=1e-12)


def test_class_score_is_the_mutual_information():
    """exp(H(mean p) - mean H(p))."""
    p = normal(50, 10).softmax(1)
    entropies = [-(q * q.log()).sum(-1) for q in (p.mean(0), p)]
    assert class_score(p) == pytest.approx(math.exp(entropies[0] - entropies[1].mean()), rel=1e-12)
