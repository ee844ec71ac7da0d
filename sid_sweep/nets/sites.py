"""Which blocks a U-Net has, in order: DDPM++, NCSN++ (Song et al. 2021) and ADM (Dhariwal & Nichol
2021) differ in where their blocks attend and in how wide the first activation is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


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
    channels: int,
    channel_mult: Sequence[int],
    num_blocks: int,
    attends: Sequence[bool],
    *,
    inward: int | None = None,
) -> list[Site]:
    """Top to bottom; `attends` is by level, `inward` the first activation's width if it is not
    `channels`."""
    sites, width = [], inward or channels
    for level, mult in enumerate(channel_mult):
        if level > 0:
            sites.append(Site(width, width, resample="down"))
        for _ in range(num_blocks):
            sites.append(Site(width, mult * channels, attends=attends[level]))
            width = mult * channels
    return sites


def decoder_sites(
    channels: int,
    channel_mult: Sequence[int],
    num_blocks: int,
    attends: Sequence[bool],
    *,
    inward: int | None = None,
    all_attend: bool = False,
) -> list[Site]:
    """Bottom to top: one block more per level than the encoder; of a level that attends the last
    block does, or all do."""
    encoder = encoder_sites(channels, channel_mult, num_blocks, attends, inward=inward)
    skips = [inward or channels, *(site.num_out for site in encoder)]
    width, bottom, sites = skips[-1], len(channel_mult) - 1, []
    for level in range(bottom, -1, -1):
        if level == bottom:
            sites += [Site(width, width, attends=True), Site(width, width)]
        else:
            sites.append(Site(width, width, resample="up"))
        for index in range(num_blocks + 1):
            out = channel_mult[level] * channels
            may = all_attend or index == num_blocks
            sites.append(Site(width + skips.pop(), out, joins=True, attends=may and attends[level]))
            width = out
    return sites


def halvable(shape: tuple[int, ...], *, times: int) -> tuple[int, int, int]:
    """The shape, if it is an image's and can be halved so often.

    Raises:
        ValueError: it is not.
    """
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
