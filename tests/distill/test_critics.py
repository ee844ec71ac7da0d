"""Critics by closed forms: the density estimator of a Gaussian, the scores of least squares."""

import numpy as np
import pytest
import torch
from torch import nn

from sid_sweep import spec
from sid_sweep.distill.critics import Critic, density_error, least_squares

F64 = torch.float64
SIGMA, VARIANCE = 0.5, 0.8


def gauss_hermite(num=32):
    nodes, weights = np.polynomial.hermite_e.hermegauss(num)
    return torch.tensor(nodes), torch.tensor(weights / weights.sum())


class Parabola(nn.Module):
    """s(x) = -a x²/2, the log density of N(0, 1/a) up to a constant."""

    def __init__(self, curvature):
        super().__init__()
        self.curvature = nn.Parameter(torch.tensor(curvature, dtype=F64))

    def forward(self, x):
        return -0.5 * self.curvature * x.square().sum(1)


def expected_error(curvature):
    """E density_error over x ~ N(0, v) and n, and its derivative in a, by product quadrature."""
    nodes, weights = gauss_hermite()
    x, noise = (grid.reshape(-1, 1) for grid in torch.meshgrid(nodes, nodes, indexing="ij"))
    weight = (weights[:, None] * weights).flatten()
    estimator = Parabola(curvature)
    noisy = VARIANCE**0.5 * x + SIGMA * noise
    error = (weight * density_error(estimator, noisy, noise, sigma=SIGMA)).sum()
    (slope,) = torch.autograd.grad(error, estimator.curvature)
    return float(error.detach()), float(slope)


@pytest.mark.parametrize("curvature", [0.2, 1.0, 3.0])
def test_density_error_of_a_gaussian(curvature):
    """½ E (n - σ a x̃)² = ½ (1 - 2 σ² a + σ² a² (v + σ²))."""
    total = VARIANCE + SIGMA**2
    error, slope = expected_error(curvature)
    s2 = SIGMA**2
    assert error == pytest.approx(0.5 * (1 - 2 * s2 * curvature + s2 * curvature**2 * total))
    assert slope == pytest.approx(s2 * (curvature * total - 1))


def test_it_is_least_at_the_true_density():
    _, slope = expected_error(1 / (VARIANCE + SIGMA**2))
    assert slope == pytest.approx(0, abs=1e-12)
    assert abs(expected_error(1 / VARIANCE)[1]) > 0.01  # the density without the noise is not it


def test_true_log_densities_give_the_gradient_of_the_smoothed_kl():
    """∂_μ E[s_gen - s_data] with x̃ = μ + σ_g z: -(m - μ)/(v + σ²), as KL of Gaussians has it."""
    m, mu = 1.3, torch.tensor(0.2, dtype=F64, requires_grad=True)
    nodes, weights = gauss_hermite()
    total = VARIANCE + SIGMA**2  # of both
    noisy = (mu + total**0.5 * nodes)[:, None]
    estimator = Parabola(1 / total)
    loss = estimator(noisy - mu.detach()) - estimator(noisy - m)
    (slope,) = torch.autograd.grad((weights * loss).sum(), mu)
    assert float(slope) == pytest.approx(-(m - 0.2) / total)


def test_least_squares():
    scores = torch.tensor([0.0, 1.0, 3.0])
    assert least_squares(scores, wanted=1.0).tolist() == [0.5, 0.0, 2.0]
    assert least_squares(scores, wanted=0.0).tolist() == [0.0, 0.5, 4.5]


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (spec.nets.MLP(width=8), (2,)),
        (spec.nets.ResidualMLP(kind="residual_mlp", width=8), (1, 8, 8)),
        (spec.nets.UNet(kind="unet", channels=8), (1, 8, 8)),
    ],
)
def test_a_critic_scores_each_sample_by_itself(net, shape):
    torch.manual_seed(0)
    critic = Critic(net, shape, scale=0.5)
    x = torch.randn(5, *shape)
    scores = critic(x)
    assert scores.shape == (5,)
    torch.testing.assert_close(critic(x[2:4]), scores[2:4], rtol=1e-4, atol=1e-6)
