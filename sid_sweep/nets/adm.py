"""ADM: the U-Net of Dhariwal & Nichol 2021 as EDM uses it (Karras et al. 2022, App. F.3).

As in `unet`, but that the level and the class scale and shift inside each block, all blocks of a
level attend where one does, attention has heads of 64 channels, and branches start at zero. The
function is that of EDM's `DhariwalUNet`; blocks stand in its order.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import silu

from .blocks import DHARIWAL, Block, classes, positional
from .sites import decoder_sites, encoder_sites, halvable


class ADM(nn.Module):
    """A raw network over images, initialised from torch's global random state, from which dropout
    draws too in training mode."""

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
        num_classes: int = 0,
        num_augment: int = 0,
        num_out: int | None = None,
    ) -> None:
        """Raises ValueError for a shape that is no image, or that cannot be halved so often."""
        super().__init__()
        num_colours, height, _ = halvable(shape, times=len(channel_mult) - 1)
        num_embedded, top = embedding_mult * channels, channel_mult[0] * channels
        attends = [height >> level in attn_resolutions for level in range(len(channel_mult))]
        size = (channels, channel_mult, num_blocks, attends)
        down = encoder_sites(*size, inward=top)
        up = decoder_sites(*size, inward=top, all_attend=True)
        inside = {"dropout": dropout, "style": DHARIWAL}
        self.embed = Embedding(
            channels, num_embedded, num_classes=num_classes, num_augment=num_augment
        )
        self.inward = DHARIWAL.conv(num_colours, top, 3)
        self.encoder = nn.ModuleList(Block(site, num_embedded, **inside) for site in down)
        self.decoder = nn.ModuleList(Block(site, num_embedded, **inside) for site in up)
        self.joins = [site.joins for site in up]
        self.norm = DHARIWAL.norm(top)
        self.outward = DHARIWAL.conv(top, num_out or num_colours, 3, gain=DHARIWAL.quiet)

    def forward(
        self,
        x: Float[Tensor, "B C H W"],
        c_noise: Float[Tensor, " #B"],
        labels: Int[Tensor, " #B"] | None = None,
        augment: Float[Tensor, "#B A"] | None = None,
    ) -> Float[Tensor, "B O H W"]:
        embedding = self.embed(c_noise, labels, augment)
        h = self.inward(x)
        skips = [h]
        for block in self.encoder:
            h = block(h, embedding)
            skips.append(h)
        for block, joins in zip(self.decoder, self.joins, strict=True):
            h = block(torch.cat([h, skips.pop()], 1) if joins else h, embedding)
        return self.outward(silu(self.norm(h)))


class Embedding(nn.Module):
    """Level and augmentation as a vector, to which the class adds its own."""

    def __init__(
        self, num_features: int, num_embedded: int, *, num_classes: int, num_augment: int
    ) -> None:
        super().__init__()
        self.num_features, self.num_classes = num_features, num_classes
        self.layer0 = DHARIWAL.linear(num_features, num_embedded)
        self.layer1 = DHARIWAL.linear(num_embedded, num_embedded)
        self.label = nn.Linear(num_classes, num_embedded, bias=False) if num_classes else None
        if self.label is not None:
            nn.init.normal_(self.label.weight)  # a class is a vector of unit size
        silent = DHARIWAL.quiet
        self.augment = (
            DHARIWAL.linear(num_augment, num_features, gain=silent, bias=False)
            if num_augment
            else None
        )

    def forward(
        self,
        c_noise: Float[Tensor, " #B"],
        labels: Int[Tensor, " #B"] | None = None,
        augment: Float[Tensor, "#B A"] | None = None,
    ) -> Float[Tensor, "#B E"]:
        sin, cos = positional(c_noise, self.num_features, endpoint=False).chunk(2, 1)
        features = torch.cat([cos, sin], 1)  # the official order
        if self.augment is not None and augment is not None:
            features = features + self.augment(augment)
        embedding = self.layer1(silu(self.layer0(features)))
        if self.label is not None:
            embedding = embedding + self.label(classes(labels, self.num_classes, like=embedding))
        return silu(embedding)
