"""The teacher's ODE on one Gaussian, where x(σ) = m + (x(σ₀) - m) √((v + σ²)/(v + σ₀²))."""

import math

import pytest
import torch

from sid_sweep import spec
from sid_sweep.data import mixture
from sid_sweep.diffusion.mixture import Mixture
from sid_sweep.diffusion.noise import EDM, VP, Flow
from sid_sweep.diffusion.solvers import ancestral, heun_evaluations, sigma_steps, solve

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
    ring = mixture(spec.data.Mixture(kind="mixture"))
    sigmas = sigma_steps(20, sigma_min=0.01, sigma_max=10.0)
    processes = (VP(), EDM(), Flow())
    ends = [solve(ring.epsilon, start, sigmas, process=own, order=2) for own in processes]
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0], rtol=1e-9, atol=1e-9)


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


def test_ancestral_steps_keep_the_marginals_of_a_gaussian():
    """With a fine grid, DDPM's sampler ends at the data's own mean and variance."""
    target = Mixture(torch.ones(1), torch.tensor([[0.7]]), torch.tensor([0.09]))
    sigmas = sigma_steps(400, sigma_min=0.01, sigma_max=20.0)
    random = torch.Generator().manual_seed(0)
    num = 20_000
    start = float(sigmas[0]) * torch.randn(num, 1, generator=random)
    end = ancestral(target.epsilon, start, sigmas, process=EDM(), random=random)
    assert float(end.mean()) == pytest.approx(0.7, abs=4 * 0.3 / num**0.5 + 0.3 * 0.7 / 20)
    assert float(end.std()) == pytest.approx(0.3, rel=0.03)


def test_one_ancestral_step_is_the_posterior():
    """q(x' | x, x_0) for a point mass: mean and variance by conditioning a Gaussian pair."""
    sigma, after, num = 2.0, 0.5, 200_000
    point = Mixture(torch.ones(1), torch.tensor([[0.3]]), torch.tensor([1e-12]))
    random = torch.Generator().manual_seed(0)
    start = torch.full((num, 1), 1.7)
    sigmas = torch.tensor([sigma, after])
    end = ancestral(point.epsilon, start, sigmas, process=VP(), random=random)
    mean = 0.3 + after**2 / sigma**2 * (1.7 - 0.3)
    deviation = after * (1 - after**2 / sigma**2) ** 0.5
    assert float(end.mean()) == pytest.approx(mean, abs=4 * deviation / num**0.5)
    assert float(end.std()) == pytest.approx(deviation, rel=4 / (2 * num) ** 0.5)


@pytest.mark.parametrize("steps", [1, 5])
def test_heun_asks_as_often_as_it_says(steps):
    asked = []

    def epsilon(xt, level):
        asked.append(level)
        return torch.zeros_like(xt)

    solve(epsilon, torch.ones(2, 1), sigma_steps(steps, sigma_min=0.1, sigma_max=1.0),
          process=EDM(), order=2)  # fmt: skip
    assert len(asked) == heun_evaluations(steps)
