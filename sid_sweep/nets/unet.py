"""DDPM++ and NCSN++: the U-Nets of Song et al. 2021 with the settings of EDM (Karras et al. 2022,
App. F).

Samples are [B C H W] and a level is c_noise [B]; a network of L levels halves the picture L - 1
times and doubles it as often. Every branch starts near zero. DDPM++ has positional features of the
level; NCSN++ has random Fourier features, and its encoder takes the picture in at every level (the
residual encoder); a skip decoder puts the answer together from one picture of each level.

The function is that of EDM's `SongUNet`; blocks stand in its order.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import silu

from .blocks import BOX, SKIP_SCALE, SONG, Block, Taps, classes, doubled, halved, positional
from .sites import decoder_sites, encoder_sites, halvable

FOURIER_SCALE = 16.0  # deviation of the random frequencies (Song et al. 2021, App. C.1)


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
        features_mult: int = 1,
        embedding: Literal["positional", "fourier"] = "positional",
        encoder: Literal["standard", "residual"] = "standard",
        decoder: Literal["standard", "skip"] = "standard",
        taps: Taps = BOX,
        num_classes: int = 0,
        num_augment: int = 0,
        num_out: int | None = None,
    ) -> None:
        """Raises ValueError for a shape that is no image, or that cannot be halved so often."""
        super().__init__()
        num_colours, height, _ = halvable(shape, times=len(channel_mult) - 1)
        num_out, self.taps = num_out or num_colours, tuple(taps)
        num_embedded = embedding_mult * channels
        attends = [height >> level in attn_resolutions for level in range(len(channel_mult))]
        down = encoder_sites(channels, channel_mult, num_blocks, attends)
        up = decoder_sites(channels, channel_mult, num_blocks, attends)
        widths = [mult * channels for mult in channel_mult]
        inside = {"dropout": dropout, "taps": self.taps}

        self.embed = Embedding(
            features_mult * channels,
            num_embedded,
            fourier=embedding == "fourier",
            num_classes=num_classes,
            num_augment=num_augment,
        )
        self.inward = SONG.conv(num_colours, channels, 3)
        self.encoder = nn.ModuleList(Block(site, num_embedded, **inside) for site in down)
        self.decoder = nn.ModuleList(Block(site, num_embedded, **inside) for site in up)
        self.joins = [site.joins for site in up]
        self.norm = SONG.norm(widths[0])
        self.outward = SONG.conv(widths[0], num_out, 3, gain=SONG.quiet)
        seen = [num_colours, *widths[:-1]] if encoder == "residual" else []
        self.inlets = nn.ModuleList(Inlet(i, o, taps=self.taps) for i, o in pairwise(seen))
        told = widths[:0:-1] if decoder == "skip" else []
        self.outlets = nn.ModuleList(Outlet(width, num_out) for width in told)

    def forward(
        self,
        x: Float[Tensor, "B C H W"],
        c_noise: Float[Tensor, " #B"],
        labels: Int[Tensor, " #B"] | None = None,
        augment: Float[Tensor, "#B A"] | None = None,
    ) -> Float[Tensor, "B O H W"]:
        embedding = self.embed(c_noise, labels, augment)
        skips = self._encoded(x, embedding)
        h, picture, outlets = skips[-1], None, iter(self.outlets)
        for block, joins in zip(self.decoder, self.joins, strict=True):
            if self.outlets and block.resample == "up":
                picture = self._with(picture, next(outlets)(h))
            h = block(torch.cat([h, skips.pop()], 1) if joins else h, embedding)
        return self._with(picture, self.outward(silu(self.norm(h))))

    def _encoded(
        self, x: Float[Tensor, "B C H W"], embedding: Float[Tensor, "#B E"]
    ) -> list[Tensor]:
        """The activations of the encoder, the last one being what the decoder begins with."""
        h, picture, inlets = self.inward(x), x, iter(self.inlets)
        skips = [h]
        for block in self.encoder:
            h = block(h, embedding)
            if self.inlets and block.resample == "down":
                h = picture = SKIP_SCALE * (h + next(inlets)(picture))
            skips.append(h)
        return skips

    def _with(
        self, picture: Float[Tensor, "B O H2 W2"] | None, own: Float[Tensor, "B O H W"]
    ) -> Float[Tensor, "B O H W"]:
        return own if picture is None else own + doubled(picture, self.taps)


class Inlet(nn.Module):
    """What a residual encoder takes from the level above: convolved, and then halved.

    The convolution answers beyond the edges too, as far as the filter reaches.
    """

    def __init__(self, num_in: int, num_out: int, *, taps: Taps) -> None:
        super().__init__()
        self.taps = taps
        self.conv = SONG.conv(num_in, num_out, 3)
        reach = 1 + (len(taps) - 1) // 2
        self.conv.padding = (reach, reach)

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O H2 W2"]:
        return halved(self.conv(x), self.taps, padded=False)


class Outlet(nn.Module):
    """A level's own picture, for a skip decoder."""

    def __init__(self, width: int, num_out: int) -> None:
        super().__init__()
        self.norm = SONG.norm(width)
        self.conv = SONG.conv(width, num_out, 3, gain=SONG.quiet)

    def forward(self, h: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O H W"]:
        return self.conv(silu(self.norm(h)))


class Embedding(nn.Module):
    """Level, class and augmentation as a vector, the same for every block."""

    frequencies: Tensor

    def __init__(
        self,
        num_features: int,
        num_embedded: int,
        *,
        fourier: bool = False,
        num_classes: int = 0,
        num_augment: int = 0,
    ) -> None:
        super().__init__()
        self.num_features, self.num_classes = num_features, num_classes
        self.layer0 = SONG.linear(num_features, num_embedded)
        self.layer1 = SONG.linear(num_embedded, num_embedded)
        self.fourier = fourier
        if fourier:
            frequencies = FOURIER_SCALE * torch.randn(num_features // 2)
            self.register_buffer("frequencies", frequencies)
        self.label = SONG.linear(num_classes, num_features) if num_classes else None
        self.augment = SONG.linear(num_augment, num_features, bias=False) if num_augment else None

    def forward(
        self,
        c_noise: Float[Tensor, " #B"],
        labels: Int[Tensor, " #B"] | None = None,
        augment: Float[Tensor, "#B A"] | None = None,
    ) -> Float[Tensor, "#B E"]:
        features = self._features(c_noise)
        if self.label is not None:
            one = classes(labels, self.num_classes, like=features)
            features = features + self.label(math.sqrt(self.num_classes) * one)
        if self.augment is not None and augment is not None:
            features = features + self.augment(augment)
        return silu(self.layer1(silu(self.layer0(features))))

    def _features(self, c_noise: Float[Tensor, " B"]) -> Float[Tensor, "B F"]:
        if not self.fourier:
            return positional(c_noise, self.num_features)
        angles = c_noise[:, None] * (2 * math.pi * self.frequencies)
        return torch.cat([angles.sin(), angles.cos()], 1)
