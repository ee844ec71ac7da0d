"""Where a denoiser is looked into: lowest in a U-Net, last in any other."""

import pytest
import torch
from torch import nn

from sid_sweep import spec
from sid_sweep.diffusion.noise import EDM
from sid_sweep.nets.denoiser import build
from sid_sweep.quality.bottleneck import Place, bottleneck

LEVEL = EDM().level(torch.full((1,), 0.2))
SHAPE = (3, 16, 16)


def images(num):
    return torch.randint(256, (num, *SHAPE), generator=torch.Generator().manual_seed(0)).byte()


def seen(net):
    torch.manual_seed(0)
    made = spec.nets.Blueprint(net=net, shape=list(SHAPE), sigma_data=0.5)
    denoiser = build(made)
    return denoiser, bottleneck(denoiser, LEVEL, SHAPE, conditional=False)


def test_of_a_unet_it_is_the_last_block_at_the_lowest_resolution():
    net = spec.nets.UNet(kind="unet", channels=8, channel_mult=[1, 2], attention_resolutions=[])
    denoiser, see = seen(net)
    assert see.place == Place("net.decoder.3", "output")  # two blocks, and one of each skip
    features = see(images(5)).features
    assert features.shape == (5, 16)
    assert float(features.std(0).min()) > 0
    assert not any(module._forward_hooks for module in denoiser.modules())


@pytest.mark.parametrize("kind", ["mlp", "residual_mlp"])
def test_of_another_network_it_is_what_enters_the_last_layer(kind):
    net = {"mlp": spec.nets.MLP, "residual_mlp": spec.nets.ResidualMLP}[kind](kind=kind, width=24)
    _, see = seen(net)
    assert see.place == Place("net.outward", "input")
    assert see(images(5)).features.shape == (5, 24)


def test_a_chunk_does_not_matter():
    _, see = seen(spec.nets.UNet(kind="unet", channels=8))
    whole, parts = see(images(6)).features, [see(part).features for part in images(6).split(4)]
    assert torch.allclose(whole, torch.cat(parts), atol=1e-6)


def test_a_network_without_modules_is_refused():
    class Empty(nn.Module):
        def forward(self, xt, level):
            return xt

    with pytest.raises(ValueError, match="no modules to look into"):
        bottleneck(Empty(), LEVEL, SHAPE, conditional=False)
