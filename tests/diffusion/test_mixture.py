"""The exact denoiser against autograd and against samples; the ODE against its closed form."""

import math

import pytest
import torch

from sid_sweep import spec
from sid_sweep.data import mixture
from sid_sweep.diffusion.mixture import Mixture
from sid_sweep.diffusion.noise import EDM, VP
from sid_sweep.diffusion.solvers import sigma_steps, solve

F64 = torch.float64
MIXTURE = Mixture(
    torch.tensor([0.2, 0.5, 0.3], dtype=F64),
    torch.tensor([[0.0, 1.0], [2.0, -1.0], [-1.5, 0.3]], dtype=F64),
    torch.tensor([0.1, 0.5, 0.02], dtype=F64),
)


@pytest.mark.parametrize("process", [VP(), EDM()])
def test_epsilon_is_minus_beta_times_the_score(process):
    xt = torch.randn(64, 2, dtype=F64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    level = process.level(torch.logspace(-1, 1, 64, dtype=F64)[:, None])
    (score,) = torch.autograd.grad(MIXTURE.log_density(xt, level).sum(), xt)
    torch.testing.assert_close(
        MIXTURE.epsilon(xt, level), -level.beta * score, rtol=1e-9, atol=1e-10
    )


def test_density_integrates_to_one():
    grid = torch.linspace(-8, 8, 801, dtype=F64)
    points = torch.cartesian_prod(grid, grid)
    level = EDM().level(torch.full((len(points), 1), 0.4, dtype=F64))
    mass = MIXTURE.log_density(points, level).exp().sum() * (grid[1] - grid[0]) ** 2
    assert float(mass) == pytest.approx(1, abs=1e-9)


def test_samples_have_the_mixture_s_moments():
    """Mean and deviation within 4 standard errors; a wrong radius is 40 away."""
    num = 40_000
    samples = mixture(spec.data.Mixture(kind="mixture")).sample(
        num, generator=torch.Generator().manual_seed(0)
    )
    squares = samples.square().sum(1)
    error = float(squares.std()) / math.sqrt(num)
    expected = 1.4**2 + 2 * 0.1**2
    assert abs(float(squares.mean()) - expected) < 4 * error
    assert abs(float(squares.mean()) - 1.37**2) > 40 * error
    assert mixture(spec.data.Mixture(kind="mixture")).deviation() == pytest.approx(
        math.sqrt(expected / 2)
    )


@pytest.mark.parametrize(("order", "tolerance"), [(1, 0.15), (2, 0.15)])
def test_solver_has_its_order(order, tolerance):
    """On N(m, v) the ODE is x(σ) = m + (x_0 - m) √((v + σ²)/(v + σ_0²))."""
    mean, variance = 0.7, 0.5
    gaussian = Mixture(
        torch.ones(1, dtype=F64),
        torch.full((1, 1), mean, dtype=F64),
        torch.full((1,), variance, dtype=F64),
    )
    start = torch.tensor([[3.0], [-2.0]], dtype=F64)
    high, low = 3.0, 0.3
    exact = mean + (start - mean) * math.sqrt((variance + low**2) / (variance + high**2))
    errors = []
    for num in (64, 128):
        sigmas = torch.linspace(high, low, num + 1, dtype=F64)
        ended = solve(gaussian.epsilon, start, sigmas, process=VP(), order=order)
        errors.append(float((ended - exact).abs().max()))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=tolerance)


def test_sigma_steps_fall_to_zero():
    steps = sigma_steps(10, sigma_min=0.02, sigma_max=20.0)
    assert steps[0] == pytest.approx(20)
    assert steps[-2] == pytest.approx(0.02)
    assert steps[-1] == 0
    assert (steps.diff() < 0).all()
