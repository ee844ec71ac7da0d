"""EDM's preconditioning: what the raw network sees and says, for every level and sample."""

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
