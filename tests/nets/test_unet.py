"""The U-Net against a second, straight-line implementation, closed forms and symmetries."""

import math
from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from sid_sweep import spec
from sid_sweep.nets.blocks import Attention, Block, attend, positional
from sid_sweep.nets.denoiser import Denoiser
from sid_sweep.nets.sites import Site
from sid_sweep.nets.unet import UNet
from sid_sweep.streams import seeded

CIFAR10 = {"channels": 128, "channel_mult": [2, 2, 2], "num_blocks": 4, "attn_resolutions": [16]}
DIGITS = {"channels": 8, "channel_mult": [1, 2], "num_blocks": 1, "attn_resolutions": [4]}
CASES = {
    "digits": ((1, 8, 8), DIGITS),
    "one level": ((2, 8, 8), {**DIGITS, "channel_mult": [2]}),
    "deep": ((1, 8, 8), {**DIGITS, "num_blocks": 2}),
    "attentive": ((3, 16, 16), {**DIGITS, "channel_mult": [1, 2, 2], "attn_resolutions": [4, 8]}),
    "wide picture": ((3, 8, 16), {**DIGITS, "attn_resolutions": [8]}),
    "narrower below": ((1, 8, 8), {**DIGITS, "channels": 12, "channel_mult": [2, 1]}),
}
SITES = {
    "plain": Site(8, 8),
    "wider": Site(8, 12, joins=True),
    "down": Site(8, 8, resample="down"),
    "up": Site(8, 8, resample="up"),
    "attends": Site(8, 16, attends=True),
}


def normal(*shape, key=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(key), dtype=torch.float64)


def stirred(module):
    """In float64, with no weight at 0, where a fresh one has all biases and almost all branches."""
    random = torch.Generator().manual_seed(1)
    for weights in module.double().parameters():
        weights.data += 0.2 * torch.randn(weights.shape, generator=random, dtype=torch.float64)
    return module.requires_grad_(False)


def fresh(name):
    shape, settings = CASES[name]
    with seeded("test", name):
        return UNet(shape, **settings)


# ---- the second implementation


