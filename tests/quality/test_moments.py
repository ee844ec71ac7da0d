"""Moments of pieces are those of the whole; the Fréchet distance has its closed forms."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from sid_sweep.quality.moments import Moments, frechet_between


def gaussian(num, dim, *, seed):
    random = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dim, dim, generator=random, dtype=torch.float64)
    return torch.randn(num, dim, generator=random, dtype=torch.float64) @ mixing + 3


def test_pieces_have_the_moments_of_the_whole():
    whole = gaussian(1000, 7, seed=0) + 1e4  # far from zero, where sums of squares would cancel
    merged = Moments.merged(Moments.of(piece) for piece in whole.split([1, 2, 300, 97, 600]))
    assert merged.num == 1000
    assert torch.allclose(merged.mean, whole.mean(0), rtol=1e-14)
    assert torch.allclose(merged.covariance, torch.cov(whole.T), rtol=1e-9)


def test_a_shift_is_its_square():
    x, shift = gaussian(500, 5, seed=1), torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0]).double()
    assert frechet_between(x, x + shift) == pytest.approx(float(shift.square().sum()), rel=1e-9)


def test_a_scale_is_the_difference_of_deviations():
    """tr (S^½ - 2 S^½)² = tr S, about one mean."""
    x = gaussian(500, 5, seed=2)
    x = x - x.mean(0)
    assert frechet_between(x, 2 * x) == pytest.approx(float(torch.cov(x.T).trace()), rel=1e-10)


@pytest.mark.parametrize("num", [40, 2000])
def test_it_is_the_form_by_the_root_of_the_product(num):
    """SciPy's root of S_a S_b; with 40 samples in 32 dimensions these are badly conditioned."""
    a, b = gaussian(num, 32, seed=3), gaussian(num, 32, seed=4)
    product = sqrtm(np.cov(a.T.numpy()) @ np.cov(b.T.numpy())).real.trace()
    apart = float((a.mean(0) - b.mean(0)).square().sum())
    whole = apart + float(torch.cov(a.T).trace() + torch.cov(b.T).trace()) - 2 * product
    assert frechet_between(a, b) == pytest.approx(whole, rel=1e-9)


def test_singular_covariances_have_an_exact_distance():
    """With S = XᵀX, tr (S_a S_b)^½ is the sum of the singular values of X_a X_bᵀ, of any rank."""
    a, b = gaussian(20, 64, seed=5), gaussian(30, 64, seed=6)
    x, y = ((s - s.mean(0)) / (len(s) - 1) ** 0.5 for s in (a, b))
    apart = (a.mean(0) - b.mean(0)).square().sum()
    exact = apart + x.square().sum() + y.square().sum() - 2 * torch.linalg.svdvals(x @ y.T).sum()
    assert frechet_between(a, b) == pytest.approx(float(exact), rel=1e-9)
    assert frechet_between(a, a) == pytest.approx(0, abs=1e-9 * float(x.square().sum()))


def test_one_sample_has_no_covariance():
    assert Moments.of(torch.ones(1, 3)).covariance.isnan().all()


def test_diagonal_gaussians_have_a_closed_form():
    """|μ1-μ2|² + Σ (σ1-σ2)², on points whose fit is exactly diagonal."""
    axes = torch.cat([torch.eye(3), -torch.eye(3)]).double()
    scale = (5 / 2) ** 0.5  # so that the unbiased variance of each coordinate is 1
    one = scale * axes * torch.tensor([1.0, 2.0, 3.0])
    two = scale * axes * torch.tensor([2.0, 2.0, 5.0]) + torch.tensor([1.0, 0.0, -2.0])
    assert frechet_between(one, two) == pytest.approx(5 + 1 + 0 + 4)


def test_a_sample_of_one_point_again_and_again_has_the_distance_to_a_point():
    """The eigenvalues of the product, which has no order, are not found on every processor."""
    b = gaussian(500, 32, seed=7)
    a = b[:1].repeat(400, 1)
    exact = (a[0] - b.mean(0)).square().sum() + torch.cov(b.T).trace()
    assert frechet_between(a, b) == pytest.approx(float(exact), rel=1e-9)
