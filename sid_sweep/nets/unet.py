"""DDPM++: the U-Net of Song et al. 2021 with the settings of EDM (Karras et al. 2022, App. F).

Samples are [B C H W] and a level is c_noise [B]; a network of L levels halves the picture L - 1
times and doubles it as often. Every sum of a stream and its branch is scaled by √½, which keeps
unit variance, and every branch starts near zero.

The function is that of EDM's `SongUNet` with positional embedding and standard encoder and decoder;
blocks stand in its order and weights in its layout (queries, keys and values interleaved), so that
a published checkpoint needs new names only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, dropout, interpolate, silu

NEAR_ZERO = 1e-5  # initial gain of what ends a branch: silent, but all gradients flow
ATTENTION_GAIN = math.sqrt(0.2)  # initial gain of queries, keys and values
SKIP_SCALE = math.sqrt(0.5)
LONGEST_PERIOD = 10_000  # of the embedding, in units of 2π c_noise (Vaswani et al. 2017, 3.5)
EPS = 1e-6  # of the normalisations


@dataclass(frozen=True)
class Site:
    """What one block of the network does."""

    num_in: int
    num_out: int
    resample: Literal["down", "up"] | None = None
    joins: bool = False
    """It takes the encoder's latest unused activation beside the stream."""
    attends: bool = False


def encoder_sites(
    channels: int, channel_mult: Sequence[int], num_blocks: int, attends: Sequence[bool]
) -> list[Site]:
    """Top to bottom; `attends` is by level."""
    sites, width = [], channels
    for level, mult in enumerate(channel_mult):
        if level > 0:
            sites.append(Site(width, width, resample="down"))
        for _ in range(num_blocks):
            sites.append(Site(width, mult * channels, attends=attends[level]))
            width = mult * channels
    return sites


def decoder_sites(
    channels: int, channel_mult: Sequence[int], num_blocks: int, attends: Sequence[bool]
) -> list[Site]:
    """Bottom to top: one block more per level than the encoder, and only the last may attend."""
    encoder = encoder_sites(channels, channel_mult, num_blocks, attends)
    skips = [channels, *(site.num_out for site in encoder)]
    width, bottom, sites = skips[-1], len(channel_mult) - 1, []
    for level in range(bottom, -1, -1):
        if level == bottom:
            sites += [Site(width, width, attends=True), Site(width, width)]
        else:
            sites.append(Site(width, width, resample="up"))
        for index in range(num_blocks + 1):
            out = channel_mult[level] * channels
            last = index == num_blocks
            sites.append(
                Site(width + skips.pop(), out, joins=True, attends=last and attends[level])
            )
            width = out
    return sites


