"""Distances against an assignment problem, laws and entropies, in float64."""

import math

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from sid_sweep.quality.distances import (
    class_score,
    directions,
    frechet,
    projections,
    sliced_w2_squared,
)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


LINE = torch.ones(1, 1, dtype=torch.float64)
AXES = directions(50, 3, generator=torch.Generator().manual_seed(9)).double()


def sw2(a, b, axes):
    return float(sliced_w2_squared(projections(a, axes), projections(b, axes)).sqrt())


def test_on_a_line_it_is_the_best_assignment():
    a, b = normal(60, 1), normal(60, 1, seed=1).exp()
    costs = cdist(a, b, "sqeuclidean")
    best = costs[linear_sum_assignment(costs)].mean()
    assert sw2(a, b, LINE) ** 2 == pytest.approx(best, rel=1e-12)


def test_laws_of_sliced_w2():
    """A shift by v costs the mean of ⟨θ, v⟩²; symmetry, scaling, order; never above a pairing."""
    a, b, v = normal(80, 3), normal(80, 3, seed=1), torch.tensor([1.0, -2.0, 0.5]).double()
    assert sw2(a, a + v, AXES) ** 2 == pytest.approx(float((AXES @ v).square().mean()), rel=1e-12)
    distance = sw2(a, b, AXES)
    assert sw2(b, a, AXES) == distance
    assert sw2(-3 * a, -3 * b, AXES) == pytest.approx(3 * distance, rel=1e-12)
    assert (
        sw2(a[torch.randperm(80, generator=torch.Generator().manual_seed(0))], b, AXES) == distance
    )
    assert sw2(a, b, AXES) <= math.sqrt(cdist(a, b, "sqeuclidean")[range(80), range(80)].mean())


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
    assert bool((axes.mean(0).abs() < 4 / math.sqrt(dim * len(axes))).all())


# ---- Fréchet


@pytest.mark.parametrize("rank", [6, 2])
def test_frechet_to_itself_is_zero_even_without_full_rank(rank):
    a = normal(300, rank) @ normal(rank, 6, seed=1)
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)


# ---- class score


def test_class_score_counts_the_classes_that_are_surely_told():
    sure = torch.eye(10, dtype=torch.float64).repeat(30, 1)
    assert class_score(torch.full((40, 10), 0.1, dtype=torch.float64)) == pytest.approx(
        1, rel=1e-12
    )
    assert class_score(sure) == pytest.approx(10, rel=1e-12)
    assert class_score(sure[sure[:, :3].sum(1) > 0]) == pytest.approx(3, rel=1e-12)
    assert class_score(sure[:1].repeat(50, 1)) == pytest.approx(1, rel=1e-12)


def test_class_score_is_the_mutual_information():
    """exp(H(mean p) - mean H(p))."""
    p = normal(50, 10).softmax(1)
    entropies = [-(q * q.log()).sum(-1) for q in (p.mean(0), p)]
    assert class_score(p) == pytest.approx(math.exp(entropies[0] - entropies[1].mean()), rel=1e-12)
