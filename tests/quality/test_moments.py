"""Moments of pieces are those of the whole; the Fréchet distance has its closed forms."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from sid_sweep.quality.moments import Moments, frechet


def gaussian(num, dim, *, seed):
    random = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dim, dim, generator=random, dtype=torch.float64)
    return torch.randn(num, dim, generator=random, dtype=torch.float64) @ mixing + 3


def between(a, b):
    one, two = Moments.of(a), Moments.of(b)
    return frechet(one.mean, one.covariance, two.mean, two.covariance)


def test_pieces_have_the_moments_of_the_whole():
    whole = gaussian(1000, 7, seed=0) + 1e4  # far from zero, where sums of squares would cancel
    merged = Moments.merged(Moments.of(piece) for piece in whole.split([1, 2, 300, 97, 600]))
    assert merged.num == 1000
    assert torch.allclose(merged.mean, whole.mean(0), rtol=1e-14)
    assert torch.allclose(merged.covariance, torch.cov(whole.T), rtol=1e-9)


def test_a_shift_is_its_square():
    x, shift = gaussian(500, 5, seed=1), torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0]).double()
    assert between(x, x + shift) == pytest.approx(float(shift.square().sum()), rel=1e-9)


def test_a_scale_is_the_difference_of_deviations():
    """tr (S^½ - 2 S^½)² = tr S, about one mean."""
    x = gaussian(500, 5, seed=2)
    x = x - x.mean(0)
    assert between(x, 2 * x) == pytest.approx(float(torch.cov(x.T).trace()), rel=1e-10)


@pytest.mark.parametrize("num", [40, 2000])
def test_it_is_the_form_by_the_root_of_the_product(num):
    """SciPy's root of S_a S_b; with 40 samples in 32 dimensions these are badly conditioned."""
    a, b = gaussian(num, 32, seed=3), gaussian(num, 32, seed=4)
    product = sqrtm(np.cov(a.T.numpy()) @ np.cov(b.T.numpy())).real.trace()
    apart = float((a.mean(0) - b.mean(0)).square().sum())
    whole = apart + float(torch.cov(a.T).trace() + torch.cov(b.T).trace()) - 2 * product
    assert between(a, b) == pytest.approx(whole, rel=1e-9)


def test_singular_covariances_have_an_exact_distance():
    """With S = XᵀX, tr (S_a S_b)^½ is the sum of the singular values of X_a X_bᵀ, of any rank."""
    a, b = gaussian(20, 64, seed=5), gaussian(30, 64, seed=6)
    x, y = ((s - s.mean(0)) / (len(s) - 1) ** 0.5 for s in (a, b))
    apart = (a.mean(0) - b.mean(0)).square().sum()
    exact = apart + x.square().sum() + y.square().sum() - 2 * torch.linalg.svdvals(x @ y.T).sum()
    assert between(a, b) == pytest.approx(float(exact), rel=1e-9)
    assert between(a, a) == pytest.approx(0, abs=1e-9 * float(x.square().sum()))


def test_one_sample_has_no_covariance():
    assert Moments.of(torch.ones(1, 3)).covariance.isnan().all()
