"""The teacher's ODE on one Gaussian, where x(σ) = m + (x(σ₀) - m) √((v + σ²)/(v + σ₀²))."""

import math

import pytest
import torch

from sid_sweep.diffusion.mixture import Mixture, ring
from sid_sweep.diffusion.noise import EDM, VP
from sid_sweep.diffusion.solvers import sigma_steps, solve

M, V, HIGH = 0.7, 0.36, 10.0
GAUSSIAN = Mixture(
    torch.ones(1, dtype=torch.float64),
    torch.full((1, 1), M, dtype=torch.float64),
    torch.tensor([V], dtype=torch.float64),
)
START = torch.tensor([[-12.0], [3.0], [25.0]], dtype=torch.float64)


def exact(sigma):
    return M + (START - M) * math.sqrt((V + sigma**2) / (V + HIGH**2))


def test_the_path_is_that_of_every_process():
    start = 10 * torch.randn(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mixture, sigmas = (
        ring(8, radius=1.4, deviation=0.1),
        sigma_steps(20, sigma_min=0.01, sigma_max=10.0),
    )
    ends = [
        solve(mixture.epsilon, start, sigmas, process=process, order=2) for process in (VP(), EDM())
    ]
    torch.testing.assert_close(*ends, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("order", "within"), [(1, 0.2), (2, 0.005)])
def test_a_path_may_end_without_noise(order, within):
    sigmas = sigma_steps(64, sigma_min=0.002, sigma_max=HIGH)
    end = solve(GAUSSIAN.epsilon, START, sigmas, process=EDM(), order=order)
    assert float((end - exact(0.0)).abs().max()) < within


def test_steps_follow_the_schedule_and_end_at_zero():
    steps = sigma_steps(18, sigma_min=0.002, sigma_max=80.0)
    t = torch.linspace(1, 0, 18, dtype=torch.float64)
    torch.testing.assert_close(steps[:-1], EDM().sigma(t), rtol=1e-12, atol=0)
    assert steps[-1] == 0