def conv(weights, name, x):
    weight = weights[f"{name}.weight"]
    return F.conv2d(x, weight, weights[f"{name}.bias"], padding=weight.shape[-1] // 2)


def dense(weights, name, x):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def norm(weights, name, x):
    """Mean 0 and deviation 1 over each group and all positions."""
    groups = x.reshape(len(x), min(32, x.shape[1] // 4), -1)
    groups = groups - groups.mean(2, keepdim=True)
    unit = (groups / (groups.square().mean(2, keepdim=True) + 1e-6).sqrt()).reshape(x.shape)
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    return unit * weight[:, None, None] + bias[:, None, None]


def silu(x):
    return x / (1 + torch.exp(-x))


def half(x):
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


def twice(x):
    return x.repeat_interleave(2, -1).repeat_interleave(2, -2)


def reference_block(weights, name, x, embedding, resample=lambda x: x):
    h = conv(weights, f"{name}conv0", resample(silu(norm(weights, f"{name}norm0", x))))
    h = h + dense(weights, f"{name}affine", embedding)[:, :, None, None]
    h = conv(weights, f"{name}conv1", silu(norm(weights, f"{name}norm1", h)))
    if f"{name}skip.weight" in weights:
        x = conv(weights, f"{name}skip", resample(x))
    x = (x + h) / math.sqrt(2)
    if f"{name}attention.qkv.weight" in weights:
        x = reference_attention(weights, f"{name}attention.", x)
    return x


def reference_attention(weights, name, x):
    qkv = conv(weights, f"{name}qkv", norm(weights, f"{name}norm", x)).flatten(2).transpose(1, 2)
    read = F.scaled_dot_product_attention(qkv[..., 0::3], qkv[..., 1::3], qkv[..., 2::3])
    read = conv(weights, f"{name}proj", read.transpose(1, 2).reshape(x.shape))
    return (x + read) / math.sqrt(2)


def reference_embedding(weights, c_noise):
    num = weights["embed.layer0.weight"].shape[1] // 2
    angles = [[c * 1e-4 ** (i / (num - 1)) for i in range(num)] for c in c_noise.tolist()]
    features = [[math.sin(a) for a in row] + [math.cos(a) for a in row] for row in angles]
    h = silu(dense(weights, "embed.layer0", torch.tensor(features, dtype=torch.float64)))
    return silu(dense(weights, "embed.layer1", h))


def reference_digits(weights, x, c_noise):
    """The network `DIGITS`, block after block: two levels of one block each."""
    e = reference_embedding(weights, c_noise)
    x0 = conv(weights, "inward", x)
    x1 = reference_block(weights, "encoder.0.", x0, e)
    x2 = reference_block(weights, "encoder.1.", x1, e, half)
    x3 = reference_block(weights, "encoder.2.", x2, e)
    h = reference_block(weights, "decoder.0.", x3, e)
    h = reference_block(weights, "decoder.1.", h, e)
    h = reference_block(weights, "decoder.2.", torch.cat([h, x3], 1), e)
    h = reference_block(weights, "decoder.3.", torch.cat([h, x2], 1), e)
    h = reference_block(weights, "decoder.4.", h, e, twice)
    h = reference_block(weights, "decoder.5.", torch.cat([h, x1], 1), e)
    h = reference_block(weights, "decoder.6.", torch.cat([h, x0], 1), e)
    return conv(weights, "outward", silu(norm(weights, "norm", h)))


@pytest.mark.parametrize("name", SITES)
def test_a_block_is_its_equations(name):
    site = SITES[name]
    block = stirred(Block(site, 6, dropout=0.0))
    x, embedding = normal(3, site.num_in, 4, 6), normal(3, 6)
    resample = {"down": half, "up": twice, None: lambda x: x}[site.resample]
    expected = reference_block(block.state_dict(), "", x, embedding, resample)
    torch.testing.assert_close(block(x, embedding), expected, rtol=1e-12, atol=1e-12)


def test_the_network_is_its_blocks_in_order():
    net = stirred(fresh("digits"))
    x, c_noise = normal(4, 1, 8, 8), torch.tensor([-1.7, 0.0, 0.4, 1.1], dtype=torch.float64)
    expected = reference_digits(net.state_dict(), x, c_noise)
    assert [len(net.encoder), len(net.decoder)] == [3, 7]
    torch.testing.assert_close(net(x, c_noise), expected, rtol=1e-11, atol=1e-11)


def test_attention_is_torchs():
    q, k, v = (normal(2, 5, 12, key=key) for key in range(3))
    theirs = F.scaled_dot_product_attention(*(t.transpose(1, 2) for t in (q, k, v)))
    torch.testing.assert_close(attend(q, k, v).transpose(1, 2), theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("num", [4, 8, 32])
def test_the_embedding_turns_from_fast_to_slow(num):
    """The first pair turns by c_noise itself, the last by a ten thousandth, evenly in between."""
    c_noise = torch.tensor([0.0, -1.3, 2.0], dtype=torch.float64)
    sin, cos = positional(c_noise, num).chunk(2, 1)
    period = torch.logspace(0, 4, num // 2, dtype=torch.float64)
    torch.testing.assert_close(torch.atan2(sin, cos), c_noise[:, None] / period)
    torch.testing.assert_close(sin**2 + cos**2, torch.ones_like(sin))


# ---- size and shape


def count(net):
    return sum(weights.numel() for weights in net.parameters())


def num_weights(shape, *, channels, channel_mult, num_blocks, attn_resolutions):
    """Weights of the network, counted by kind of layer rather than by block."""
    colours, height, _ = shape
    widths = [mult * channels for mult in channel_mult]
    resampling = [*widths[:-1], *widths[1:]]  # down, up
    stream = [channels] + [width for width in widths for _ in range(num_blocks)]
    blocks = [*pairwise(stream), *zip(resampling, resampling, strict=True)]
    blocks += [(widths[-1], widths[-1])] * 2  # the bottom
    skips = [channels]
    for width in widths:
        skips += [width] * (num_blocks + 1)
    skips.pop()  # nothing below the bottom
    below = widths[-1]
    for width in reversed(widths):
        for _ in range(num_blocks + 1):
            blocks.append((below + skips.pop(), width))
            below = width
    embedded, top = 4 * channels, widths[0]
    heads = [w for i, w in enumerate(widths) if height >> i in attn_resolutions]
    heads = heads * (num_blocks + 1) + [widths[-1]]
    kinds = {
        "embedding": (channels + 1) * embedded + (embedded + 1) * embedded,
        "level in block": sum((embedded + 1) * o for _, o in blocks),
        "3 x 3": sum((9 * i + 1) * o + (9 * o + 1) * o for i, o in blocks),
        "norm": sum(2 * i + 2 * o for i, o in blocks),
        "skip": sum((i + 1) * o for i, o in blocks if i != o)
        + sum((w + 1) * w for w in resampling),
        "attention": sum(2 * w + (w + 1) * 4 * w for w in heads),
        "ends": (9 * colours + 1) * channels + 2 * top + (9 * top + 1) * colours,
    }
    return sum(kinds.values())


@pytest.mark.parametrize("name", CASES)
def test_the_number_of_weights(name):
    shape, settings = CASES[name]
    assert count(fresh(name)) == num_weights(shape, **settings)


def test_the_number_of_weights_of_the_published_network():
    """EDM's unconditional CIFAR-10 networks, less their projection of 9 augmentation labels."""
    with torch.device("meta"):
        net = UNet((3, 32, 32), **CIFAR10, dropout=0.13)
    assert count(net) + 9 * 128 == 55_733_891
    assert count(net) == num_weights((3, 32, 32), **CIFAR10)


def test_where_the_published_network_attends():
    """EDM: all encoder blocks of height 16, one decoder block, and the bottom's first block."""
    with torch.device("meta"):
        net = UNet((3, 32, 32), **CIFAR10)
    attends = [name for name, part in net.named_modules() if isinstance(part, Attention)]
    encoder = [f"encoder.{i}.attention" for i in range(5, 9)]  # after 4 blocks and one down
    decoder = [f"decoder.{i}.attention" for i in (0, 12)]  # 2 + 5 at height 8, then up and 5
    assert attends == encoder + decoder


@pytest.mark.parametrize("name", CASES)
def test_the_answer_has_the_samples_shape(name):
    x = normal(2, *CASES[name][0]).float()
    assert fresh(name)(x, torch.zeros(2)).shape == x.shape


@pytest.mark.parametrize(
    ("shape", "rule"),
    [((1, 6, 8), "6 x 8 .* multiples of 4"), ((1, 8, 6), "8 x 6"), ((2,), r"\(2,\).* images")],
)
def test_samples_it_cannot_take(shape, rule):
    with pytest.raises(ValueError, match=rule):
        UNet(shape, **{**DIGITS, "channel_mult": [1, 1, 1]})


# ---- the initial network


@pytest.mark.parametrize("name", CASES)
def test_it_starts_silent_and_every_weight_learns(name):
    net, x = fresh(name), normal(4, *CASES[name][0]).float()
    answer = net(x, torch.linspace(-1, 1, 4))
    assert 0 < float(answer.detach().abs().max()) < 1e-3
    (answer * normal(*answer.shape, key=1)).sum().backward()
    assert all(float(weights.grad.abs().max()) > 0 for weights in net.parameters())


def test_initial_weights_have_glorots_spread():
    """Uniform within gain √(6/(fan-in + fan-out)), the fans being of 9 positions in a 3 x 3."""
    with seeded("test"):
        block = Block(Site(64, 32, attends=True), 128, dropout=0.0)
    bounds = {
        "conv0": math.sqrt(6 / (9 * 96)),
        "conv1": 1e-5 * math.sqrt(6 / (9 * 64)),
        "affine": math.sqrt(6 / 160),
        "skip": math.sqrt(6 / 96),
        "attention.qkv": math.sqrt(0.2) * math.sqrt(6 / 128),
        "attention.proj": 1e-5 * math.sqrt(6 / 64),
    }
    for name, bound in bounds.items():
        layer = block.get_submodule(name)
        assert 0.98 * bound < float(layer.weight.detach().abs().max()) <= bound * (1 + 1e-6)
        assert not layer.bias.any()


@pytest.mark.parametrize(("width", "groups"), [(8, 2), (72, 18), (256, 32), (144, 24)])
def test_groups_of_a_normalisation(width, groups):
    """EDM's min(32, C/4) where that divides C; else, as for 144, the next number that does."""
    assert Block(Site(width, 8), 4, dropout=0.0).norm0.num_groups == groups


class Noise(torch.nn.Module):
    """A branch of unit variance, whatever it is given."""

    def forward(self, x):
        return normal(*x.shape, key=2)


def test_a_sum_of_stream_and_branch_keeps_unit_variance():
    block = Block(Site(8, 8, attends=True), 6, dropout=0.0).double()
    block.conv1 = block.attention.proj = Noise()
    x = normal(64, 8, 16, 16)
    half_way = torch.stack([x, Noise()(x)]).sum(0) / math.sqrt(2)
    torch.testing.assert_close(
        block(x, normal(64, 6)), (half_way + Noise()(x)) / math.sqrt(2), rtol=1e-12, atol=1e-12
    )
    error = math.sqrt(2 / x.numel())  # of the variance of that many normal numbers
    assert abs(float(half_way.var()) - 1) < 5 * error
    assert abs(float((math.sqrt(2) * half_way).var()) - 1) > 5 * error


# ---- laws


@pytest.mark.parametrize("name", CASES)
def test_one_level_serves_a_batch(name):
    net, x = stirred(fresh(name)), normal(3, *CASES[name][0])
    level = torch.tensor([0.3], dtype=torch.float64)
    torch.testing.assert_close(net(x, level), net(x, level.expand(3)), rtol=1e-10, atol=1e-10)


def test_samples_of_a_batch_do_not_meet():
    net, x, levels = stirred(fresh("attentive")), normal(4, 3, 16, 16), normal(4, key=1)
    alone = [net(x[i : i + 1], levels[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(net(x, levels), torch.cat(alone), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("mirror", [lambda x: x.flip(-1), lambda x: x.flip(-2), lambda x: x.mT])
def test_mirrored_kernels_mirror_the_picture(mirror):
    """Neither resampling nor attention prefers a direction."""
    net, x, levels = stirred(fresh("attentive")), normal(2, 3, 16, 16), normal(2, key=1)
    answer = net(x, levels)
    for weights in net.parameters():
        if weights.ndim == 4:
            weights.data = mirror(weights.data)
    assert not torch.allclose(net(x, levels), answer)
    torch.testing.assert_close(net(mirror(x), levels), mirror(answer), rtol=1e-10, atol=1e-10)


def test_it_answers_the_same_twice_without_touching_torchs_random_state():
    net, x, before = fresh("attentive"), normal(2, 3, 16, 16).float(), torch.get_rng_state()
    assert torch.equal(net(x, torch.zeros(2)), net(x, torch.zeros(2)))
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_acts_in_training_only():
    net = stirred(UNet((1, 8, 8), **DIGITS, dropout=0.5))
    x, level = normal(2, 1, 8, 8), normal(1, key=1)
    with seeded("test"):
        assert not torch.allclose(net(x, level), net(x, level))
    net.eval()
    assert torch.equal(net(x, level), net(x, level))


def test_half_precision_stays_near():
    net, x = fresh("digits"), normal(8, 1, 8, 8).float()
    torch.nn.init.normal_(net.outward.weight, std=0.1, generator=torch.Generator().manual_seed(3))
    own = spec.nets.Blueprint(net=spec.nets.UNet(kind="unet"), shape=[1, 8, 8], sigma_data=0.5)
    denoiser = Denoiser(net, own)
    with torch.no_grad():
        exact = denoiser.generate(x, sigma_init=2.5)
        denoiser.precision = torch.bfloat16
        coarse = denoiser.generate(x, sigma_init=2.5)
    assert coarse.dtype == torch.float32
    assert 0 < float((coarse - exact).norm() / exact.norm()) < 0.05
