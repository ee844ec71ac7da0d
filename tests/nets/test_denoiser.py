"""Preconditioning, averages and optimiser against their closed forms."""

import pytest
import torch

from sid_sweep import spec
from sid_sweep.diffusion.noise import EDM, VP, epsilon_from_x0
from sid_sweep.nets import average
from sid_sweep.nets.denoiser import Denoiser, build
from sid_sweep.nets.optim import Optimiser, learning_rate

NETS = [
    spec.nets.MLP(width=16, depth=2),
    spec.nets.ResidualMLP(kind="residual_mlp", width=16, depth=2),
]


class Zero(torch.nn.Module):
    def forward(self, x, c_noise):
        return torch.zeros_like(x)


@pytest.mark.parametrize("process", [VP(), EDM()])
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("shape", [(2,), (1, 8, 8)])
def test_both_faces_of_a_denoiser_agree(net, process, shape):
    denoiser = build(spec.nets.Blueprint(net=net, shape=list(shape), sigma_data=0.7)).double()
    xt = torch.randn(6, *shape, dtype=torch.float64)
    sigma = torch.logspace(-2, 2, 6, dtype=torch.float64).view(-1, *[1] * len(shape))
    level = process.level(sigma)
    from_x0 = epsilon_from_x0(denoiser.denoise(xt, level), xt, level)
    torch.testing.assert_close(denoiser(xt, level), from_x0, rtol=1e-9, atol=1e-9)


def test_without_a_network_it_is_the_best_linear_denoiser():
    """F = 0 leaves Wiener's filter of N(0, σ_d²): D = σ_d²/(σ_d² + σ²) x̃."""
    x = torch.randn(5, 3, dtype=torch.float64)
    sigma = torch.tensor([0.01, 0.3, 1.0, 4.0, 90.0], dtype=torch.float64)[:, None]
    own = spec.nets.Blueprint(net=spec.nets.MLP(), shape=[3], sigma_data=0.6)
    denoised = Denoiser(Zero(), own).denoise(x, EDM().level(sigma))
    torch.testing.assert_close(denoised, 0.36 / (0.36 + sigma**2) * x)


def test_the_average_forgets_half_in_a_half_life():
    weights, kept = [torch.zeros(3)], [torch.ones(3)]
    for step in range(50):
        beta = average.decay(20, 20 * step, half_life=1000.0, ramp_up=None)
        average.update(kept, weights, beta)
    torch.testing.assert_close(kept[0], torch.full((3,), 0.5))


def test_the_average_ramps_up_with_the_images_seen():
    assert average.decay(20, 0, half_life=1000.0, ramp_up=0.05) == 0
    assert average.decay(20, 4000, half_life=1000.0, ramp_up=0.05) == pytest.approx(0.5**0.1)
    assert average.decay(20, 10**9, half_life=1000.0, ramp_up=0.05) == pytest.approx(0.5**0.02)


@pytest.mark.parametrize(("decay", "middle"), [("constant", 1.0), ("linear", 0.5), ("cosine", 0.5)])
def test_learning_rate_schedules(decay, middle):
    adam = spec.nets.Adam(lr=0.1, warmup_images=100, decay=decay)
    rates = [learning_rate(adam, images, budget_images=1000) for images in (49, 500, 1000)]
    assert rates[0] == pytest.approx(0.05, rel=0.1)
    assert rates[1] == pytest.approx(0.1 * middle)
    assert rates[2] == pytest.approx(0.1 if decay == "constant" else 0.0)


def test_the_optimiser_is_adam_with_clipping():
    start = torch.tensor([1.0, -2.0, 3.0])
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    adam = spec.nets.Adam(lr=0.05, beta1=0.9, clip_norm=0.5)
    optimiser = Optimiser([ours], adam, budget_images=100)
    reference = torch.optim.Adam([theirs], lr=0.05, betas=(0.9, 0.999), eps=1e-8)
    for step in range(5):
        optimiser.descend((ours**2).sum(), step)
        reference.zero_grad()
        (theirs**2).sum().backward()
        torch.nn.utils.clip_grad_norm_([theirs], 0.5)
        reference.step()
    torch.testing.assert_close(ours, theirs)