class UNet(nn.Module):
    """A raw network over images, initialised from torch's global random state.

    `attn_resolutions` are heights; the bottom attends once in any case. Dropout, in training mode,
    draws from torch's global random state too: a trial that uses it must seed that state.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        channels: int,
        channel_mult: Sequence[int],
        num_blocks: int,
        attn_resolutions: Sequence[int],
        dropout: float = 0.0,
        embedding_mult: int = 4,
    ) -> None:
        """Raises ValueError for a shape that is no image, or that cannot be halved so often."""
        super().__init__()
        num_colours, height, _ = _halvable(shape, times=len(channel_mult) - 1)
        num_embedded = embedding_mult * channels
        attends = [height >> level in attn_resolutions for level in range(len(channel_mult))]
        encoder = encoder_sites(channels, channel_mult, num_blocks, attends)
        decoder = decoder_sites(channels, channel_mult, num_blocks, attends)

        def blocks(sites: list[Site]) -> nn.ModuleList:
            return nn.ModuleList(Block(site, num_embedded, dropout=dropout) for site in sites)

        self.embed = Embedding(channels, num_embedded)
        self.inward = _conv(num_colours, channels, 3)
        self.encoder = blocks(encoder)
        self.decoder = blocks(decoder)
        self.joins = [site.joins for site in decoder]
        self.norm = _norm(decoder[-1].num_out)
        self.outward = _conv(decoder[-1].num_out, num_colours, 3, gain=NEAR_ZERO)

    def forward(
        self, x: Float[Tensor, "B C H W"], c_noise: Float[Tensor, " #B"]
    ) -> Float[Tensor, "B C H W"]:
        embedding = self.embed(c_noise)
        h = self.inward(x)
        skips = [h]
        for block in self.encoder:
            h = block(h, embedding)
            skips.append(h)
        for block, joins in zip(self.decoder, self.joins, strict=True):
            h = block(torch.cat([h, skips.pop()], 1) if joins else h, embedding)
        return self.outward(silu(self.norm(h)))


def _halvable(shape: tuple[int, ...], *, times: int) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ValueError(
            f"samples of shape {shape}: a U-Net takes images, (channels, height, width); "
            "choose an MLP for other samples"
        )
    colours, height, width = shape
    if height % 2**times or width % 2**times:
        raise ValueError(
            f"images of {height} x {width} cannot be halved {times} times: with {times + 1} levels "
            f"both sides must be multiples of {2**times}; shorten channel_mult or pad the images"
        )
    return colours, height, width


class Embedding(nn.Module):
    """The level as a vector, the same for every block."""

    def __init__(self, num_features: int, num_embedded: int) -> None:
        super().__init__()
        self.num_features = num_features
        self.layer0 = _linear(num_features, num_embedded)
        self.layer1 = _linear(num_embedded, num_embedded)

    def forward(self, c_noise: Float[Tensor, " B"]) -> Float[Tensor, "B E"]:
        features = positional(c_noise, self.num_features)  # a label's projection is added here
        return silu(self.layer1(silu(self.layer0(features))))


def positional(c_noise: Float[Tensor, " B"], num: int) -> Float[Tensor, "B {num}"]:
    """sin and cos of ω c_noise, ω falling geometrically from 1 to 1/10000 inclusive."""
    index = torch.arange(num // 2, dtype=c_noise.dtype, device=c_noise.device)
    frequencies = LONGEST_PERIOD ** (-index / (num // 2 - 1))
    angles = c_noise[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)


class Block(nn.Module):
    """Two convolutions beside a skip; the level shifts what lies between them."""

    def __init__(self, site: Site, num_embedded: int, *, dropout: float) -> None:
        super().__init__()
        self.resample = site.resample
        self.dropout = dropout
        self.norm0 = _norm(site.num_in)
        self.conv0 = _conv(site.num_in, site.num_out, 3)
        self.affine = _linear(num_embedded, site.num_out)
        self.norm1 = _norm(site.num_out)
        self.conv1 = _conv(site.num_out, site.num_out, 3, gain=NEAR_ZERO)
        same = site.resample is None and site.num_in == site.num_out
        self.skip = nn.Identity() if same else _conv(site.num_in, site.num_out, 1)
        self.attention = Attention(site.num_out) if site.attends else nn.Identity()

    def forward(
        self, x: Float[Tensor, "B I H W"], embedding: Float[Tensor, "#B E"]
    ) -> Float[Tensor, "B O H2 W2"]:
        h = self.conv0(self._resampled(silu(self.norm0(x))))
        h = silu(self.norm1(h + self.affine(embedding)[:, :, None, None]))
        h = self.conv1(dropout(h, self.dropout, self.training))
        h = SKIP_SCALE * (self.skip(self._resampled(x)) + h)
        return self.attention(h)

    def _resampled(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B I H2 W2"]:
        """By 2 and the box filter [1, 1]."""
        match self.resample:
            case "down":
                return avg_pool2d(x, 2)
            case "up":
                return interpolate(x, scale_factor=2, mode="nearest")
            case _:
                return x


class Attention(nn.Module):
    """Every position reads all positions, with one head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = _norm(width)
        self.qkv = _conv(width, 3 * width, 1, gain=ATTENTION_GAIN)
        self.proj = _conv(width, width, 1, gain=NEAR_ZERO)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        q, k, v = self.qkv(self.norm(x)).reshape(len(x), x.shape[1], 3, -1).unbind(2)
        return SKIP_SCALE * (self.proj(attend(q, k, v).view_as(x)) + x)


def attend(
    q: Float[Tensor, "B C N"], k: Float[Tensor, "B C N"], v: Float[Tensor, "B C N"]
) -> Float[Tensor, "B C N"]:
    """v softmax(qᵀk/√C)ᵀ (Vaswani et al. 2017, eq. 1), the softmax never in half precision."""
    wide = torch.promote_types(q.dtype, torch.float32)
    with torch.autocast(q.device.type, enabled=False):
        logits = q.to(wide).transpose(1, 2) @ (k.to(wide) / math.sqrt(k.shape[1]))
        weights = logits.softmax(2).to(v.dtype)
        return v @ weights.transpose(1, 2)


def _norm(width: int) -> nn.GroupNorm:
    """At most 32 groups, of at least 4 channels; the largest number of them that divides."""
    most = min(32, width // 4)
    groups = next(n for n in range(most, 0, -1) if width % n == 0)
    return nn.GroupNorm(groups, width, eps=EPS)


def _conv(num_in: int, num_out: int, size: int, *, gain: float = 1.0) -> nn.Conv2d:
    conv = nn.Conv2d(num_in, num_out, size, padding=size // 2)
    _glorot(conv.weight, conv.bias, gain=gain)
    return conv


def _linear(num_in: int, num_out: int) -> nn.Linear:
    linear = nn.Linear(num_in, num_out)
    _glorot(linear.weight, linear.bias, gain=1.0)
    return linear


def _glorot(weight: Tensor, bias: Tensor | None, *, gain: float) -> None:
    """Uniform weights of variance 2 gain²/(fan-in + fan-out), no bias (Glorot & Bengio 2010)."""
    nn.init.xavier_uniform_(weight, gain)
    if bias is not None:
        nn.init.zeros_(bias)
