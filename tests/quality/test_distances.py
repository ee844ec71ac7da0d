"""Distances against closed forms, laws and a second implementation."""

import numpy as np
import pytest
import scipy.linalg
import torch

from sid_sweep.quality.distances import (
    class_score,
    directions,
    frechet,
    projections,
    sliced_w2_squared,
)


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def sw2_squared(a, b, num=512):
    axes = directions(num, a.shape[1], generator=torch.Generator().manual_seed(1))
    return float(sliced_w2_squared(projections(a, axes), projections(b, axes)))


def test_sliced_w2_of_a_shift_is_the_shift_over_the_dimension():
    """E⟨u, s⟩² = |s|²/D; exactly |s|² on a line."""
    points, shift = random(500, 1), torch.tensor([0.7])
    assert sw2_squared(points, points + shift) == pytest.approx(0.49, rel=1e-5)
    points, shift = random(500, 2), torch.tensor([3.0, 4.0])
    axes = directions(512, 2, generator=torch.Generator().manual_seed(1))
    exact = float((axes @ shift).square().mean())
    assert sw2_squared(points, points + shift) == pytest.approx(exact, rel=1e-4)
    assert exact == pytest.approx(12.5, rel=0.1)


def test_sliced_w2_ignores_the_order_and_scales():
    a, b = random(300, 2), random(300, 2, seed=2)
    assert sw2_squared(a.flip(0), b) == pytest.approx(sw2_squared(a, b))
    assert sw2_squared(3 * a, 3 * b) == pytest.approx(9 * sw2_squared(a, b), rel=1e-5)
    assert sw2_squared(a, a) == 0


def test_frechet_is_zero_on_itself_and_matches_the_matrix_root():
    a, b = random(400, 5).double(), 1.5 * random(500, 5, seed=3).double() + 0.3
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)
    cov_a, cov_b = np.cov(a.numpy().T), np.cov(b.numpy().T)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    between = float((a.mean(0) - b.mean(0)).square().sum())
    expected = between + np.trace(cov_a + cov_b - 2 * root)
    assert frechet(a, b) == pytest.approx(expected, rel=1e-9)


def test_frechet_of_diagonal_gaussians():
    """|μ1-μ2|² + Σ (σ1-σ2)², on points whose fit is exactly diagonal."""
    axes = torch.cat([torch.eye(3), -torch.eye(3)]).double()
    scale = (5 / 2) ** 0.5  # so that the unbiased variance of each coordinate is 1
    one = scale * axes * torch.tensor([1.0, 2.0, 3.0])
    two = scale * axes * torch.tensor([2.0, 2.0, 5.0]) + torch.tensor([1.0, 0.0, -2.0])
    assert frechet(one, two) == pytest.approx(5 + 1 + 0 + 4)


def test_class_score_ends():
    assert class_score(torch.full((50, 10), 0.1)) == pytest.approx(1)
    assert class_score(torch.eye(10).repeat(5, 1)) == pytest.approx(10)
