"""EDM's preconditioning: what the raw network sees and says, for every level and sample."""

import math

import pytest
import torch
from torch import nn

from sid_sweep import spec
from sid_sweep.diffusion.noise import EDM, VP, Level
from sid_sweep.nets.denoiser import Denoiser, build
from sid_sweep.streams import seeded

DEVIATION = 0.5
SIGMAS = torch.logspace(-3, 3, 25, dtype=torch.float64)
NETS = {
    "mlp": spec.nets.MLP(width=16, depth=2),
    "residual_mlp": spec.nets.ResidualMLP(kind="residual_mlp", width=16, depth=2),
}


class Constant(nn.Module):
    """A raw network that says one number, and remembers what it saw."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x, c_noise):
        self.seen = x, c_noise
        return torch.full_like(x, self.value)


def normal(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def blueprint(net, shape):
    return spec.nets.Blueprint(net=net, shape=list(shape), sigma_data=DEVIATION)


def fresh(name, shape, key):
    with seeded("test", key):
        return build(blueprint(NETS[name], shape)).double()


def stirred(name, shape):
    """A network with no weight at 0, where a fresh one has whole layers there."""
    network, random = fresh(name, shape, 0), torch.Generator().manual_seed(1)
    for weights in network.parameters():
        weights.data += 0.3 * torch.randn(weights.shape, generator=random, dtype=torch.float64)
    return network.requires_grad_(False)


def test_the_network_sees_and_says_unit_numbers():
    """c_in, c_out and c_noise of Karras et al. 2022, Table 1."""
    sigma, x = SIGMAS[:, None], normal(25, 3)
    level = EDM().level(sigma)
    own = blueprint(spec.nets.MLP(), (3,))
    loud, silent = Denoiser(Constant(1.0), own), Constant(0.0)
    c_out = loud.denoise(x, level) - Denoiser(silent, own).denoise(x, level)
    total = (sigma**2 + DEVIATION**2).sqrt()
    expected = (sigma * DEVIATION / total).expand(-1, 3)
    torch.testing.assert_close(c_out, expected, rtol=1e-9, atol=1e-12)
    seen, c_noise = silent.seen
    torch.testing.assert_close(seen, x / total, rtol=1e-12, atol=0)
    torch.testing.assert_close(c_noise, SIGMAS.log() / 4, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", NETS)
def test_samples_of_a_batch_do_not_meet(name):
    network, x = stirred(name, (2,)), normal(25, 2)
    level = VP().level(SIGMAS[:, None])
    alone = [network(x[i : i + 1], level[i : i + 1]) for i in range(25)]
    torch.testing.assert_close(network(x, level), torch.cat(alone), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NETS)
def test_the_generator_denoises_its_latents_at_sigma_init(name):
    network, z = stirred(name, (1, 4, 4)), normal(9, 1, 4, 4)
    sigma = torch.full((9, 1, 1, 1), 2.5, dtype=torch.float64)
    at_own_level = network.denoise(2.5 * z, Level(torch.ones_like(sigma), sigma))
    torch.testing.assert_close(
        network.generate(z, sigma_init=2.5), at_own_level, rtol=1e-12, atol=1e-12
    )
    assert not torch.allclose(network.generate(z, sigma_init=1.0), at_own_level)


@pytest.mark.parametrize("name", NETS)
def test_initial_weights_are_a_function_of_their_key(name):
    first, again, other = (fresh(name, (2,), key).state_dict() for key in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", NETS)
def test_a_network_tells_levels_apart(name):
    """Its raw answer to one input moves with σ, at every part of the scale."""
    network = stirred(name, (2,)).net
    answers = network(normal(1, 2).expand(25, 2), SIGMAS.log() / 4)
    assert float(answers.diff(dim=0).norm(dim=1).min()) > 1e-3


def around(**kind):
    """A denoiser of EDM's other preconditionings, its network saying 1."""
    own = {"net": {"kind": "mlp"}, "shape": [3], "sigma_data": DEVIATION, "preconditioning": kind}
    net = Constant(1.0)
    return net, Denoiser(net, spec.nets.Blueprint.model_validate(own))


def vp_time(sigma):
    """t of σ² = exp(½ 19.9 t² + 0.1 t) - 1, by bisection."""
    low, high = 0.0, 2.0
    for _ in range(80):
        middle = (low + high) / 2
        reached = math.expm1(0.5 * 19.9 * middle**2 + 0.1 * middle)
        low, high = (middle, high) if reached < sigma**2 else (low, middle)
    return low


TABLE = {  # of Karras et al. 2022, Table 1: c_out, c_in, c_noise of σ
    "vp": lambda s: (-s, 1 / math.sqrt(s**2 + 1), 999 * vp_time(s)),
    "ve": lambda s: (s, 1.0, math.log(s / 2)),
}


@pytest.mark.parametrize("kind", TABLE)
def test_what_surrounds_a_network_is_the_papers_table(kind):
    net, denoiser = around(kind=kind)
    sigma, x = SIGMAS[SIGMAS > 0.01, None], normal(int((SIGMAS > 0.01).sum()), 3)
    level = EDM().level(sigma)
    denoised = denoiser.denoise(x, level)
    seen, c_noise = net.seen
    rows = torch.tensor([TABLE[kind](float(s)) for s in sigma], dtype=torch.float64)
    torch.testing.assert_close(denoised, x + rows[:, :1], rtol=1e-12, atol=0)  # c_skip = 1
    torch.testing.assert_close(seen, x * rows[:, 1:2], rtol=1e-12, atol=0)
    torch.testing.assert_close(c_noise, rows[:, 2], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(denoiser(x, level), (x - denoised) / sigma, rtol=1e-9, atol=1e-9)


def test_a_discrete_network_is_told_the_nearest_of_its_steps():
    """iDDPM: ᾱ_j of the cosine schedule gives u_j; between two of them the nearer one counts."""
    net, denoiser = around(kind="iddpm", steps=20)
    alphas = [math.sin(math.pi * j / 40 / 1.008) ** 2 for j in range(21)]
    for j in (1, 5, 12, 19):  # where no ratio is cut off, u_j² = (1 - ᾱ_j)/ᾱ_j over its end's
        level = math.sqrt(alphas[20] / alphas[j] - 1)
        denoiser.denoise(normal(1, 3), EDM().level(torch.full((1, 1), level).double()))
        assert float(net.seen[1]) == 19 - j


@pytest.mark.parametrize("kind", ["vp", "ve", "edm"])
def test_epsilon_stays_exact_where_noise_is_small(kind):
    """In single precision at σ = 1e-4 the ε form is that of double precision."""
    _, denoiser = around(kind=kind)
    x, sigma = normal(5, 3), torch.full((5, 1), 1e-4, dtype=torch.float64)
    exact = denoiser(x, EDM().level(sigma))
    coarse = denoiser(x.float(), EDM().level(sigma.float()))
    torch.testing.assert_close(coarse.double(), exact, rtol=1e-6, atol=1e-6)
