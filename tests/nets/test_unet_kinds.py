"""NCSN++ and ADM against straight-line implementations; classes and augmentation; blueprints."""

import math

import pytest
import torch
from test_unet import conv, dense, norm, normal, reference_block, silu, stirred
from torch.nn import functional as F

from sid_sweep import spec
from sid_sweep.diffusion.noise import EDM
from sid_sweep.nets.adm import ADM
from sid_sweep.nets.blocks import doubled, halved
from sid_sweep.nets.denoiser import build
from sid_sweep.nets.unet import UNet

TAPS = [1.0, 3.0, 3.0, 1.0]
SMALL = {"channel_mult": [1, 2], "num_blocks": 1, "attn_resolutions": [4]}
LEVELS = torch.tensor([-1.7, 0.0, 0.4, 1.1], dtype=torch.float64)


def smooth(x, *, up):
    """The filter [1, 3, 3, 1]/8 along both axes, position by position, 0 beyond the edges."""
    kernel = torch.tensor(TAPS, dtype=x.dtype) / 8
    for axis in (2, 3):
        x = x.movedim(axis, -1)
        num = x.shape[-1]
        out = x.new_zeros(*x.shape[:-1], 2 * num if up else num // 2)
        for o in range(out.shape[-1]):
            for tap, weight in enumerate(kernel):
                if up and (o + 1 - tap) % 2 == 0 and 0 <= (o + 1 - tap) // 2 < num:
                    out[..., o] += 2 * weight * x[..., (o + 1 - tap) // 2]
                if not up and 0 <= 2 * o + tap - 1 < num:
                    out[..., o] += weight * x[..., 2 * o + tap - 1]
        x = out.movedim(-1, axis)
    return x


def down(x):
    return smooth(x, up=False)


def up(x):
    return smooth(x, up=True)


def test_resampling_is_its_filter():
    x = normal(2, 3, 4, 6)
    torch.testing.assert_close(halved(x, TAPS), down(x), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(doubled(x, TAPS), up(x), rtol=1e-12, atol=1e-12)


def inlet(weights, x):
    """Convolved on all positions that the filter reaches, then filtered without any edge."""
    wide = F.conv2d(x, weights["inlets.0.conv.weight"], weights["inlets.0.conv.bias"], padding=2)
    kernel = torch.tensor(TAPS, dtype=x.dtype) / 8
    return sum(
        a * b * wide[:, :, i : i + 7 : 2, j : j + 7 : 2]
        for i, a in enumerate(kernel)
        for j, b in enumerate(kernel)
    )


def test_ncsnpp_is_its_blocks_in_order():
    told = {"num_classes": 3, "num_augment": 2}
    net = stirred(
        UNet(
            (1, 8, 8), channels=8, **SMALL, **told, features_mult=2, embedding="fourier",
            encoder="residual", decoder="skip", taps=TAPS,
        )
    )  # fmt: skip
    w, x = net.state_dict(), normal(4, 1, 8, 8)
    labels, augment = torch.tensor([0, 2, 1, 2]), normal(4, 2, key=5)
    angles = 2 * math.pi * LEVELS[:, None] * w["embed.frequencies"]
    features = torch.cat([angles.sin(), angles.cos()], 1)
    features = features + math.sqrt(3) * w["embed.label.weight"].T[labels] + w["embed.label.bias"]
    features = features + augment @ w["embed.augment.weight"].T
    e = silu(dense(w, "embed.layer1", silu(dense(w, "embed.layer0", features))))
    x0 = conv(w, "inward", x)
    x1 = reference_block(w, "encoder.0.", x0, e)
    x2 = (reference_block(w, "encoder.1.", x1, e, down) + inlet(w, x)) / math.sqrt(2)
    x3 = reference_block(w, "encoder.2.", x2, e)
    h = reference_block(w, "decoder.1.", reference_block(w, "decoder.0.", x3, e), e)
    h = reference_block(w, "decoder.2.", torch.cat([h, x3], 1), e)
    h = reference_block(w, "decoder.3.", torch.cat([h, x2], 1), e)
    low = conv(w, "outlets.0.conv", silu(norm(w, "outlets.0.norm", h)))
    h = reference_block(w, "decoder.4.", h, e, up)
    h = reference_block(w, "decoder.5.", torch.cat([h, x1], 1), e)
    h = reference_block(w, "decoder.6.", torch.cat([h, x0], 1), e)
    expected = up(low) + conv(w, "outward", silu(norm(w, "norm", h)))
    torch.testing.assert_close(net(x, LEVELS, labels, augment), expected, rtol=1e-11, atol=1e-11)


def adm_norm(w, name, x):
    return F.group_norm(x, min(32, x.shape[1] // 4), w[f"{name}.weight"], w[f"{name}.bias"], 1e-5)


def adm_block(w, name, x, e, resample=lambda x: x):
    h = conv(w, f"{name}conv0", resample(silu(adm_norm(w, f"{name}norm0", x))))
    scale, shift = dense(w, f"{name}affine", e)[:, :, None, None].chunk(2, 1)
    h = conv(w, f"{name}conv1", silu(adm_norm(w, f"{name}norm1", h) * (1 + scale) + shift))
    x = resample(x)
    x = h + (conv(w, f"{name}skip", x) if f"{name}skip.weight" in w else x)
    if f"{name}attention.qkv.weight" not in w:
        return x
    qkv = conv(w, f"{name}attention.qkv", adm_norm(w, f"{name}attention.norm", x)).flatten(2)
    heads = []
    for head in qkv.chunk(x.shape[1] // 64, 1):
        q, k, v = (head[:, i::3].transpose(1, 2) for i in range(3))
        heads.append(F.scaled_dot_product_attention(q, k, v).transpose(1, 2))
    return x + conv(w, f"{name}attention.proj", torch.cat(heads, 1).reshape(x.shape))


def test_adm_is_its_blocks_in_order():
    net = stirred(ADM((1, 8, 8), channels=64, **SMALL, num_classes=3, num_augment=2))
    w, x = net.state_dict(), normal(4, 1, 8, 8)
    labels, augment = torch.tensor([0, 2, 1, 2]), normal(4, 2, key=5)
    angles = torch.stack([LEVELS * 1e-4 ** (i / 32) for i in range(32)], 1)
    features = torch.cat([angles.cos(), angles.sin()], 1) + augment @ w["embed.augment.weight"].T
    e = dense(w, "embed.layer1", silu(dense(w, "embed.layer0", features)))
    e = silu(e + w["embed.label.weight"].T[labels])
    box = lambda x: F.avg_pool2d(x, 2)  # noqa: E731
    twice = lambda x: x.repeat_interleave(2, 2).repeat_interleave(2, 3)  # noqa: E731
    x0 = conv(w, "inward", x)
    x1 = adm_block(w, "encoder.0.", x0, e)
    x2 = adm_block(w, "encoder.1.", x1, e, box)
    x3 = adm_block(w, "encoder.2.", x2, e)
    h = adm_block(w, "decoder.1.", adm_block(w, "decoder.0.", x3, e), e)
    h = adm_block(w, "decoder.2.", torch.cat([h, x3], 1), e)
    h = adm_block(w, "decoder.3.", torch.cat([h, x2], 1), e)
    h = adm_block(w, "decoder.4.", h, e, twice)
    h = adm_block(w, "decoder.5.", torch.cat([h, x1], 1), e)
    h = adm_block(w, "decoder.6.", torch.cat([h, x0], 1), e)
    expected = conv(w, "outward", silu(adm_norm(w, "norm", h)))
    assert w["encoder.2.attention.qkv.weight"].shape == (384, 128, 1, 1)
    torch.testing.assert_close(net(x, LEVELS, labels, augment), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["unet", "adm"])
def test_a_denoiser_is_rebuilt_from_its_blueprint(kind):
    own = spec.nets.Blueprint.model_validate(
        {"net": {"kind": kind}, "shape": [1, 8, 8], "sigma_data": 0.5, "num_classes": 4}
    )
    first = build(own)
    again = build(spec.nets.Blueprint.model_validate_json(first.blueprint.model_dump_json()))
    again.load_state_dict(first.state_dict())
    x, level = normal(3, 1, 8, 8).float(), EDM().level(torch.full((3, 1, 1, 1), 0.7))
    labels = torch.tensor([0, 3, 1])
    assert torch.equal(first(x, level, labels), again(x, level, labels))
    assert not again.training


def test_labels_belong_to_conditional_networks():
    own = {"net": {"kind": "unet"}, "shape": [1, 8, 8], "sigma_data": 0.5}
    x, level = normal(2, 1, 8, 8).float(), EDM().level(torch.ones(2, 1, 1, 1))
    plain = build(spec.nets.Blueprint.model_validate(own))
    with pytest.raises(ValueError, match="unconditional: give it no labels"):
        plain(x, level, torch.tensor([0, 1]))
    told = build(spec.nets.Blueprint.model_validate(own | {"num_classes": 3}))
    with pytest.raises(ValueError, match="conditional on 3 classes: give it labels"):
        told(x, level)
    with pytest.raises(ValueError, match="mlp knows no classes"):
        build(spec.nets.Blueprint.model_validate(own | {"net": {"kind": "mlp"}, "num_classes": 3}))
