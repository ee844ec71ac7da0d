"""Layout, recomputation and compilation change memory, speed and rounding, and nothing else."""

import copy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from sid_sweep import spec
from sid_sweep.diffusion.noise import EDM
from sid_sweep.nets.denoiser import build
from sid_sweep.nets.training import frozen, prepare, set_dropout

UNET = spec.nets.UNet(kind="unet", channels=8, channel_mult=[1, 2], attention_resolutions=[4])
NETS = {
    "unet": UNET,
    "adm": spec.nets.ADM(kind="adm", channels=8, attention_resolutions=[4]),
    "mlp": spec.nets.MLP(width=16),
    "residual_mlp": spec.nets.ResidualMLP(kind="residual_mlp", width=16),
}


def denoiser(net=UNET):
    torch.manual_seed(0)
    blueprint = spec.nets.Blueprint(net=net, shape=[1, 8, 8], sigma_data=0.5)
    made = build(blueprint)
    with torch.no_grad():
        for parameter in made.parameters():  # some begin at zero, and silence what is before them
            parameter.add_(0.05 * torch.randn_like(parameter))
    return made


def gradients(network, *, dropped=False):
    """Of a loss that crosses the network twice."""
    x = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    level = EDM().level(torch.full((4, 1, 1, 1), 0.7))
    network.train(dropped)
    torch.manual_seed(2)
    loss = network(network(x, level), level).square().sum()
    return torch.autograd.grad(loss, list(network.parameters()))


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_recomputed_gradients_are_bitwise_the_same(net, share):
    """With dropout too: what fell falls again."""
    plain = denoiser(NETS[net])
    set_dropout(plain, share)
    again = prepare(copy.deepcopy(plain), spec.Compute(checkpoint_activations=True))
    pairs = zip(
        gradients(plain, dropped=share > 0), gradients(again, dropped=share > 0), strict=True
    )
    assert all(torch.equal(a, b) for a, b in pairs)


def test_no_normalisation_is_left_to_autocast(monkeypatch):
    """Which would widen what follows it on a GPU; on a CPU nothing else shows it."""
    seen = []

    def noted(x, *rest):
        seen.append((x.dtype, torch.is_autocast_enabled("cpu")))
        return torch.nn.functional.group_norm(x, *rest)

    monkeypatch.setattr("sid_sweep.nets.blocks.group_norm", noted)
    gradients(denoiser().compute_in("bfloat16"))
    assert set(seen) == {(torch.bfloat16, False)}


def test_recomputation_keeps_less():
    """Bytes that the graph holds on to."""

    def kept(network):
        held = {}

        def note(tensor):
            held[tensor.data_ptr()] = tensor.nbytes
            return tensor

        x = torch.randn(64, 1, 8, 8)
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            network(x, EDM().level(torch.full((64, 1, 1, 1), 0.7)))
        return sum(held.values())

    plain = denoiser()
    again = prepare(copy.deepcopy(plain), spec.Compute(checkpoint_activations=True))
    assert kept(again) < 0.5 * kept(plain)


@pytest.mark.parametrize("net", ["unet", "adm"])
def test_channels_last_changes_rounding_alone(net):
    plain = denoiser(NETS[net])
    other = prepare(copy.deepcopy(plain), spec.Compute(channels_last=True))
    layer = next(own for own in other.modules() if isinstance(own, nn.Conv2d))
    assert layer.weight.is_contiguous(memory_format=torch.channels_last)
    for a, b in zip(gradients(plain), gradients(other), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


COMPILED = """
import copy, torch
from test_training import NETS, denoiser, gradients, prepare, spec
plain = denoiser(NETS["mlp"])
compiled = prepare(copy.deepcopy(plain), spec.Compute(compile=True))
assert list(compiled.state_dict()) == list(plain.state_dict())
for a, b in zip(gradients(plain), gradients(compiled), strict=True):
    assert (a - b).norm() < 1e-4 * a.norm(), ((a - b).norm(), a.norm())
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with g++")
def test_a_compiled_network_keeps_its_names_and_its_function():
    """By itself: the compiler cannot trace the checks of shapes that tests add to all code."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILED], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("net", NETS)
def test_dropout_wakes_in_training_alone(net):
    network = denoiser(NETS[net])
    before = gradients(network)
    set_dropout(network, 0.5)
    assert all(torch.equal(a, b) for a, b in zip(before, gradients(network), strict=True))
    dropped = gradients(network, dropped=True)
    assert not all(torch.equal(a, b) for a, b in zip(before, dropped, strict=True))


def test_dropout_where_there_is_no_place_for_it_is_refused():
    with pytest.raises(ValueError, match=r"dropout = 0.5: the network has no layer"):
        set_dropout(nn.Linear(2, 2), 0.5)


def flops_back_to_the_input(network):
    """Of a compiled network's way back, which autograd cannot cut short."""
    x = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    answer = torch.compile(network, backend="aot_eager")(x)
    with FlopCounterMode(display=False) as counter:
        answer.sum().backward(inputs=[x])
    return counter.get_total_flops(), x.grad


def test_what_others_learn_through_frozen_computes_no_gradient_of_its_own():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.SiLU(), nn.Conv2d(4, 1, 3))
    network[2].requires_grad_(False)
    more, gradient = flops_back_to_the_input(network)
    with frozen(network):
        less, same = flops_back_to_the_input(network)
    assert torch.equal(gradient, same)
    assert less < more
    assert [weight.requires_grad for weight in network.parameters()] == [True, True, False, False]


def test_what_fails_while_frozen_thaws_again():
    network = denoiser()
    with pytest.raises(RuntimeError), frozen(network):
        raise RuntimeError
    assert all(weight.requires_grad for weight in network.parameters())
