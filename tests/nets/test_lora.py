"""Low-rank adaptation: begins as the teacher, shares its weights, and merges into a plain net."""

import pytest
import torch
from torch import nn

from sid_sweep import spec
from sid_sweep.diffusion.noise import EDM
from sid_sweep.nets import lora
from sid_sweep.nets.denoiser import build

SHAPE = (1, 8, 8)
NETS = [
    spec.nets.MLP(width=16),
    spec.nets.ResidualMLP(kind="residual_mlp", width=16),
    spec.nets.UNet(kind="unet", channels=8),
]
LEVEL = EDM().level(torch.linspace(0.1, 3, 5)[:, None, None, None])
XT = torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=NETS, ids=lambda net: net.kind)
def teacher(request):
    torch.manual_seed(0)
    own = build(spec.nets.Blueprint(net=request.param, shape=list(SHAPE), sigma_data=0.5))
    for parameter in own.parameters():  # the blocks' last layers begin at 0
        nn.init.normal_(parameter, std=0.1)
    return own.requires_grad_(False)


def adapted(teacher, rank=2):
    own = lora.adapt(teacher, rank=rank, scale=0.5)
    return own


def learnt(network):
    return [p for p in network.parameters() if p.requires_grad]


def test_it_begins_as_the_teacher(teacher):
    torch.testing.assert_close(adapted(teacher)(XT, LEVEL), teacher(XT, LEVEL))


def test_it_shares_the_teachers_weights_and_owns_its_additions(teacher):
    first, second = adapted(teacher), adapted(teacher)
    shared = {p.data_ptr() for p in teacher.parameters()}
    for network in (first, second, lora.twin(first)):
        frozen = [p for p in network.parameters() if not p.requires_grad]
        assert {p.data_ptr() for p in frozen} == shared
        assert not shared & {p.data_ptr() for p in learnt(network)}
    assert not {p.data_ptr() for p in learnt(first)} & {p.data_ptr() for p in learnt(second)}


def test_only_additions_learn_and_they_are_few(teacher):
    own = adapted(teacher, rank=1)
    loss = own(XT, LEVEL).square().sum()
    gradients = torch.autograd.grad(loss, learnt(own))
    assert any(bool(gradient.abs().sum() > 0) for gradient in gradients)
    few, many = sum(p.numel() for p in learnt(own)), sum(p.numel() for p in teacher.parameters())
    assert few < 0.6 * many


def test_merged_is_the_same_function_with_the_teachers_names(teacher):
    own = adapted(teacher)
    for parameter in learnt(own):
        nn.init.normal_(parameter, std=0.3)
    plain = lora.merged(own)
    torch.testing.assert_close(plain(XT, LEVEL), own(XT, LEVEL), rtol=1e-4, atol=1e-5)
    assert (own(XT, LEVEL) - teacher(XT, LEVEL)).abs().max() > 0.01
    assert plain.state_dict().keys() == teacher.state_dict().keys()
    before = adapted(teacher)(XT, LEVEL)
    torch.testing.assert_close(before, teacher(XT, LEVEL))  # merging left the shared weights alone


def test_the_addition_has_the_rank_that_was_asked(teacher):
    own = adapted(teacher, rank=2)
    for parameter in learnt(own):
        nn.init.normal_(parameter)
    layers = [layer for layer in own.modules() if isinstance(layer, lora.Adapted)]
    assert layers
    for layer in layers:
        matrix = layer.addition().flatten(1)
        assert torch.linalg.matrix_rank(matrix) == min(2, *matrix.shape)
