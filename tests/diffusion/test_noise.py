"""Processes, levels, parametrisations and times."""

import numpy as np
import pytest
import torch

from sid_sweep import spec
from sid_sweep.diffusion import noise

SIGMAS = torch.logspace(-2, 2, 9, dtype=torch.float64)[:, None]
PROCESSES = [noise.VP(), noise.EDM(), noise.Flow()]


def test_vp_preserves_variance_and_edm_the_signal():
    vp, edm = noise.VP().level(SIGMAS), noise.EDM().level(SIGMAS)
    torch.testing.assert_close(vp.alpha.square() + vp.beta.square(), torch.ones_like(SIGMAS))
    torch.testing.assert_close(edm.alpha, torch.ones_like(SIGMAS))
    for level in (vp, edm):
        torch.testing.assert_close(level.sigma, SIGMAS)


@pytest.mark.parametrize("process", PROCESSES)
def test_sigma_rises_with_t(process):
    t = torch.linspace(0.001, 0.999, 50, dtype=torch.float64)
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
    normal = spec.noise.LogNormalTimes(kind="log_normal", mean=-1.2, deviation=1.2)
    drawn = noise.draw_sigma(normal, noise.EDM(), u).log()
    assert drawn.tolist() == pytest.approx([-2.4, -1.2, 0.0], abs=1e-4)
    ranged = spec.noise.LogUniformTimes(kind="log_uniform", low=0.1, high=10.0)
    ends = noise.draw_sigma(ranged, noise.VP(), torch.tensor([0.0, 0.5, 1.0]))
    assert ends.tolist() == pytest.approx([0.1, 1.0, 10.0], rel=1e-5)
    uniform = spec.noise.UniformTimes(low=0.2, high=0.4)
    middle = noise.draw_sigma(uniform, noise.VP(), torch.tensor([0.5]))
    torch.testing.assert_close(middle, noise.VP().sigma(torch.tensor([0.3])))


def test_weights():
    sigma = torch.tensor([0.5, 2.0])
    level = noise.EDM().level(sigma[:, None])
    power = noise.loss_weight(spec.noise.PowerWeight(exponent=2.0), level, sigma_data=0.5)
    edm = noise.loss_weight(spec.noise.EDMWeight(kind="edm"), level, sigma_data=0.5)
    assert power.tolist() == [0.25, 4.0]
    assert edm.tolist() == [2.0, 17.0]  # (σ² + σ_d²)/σ_d²
    vp = noise.VP().level(sigma[:, None])
    complement = noise.loss_weight(
        spec.noise.ComplementWeight(kind="complement"), vp, sigma_data=0.5
    )
    torch.testing.assert_close(complement, 1 - sigma / (1 + sigma**2).sqrt())


def test_a_fixed_level_is_weighed_by_itself_whatever_was_drawn():
    level = noise.Fixed(0.3).level(torch.tensor([[0.5], [2.0]]))
    weight = noise.loss_weight(spec.noise.PowerWeight(exponent=2.0), level, sigma_data=0.5)
    assert weight.tolist() == pytest.approx([0.09, 0.09])


def test_the_legacy_weight_is_the_official_one():
    """In x_0 form: 1/mean|x_g - f_φ|, at least 1e-5, detached; σ² times that in ε form."""
    x0, eps = torch.randn(2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    level = noise.VP().level(torch.linspace(0.1, 3, 5, dtype=torch.float64)[:, None])
    teacher = (eps + 0.1).requires_grad_()
    f = noise.x0_from_epsilon(teacher, noise.diffuse(x0, eps, level), level)
    official = 1 / (x0 - f).abs().mean(1).clamp(min=1e-5)
    kind = spec.noise.SidLegacyWeight(kind="sid_legacy")
    own = noise.loss_weight(kind, level, sigma_data=0.5, error=teacher - eps)
    torch.testing.assert_close(own, (level.sigma.flatten() ** 2 * official).detach())
    assert not own.requires_grad
    exact = noise.loss_weight(kind, level, sigma_data=0.5, error=torch.zeros_like(eps))
    torch.testing.assert_close(exact, level.sigma.flatten() ** 2 / 1e-5)


def test_flow_runs_from_data_to_noise_in_a_straight_line():
    t = torch.linspace(0.01, 0.99, 9, dtype=torch.float64)
    level = noise.Flow().level(noise.Flow().sigma(t))
    torch.testing.assert_close(level.alpha, 1 - t)
    torch.testing.assert_close(level.beta, t)


def test_flow_velocity_is_v_over_alpha_plus_beta():
    """Of x_t = (1-t) x_0 + t ε the velocity is ε - x_0, one linear map from the others."""
    level = noise.Flow().level(SIGMAS)
    x0, eps = torch.randn(2, 9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    xt = noise.diffuse(x0, eps, level)
    velocity = eps - noise.x0_from_epsilon(eps, xt, level)
    torch.testing.assert_close(noise.epsilon_from_velocity(velocity, xt, level), eps)


def test_karras_times_are_the_official_generators():
    times = spec.noise.KarrasTimes(kind="karras")
    ends = noise.draw_sigma(times, noise.VP(), torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64))
    t = np.array([0.0, 0.4, 0.8])
    official = (80 ** (1 / 7) + (1 - t) * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    assert ends.tolist() == pytest.approx(official.tolist(), rel=1e-9)


def test_logit_normal_times_pass_through_the_middle():
    times = spec.noise.LogitNormalTimes(kind="logit_normal", mean=0.5, deviation=2.0)
    t = torch.sigmoid(torch.tensor([0.5 - 2, 0.5, 0.5 + 2], dtype=torch.float64))
    u = torch.tensor([0.15865525393145707, 0.5, 0.8413447460685429], dtype=torch.float64)
    drawn = noise.draw_sigma(times, noise.Flow(), u)
    torch.testing.assert_close(drawn, t / (1 - t))
