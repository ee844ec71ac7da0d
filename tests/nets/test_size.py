"""What the formulas count is what networks hold that were built."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sid_sweep import spec
from sid_sweep.nets.denoiser import raw
from sid_sweep.nets.size import size
from sid_sweep.spec.nets import Blueprint

SMALL = {"kind": "unet", "channels": 8, "blocks": 2, "attention_resolutions": [8]}
NCSN = {
    "embedding": "fourier",
    "features_mult": 2,
    "encoder": "residual",
    "resample_filter": [1, 3, 3, 1],
}
NETS = [
    ({"kind": "mlp"}, [2]),
    ({"kind": "mlp", "width": 5, "depth": 1}, [1, 8, 8]),
    ({"kind": "residual_mlp", "width": 12, "depth": 2}, [3, 4, 4]),
    ({"kind": "unet"}, [1, 8, 8]),
    (SMALL, [3, 16, 16]),
    (SMALL | {"channel_mult": [1, 2, 3], "embedding_mult": 2}, [3, 16, 8]),
    (SMALL | NCSN, [3, 16, 16]),
    (SMALL | {"decoder": "skip", "channel_mult": [2, 3]}, [3, 16, 16]),
    ({"kind": "adm", "channels": 64, "attention_resolutions": [8, 4]}, [3, 8, 8]),
    ({"kind": "adm", "channels": 32, "channel_mult": [1, 2, 3], "blocks": 2}, [3, 16, 16]),
]


def built(net, shape, **options):
    blueprint = Blueprint(net=net, shape=shape, sigma_data=0.5, **options)
    own = raw(
        blueprint.net,
        tuple(shape),
        num_classes=blueprint.num_classes,
        num_augment=blueprint.num_augment,
    )
    return blueprint, own


@pytest.mark.parametrize(("net", "shape"), NETS)
@pytest.mark.parametrize("told", [{}, {"num_classes": 7, "num_augment": 9}])
def test_weights_are_counted_to_the_last(net, shape, told):
    if told and "mlp" in net["kind"]:
        told = {}
    blueprint, own = built(net, shape, **told)
    assert size(blueprint).weights == sum(p.numel() for p in own.parameters())


def kept_by(own, x):
    """Numbers that a pass keeps for its way back, weights apart, each once."""
    kept, weights = {}, {p.data_ptr() for p in own.parameters()}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights and tensor.is_floating_point():
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, or its place is reused
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        answer = own(x, torch.zeros(len(x)))
    del answer
    return sum(nbytes for nbytes, _ in kept.values()) / 4


@pytest.mark.parametrize(("net", "shape"), [pair for pair in NETS if "mlp" not in pair[0]["kind"]])
def test_what_a_pass_keeps_is_foreseen_to_a_tenth(net, shape):
    blueprint, own = built(net, shape)
    one, three = (kept_by(own, torch.zeros(num, *shape)) for num in (1, 3))
    assert size(blueprint).kept == pytest.approx((three - one) / 2, rel=0.1)


@pytest.mark.parametrize(("net", "shape"), NETS)
def test_what_a_pass_multiplies_is_foreseen_to_a_fiftieth(net, shape):
    """Resampling, which is left out, is less."""
    blueprint, own = built(net, shape)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        own(torch.zeros(3, *shape), torch.zeros(3))
    assert 2 * 3 * size(blueprint).products == pytest.approx(counter.get_total_flops(), rel=0.02)


def test_the_published_networks_are_as_large_as_they_are_said_to_be():
    """55.7 M for CIFAR-10 and 296 M for ImageNet-64 (Karras et al. 2022, App. F)."""
    ddpm = spec.nets.UNet(
        kind="unet", channels=128, channel_mult=[2, 2, 2], blocks=4, attention_resolutions=[16]
    )
    adm = spec.nets.ADM(
        kind="adm",
        channels=192,
        channel_mult=[1, 2, 3, 4],
        blocks=3,
        attention_resolutions=[32, 16, 8],
    )
    cifar = Blueprint(net=ddpm, shape=[3, 32, 32], sigma_data=0.5, num_augment=9)
    imagenet = Blueprint(net=adm, shape=[3, 64, 64], sigma_data=0.5, num_classes=1000)
    assert size(cifar).weights / 1e6 == pytest.approx(55.7, abs=0.1)
    assert size(imagenet).weights / 1e6 == pytest.approx(296, abs=1)
