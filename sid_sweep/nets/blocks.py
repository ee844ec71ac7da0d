"""What U-Nets are made of: residual blocks, attention, resampling, features of the level.

A family of networks is a `Style`. In that of Song et al. 2021 every sum of a stream and its branch
is scaled by √½, which keeps unit variance, and the level shifts; in that of Dhariwal & Nichol 2021
the level scales as well. Weights have the layout of EDM's official code (queries, keys and values
interleaved), so that a published checkpoint needs new names only.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import (
    avg_pool2d,
    conv2d,
    conv_transpose2d,
    dropout,
    group_norm,
    interpolate,
    one_hot,
    silu,
)

from .recompute import Recomputable
from .sites import Site

SKIP_SCALE = math.sqrt(0.5)
LONGEST_PERIOD = 10_000  # of the embedding, in units of 2π c_noise (Vaswani et al. 2017, 3.5)
BOX = (1.0, 1.0)

Resample = Literal["down", "up"] | None
Taps = Sequence[float]


def glorot(layer: nn.Linear | nn.Conv2d, gain: float) -> None:
    """Uniform weights of variance 2 gain²/(fan-in + fan-out), no bias (Glorot & Bengio 2010)."""
    nn.init.xavier_uniform_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def torchs_own(layer: nn.Linear | nn.Conv2d, gain: float) -> None:
    """Weights and biases uniform within gain/√fan-in, as torch draws them (guided-diffusion)."""
    with torch.no_grad():
        for weights in layer.parameters():
            weights *= gain


@dataclass(frozen=True)
class Style:
    """What tells the blocks of one family from another's."""

    initial: Callable[[nn.Linear | nn.Conv2d, float], None]
    """Initial weights of a layer, given its gain."""
    quiet: float
    """Initial gain of what ends a branch."""
    attention_gain: float
    """Initial gain of queries, keys and values."""
    eps: float
    """Of the normalisations."""
    skip_scale: float
    """Factor of every sum of stream and branch."""
    scales: bool
    """The level scales what is normalised, beside shifting it."""
    projects: bool
    """A stream that is resampled passes a 1 x 1 convolution, whatever its width."""
    head_width: int | None
    """Channels of an attention head; None: one head."""

    def heads(self, width: int) -> int:
        """How many a block of that width has; 0: it does not attend."""
        return 1 if self.head_width is None else width // self.head_width

    def conv(self, num_in: int, num_out: int, size: int, *, gain: float = 1.0) -> nn.Conv2d:
        """A convolution that keeps the picture's size."""
        conv = nn.Conv2d(num_in, num_out, size, padding=size // 2)
        self.initial(conv, gain)
        return conv

    def linear(
        self, num_in: int, num_out: int, *, gain: float = 1.0, bias: bool = True
    ) -> nn.Linear:
        """A dense layer."""
        linear = nn.Linear(num_in, num_out, bias=bias)
        self.initial(linear, gain)
        return linear

    def norm(self, width: int) -> "Norm":
        """At most 32 groups, of at least 4 channels; the largest number of them that divides."""
        most = min(32, width // 4)
        groups = next(n for n in range(most, 0, -1) if width % n == 0)
        return Norm(groups, width, eps=self.eps)


SONG = Style(
    initial=glorot,
    quiet=1e-5,  # silent, but all gradients flow
    attention_gain=math.sqrt(0.2),
    eps=1e-6,
    skip_scale=SKIP_SCALE,
    scales=False,
    projects=True,
    head_width=None,
)
DHARIWAL = Style(
    initial=torchs_own,
    quiet=0.0,
    attention_gain=1.0,
    eps=1e-5,
    skip_scale=1.0,
    scales=True,
    projects=False,
    head_width=64,
)


class Norm(nn.GroupNorm):
    """Answers in the type of what it is given, as EDM's does, where autocast would widen it and all
    that follows; torch sums in float32 in any case."""

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        with torch.autocast(input.device.type, enabled=False):
            weight, bias = self.weight.to(input.dtype), self.bias.to(input.dtype)
            return group_norm(input, self.num_groups, weight, bias, self.eps)


class Block(Recomputable):
    """Two convolutions beside a skip; the level moves what lies between them."""

    def __init__(
        self,
        site: Site,
        num_embedded: int,
        *,
        dropout: float,
        style: Style = SONG,
        taps: Taps = BOX,
    ) -> None:
        super().__init__()
        self.resample: Resample = site.resample
        self.dropout, self.style, self.taps = dropout, style, tuple(taps)
        moves = 2 if style.scales else 1
        self.norm0 = style.norm(site.num_in)
        self.conv0 = style.conv(site.num_in, site.num_out, 3)
        self.affine = style.linear(num_embedded, moves * site.num_out)
        self.norm1 = style.norm(site.num_out)
        self.conv1 = style.conv(site.num_out, site.num_out, 3, gain=style.quiet)
        same = site.num_in == site.num_out and not (site.resample and style.projects)
        self.skip = nn.Identity() if same else style.conv(site.num_in, site.num_out, 1)
        attends = site.attends and style.heads(site.num_out) > 0
        self.attention = Attention(site.num_out, style=style) if attends else nn.Identity()

    def forward(
        self, x: Float[Tensor, "B I H W"], embedding: Float[Tensor, "#B E"]
    ) -> Float[Tensor, "B O H2 W2"]:
        h = self.conv0(self._resampled(silu(self.norm0(x))))
        h = silu(self._moved(h, self.affine(embedding)[:, :, None, None]))
        h = self.conv1(dropout(h, self.dropout, self.training))
        h = self.style.skip_scale * (self.skip(self._resampled(x)) + h)
        return self.attention(h)

    def _moved(
        self, h: Float[Tensor, "B O H W"], by: Float[Tensor, "#B M 1 1"]
    ) -> Float[Tensor, "B O H W"]:
        if not self.style.scales:
            return self.norm1(h + by)
        scale, shift = by.chunk(2, 1)
        return self.norm1(h) * (1 + scale) + shift

    def _resampled(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B I H2 W2"]:
        match self.resample:
            case "down":
                return halved(x, self.taps)
            case "up":
                return doubled(x, self.taps)
            case _:
                return x


class Attention(nn.Module):
    """Every position reads all positions, each head among its own channels."""

    def __init__(self, width: int, *, style: Style = SONG) -> None:
        super().__init__()
        self.scale, self.heads = style.skip_scale, style.heads(width)
        self.norm = style.norm(width)
        self.qkv = style.conv(width, 3 * width, 1, gain=style.attention_gain)
        self.proj = style.conv(width, width, 1, gain=style.quiet)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        num, width = len(x) * self.heads, x.shape[1] // self.heads
        q, k, v = self.qkv(self.norm(x)).reshape(num, width, 3, -1).unbind(2)
        return self.scale * (self.proj(attend(q, k, v).view_as(x)) + x)


def attend(
    q: Float[Tensor, "B C N"], k: Float[Tensor, "B C N"], v: Float[Tensor, "B C N"]
) -> Float[Tensor, "B C N"]:
    """v softmax(qᵀk/√C)ᵀ (Vaswani et al. 2017, eq. 1), the softmax never in half precision."""
    wide = torch.promote_types(q.dtype, torch.float32)
    with torch.autocast(q.device.type, enabled=False):
        logits = q.to(wide).transpose(1, 2) @ (k.to(wide) / math.sqrt(k.shape[1]))
        weights = logits.softmax(2).to(v.dtype)
        return v @ weights.transpose(1, 2)


# ---- resampling by 2, with a filter that is `taps` along each axis


def halved(
    x: Float[Tensor, "B C H W"], taps: Taps, *, padded: bool = True
) -> Float[Tensor, "B C H2 W2"]:
    """Filtered, and every second position kept; beyond the edges lies 0, unless `x` holds them."""
    if tuple(taps) == BOX:
        return avg_pool2d(x, 2)
    padding = (len(taps) - 1) // 2 if padded else 0
    return conv2d(x, _kernel(x, taps), groups=x.shape[1], stride=2, padding=padding)


def doubled(x: Float[Tensor, "B C H W"], taps: Taps) -> Float[Tensor, "B C H2 W2"]:
    """Zeros between the positions, filtered at four times the weight."""
    if tuple(taps) == BOX:
        return interpolate(x, scale_factor=2, mode="nearest")
    padding = (len(taps) - 1) // 2
    return conv_transpose2d(x, 4 * _kernel(x, taps), groups=x.shape[1], stride=2, padding=padding)


def _kernel(x: Float[Tensor, "B C H W"], taps: Taps) -> Float[Tensor, "C 1 T T"]:
    row = torch.tensor(taps, dtype=x.dtype, device=x.device)
    return (row[:, None] * row / row.sum().square()).expand(x.shape[1], 1, -1, -1)


# ---- the level and the class as features


def positional(
    c_noise: Float[Tensor, " B"], num: int, *, endpoint: bool = True
) -> Float[Tensor, "B {num}"]:
    """sin and cos of ω c_noise, ω falling geometrically from 1 to 1/10000, which is the last or
    would be the next."""
    index = torch.arange(num // 2, dtype=c_noise.dtype, device=c_noise.device)
    frequencies = LONGEST_PERIOD ** (-index / (num // 2 - endpoint))
    angles = c_noise[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)


def classes(
    labels: Int[Tensor, " #B"] | None, num: int, *, like: Float[Tensor, "#B F"]
) -> Float[Tensor, "#B {num}"]:
    """Labels as unit vectors.

    Raises:
        ValueError: there are none.
    """
    if labels is None:
        raise ValueError(f"the network is conditional on {num} classes: give it labels")
    return one_hot(labels.to(like.device), num).to(like.dtype)
