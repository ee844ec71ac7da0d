"""Processes, levels, parametrisations and times."""

import pytest
import torch

from sid_sweep import spec
from sid_sweep.diffusion import noise

SIGMAS = torch.logspace(-2, 2, 9, dtype=torch.float64)[:, None]
PROCESSES = [noise.VP(), noise.EDM()]


def test_vp_preserves_variance_and_edm_the_signal():
    vp, edm = noise.VP().level(SIGMAS), noise.EDM().level(SIGMAS)
    torch.testing.assert_close(vp.alpha.square() + vp.beta.square(), torch.ones_like(SIGMAS))
    torch.testing.assert_close(edm.alpha, torch.ones_like(SIGMAS))
    for level in (vp, edm):
        torch.testing.assert_close(level.sigma, SIGMAS)


@pytest.mark.parametrize("process", PROCESSES)
def test_sigma_rises_with_t(process):
    t = torch.linspace(0.001, 1, 50, dtype=torch.float64)
    assert (process.sigma(t).diff() > 0).all()


def test_vp_schedule_matches_its_integral():
    """σ² = exp ∫β - 1 with β(t) linear, by another way: the trapezoid rule is exact for it."""
    t = torch.linspace(0, 1, 11, dtype=torch.float64)
    rate = 0.1 + (20 - 0.1) * t
    integral = torch.cumulative_trapezoid(rate, t)
    torch.testing.assert_close(noise.VP().sigma(t[1:]).square(), integral.exp() - 1)


def test_official_generator_levels_end_below_24():
    """t ~ U(0, 0.8) on EDM's schedule: σ from 0.002 to 24.4."""
    ends = noise.EDM().sigma(torch.tensor([0.0, 0.8, 1.0], dtype=torch.float64))
    assert ends.tolist() == pytest.approx([0.002, 24.4, 80.0], rel=2e-3)


def test_fixed_noise_is_one_level():
    level = noise.Fixed(0.3).level(SIGMAS)
    assert (level.beta == 0.3).all()
    assert (level.alpha == 1).all()


@pytest.mark.parametrize("process", PROCESSES)
def test_parametrisations_go_round(process):
    level = process.level(SIGMAS)
    x0, eps = torch.randn(2, 9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    xt = noise.diffuse(x0, eps, level)
    torch.testing.assert_close(noise.x0_from_epsilon(eps, xt, level), x0, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(noise.epsilon_from_x0(x0, xt, level), eps, rtol=1e-9, atol=1e-9)
    v = noise.v_from_epsilon(eps, xt, level)
    torch.testing.assert_close(v, level.alpha * eps - level.beta * x0, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(noise.epsilon_from_v(v, xt, level), eps, rtol=1e-9, atol=1e-9)


def test_times_are_inverse_transforms():
    u = torch.tensor([0.158655, 0.5, 0.841345], dtype=torch.float64)
    normal = spec.LogNormalTimes(kind="log_normal", mean=-1.2, deviation=1.2)
    drawn = noise.draw_sigma(normal, noise.EDM(), u).log()
    assert drawn.tolist() == pytest.approx([-2.4, -1.2, 0.0], abs=1e-4)
    ranged = spec.LogUniformTimes(kind="log_uniform", low=0.1, high=10.0)
    ends = noise.draw_sigma(ranged, noise.VP(), torch.tensor([0.0, 0.5, 1.0]))
    assert ends.tolist() == pytest.approx([0.1, 1.0, 10.0], rel=1e-5)
    uniform = spec.UniformTimes(low=0.2, high=0.4)
    middle = noise.draw_sigma(uniform, noise.VP(), torch.tensor([0.5]))
    torch.testing.assert_close(middle, noise.VP().sigma(torch.tensor([0.3])))


def test_weights():
    sigma = torch.tensor([0.5, 2.0])
    power = noise.loss_weight(spec.PowerWeight(exponent=2.0), sigma, sigma_data=0.5)
    edm = noise.loss_weight(spec.EDMWeight(kind="edm"), sigma, sigma_data=0.5)
    assert power.tolist() == [0.25, 4.0]
    assert edm.tolist() == [2.0, 17.0]  # (σ² + σ_d²)/σ_d²
