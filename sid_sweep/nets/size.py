"""How large a network is, from its specification alone: weights, what a pass keeps for its way
back, and what it multiplies. Loads no torch.

`tests/nets/test_size.py` counts all three again in networks that were built.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sid_sweep import spec
from sid_sweep.spec.nets import ADM, MLP, Blueprint, ResidualMLP, UNet

from .sites import Site, decoder_sites, encoder_sites

MLP_FEATURES, RESIDUAL_FEATURES, RESIDUAL_EMBEDDED = 2 * 8, 2 * 16, 64
HEAD_WIDTH = 64  # of ADM


@dataclass(frozen=True)
class Size:
    """Numbers, not bytes."""

    weights: int
    kept: int
    """Activations that a pass keeps for each sample until the way back."""
    products: int
    """Multiplications with additions, of matrices and convolutions, of a pass over a sample."""

    def __add__(self, other: "Size") -> "Size":
        return Size(
            self.weights + other.weights, self.kept + other.kept, self.products + other.products
        )

    def keeping(self, kept: int) -> "Size":
        """The same, of which a pass keeps so much more."""
        return self + Size(0, kept, 0)


NOTHING = Size(0, 0, 0)


def size(blueprint: Blueprint) -> Size:
    """Of the network that a blueprint describes.

    Raises:
        ValueError: its architecture is not of this program.
    """
    match blueprint.net:
        case MLP() as net:
            return _mlp(net, math.prod(blueprint.shape)).keeping(2 * net.depth * net.width)
        case ResidualMLP() as net:
            own = _residual_mlp(net, math.prod(blueprint.shape))
            return own.keeping(6 * net.depth * net.width)
        case UNet() | ADM() as net:
            return sum(_over_images(net, blueprint), NOTHING)
        case net:
            raise ValueError(f"a network of kind {net.kind} is not of this program: build it")


def _mlp(net: MLP, dim: int) -> Size:
    inward, outward = _linear(dim + MLP_FEATURES, net.width), _linear(net.width, dim)
    return sum([_linear(net.width, net.width)] * (net.depth - 1), inward + outward)


def _residual_mlp(net: ResidualMLP, dim: int) -> Size:
    width = net.width
    block = _linear(RESIDUAL_EMBEDDED, 2 * width) + _linear(width, width) + _linear(width, width)
    around = _linear(RESIDUAL_FEATURES, RESIDUAL_EMBEDDED) + _linear(dim, width) + _norm(width)
    return sum([block] * net.depth, around + _linear(width, dim))


def _over_images(net: UNet | ADM, own: Blueprint) -> Iterator[Size]:
    """The parts of a U-Net, each with what it keeps."""
    colours, height, width = own.shape
    pictures = 2 if isinstance(own.preconditioning, spec.nets.IDDPMPreconditioning) else 1
    widths = [mult * net.channels for mult in net.channel_mult]
    top = widths[0] if isinstance(net, ADM) else net.channels
    attends = [height >> level in net.attention_resolutions for level in range(len(widths))]
    given = (net.channels, net.channel_mult, net.blocks, attends)
    adm = isinstance(net, ADM)
    pixels = height * width
    yield _embedding(net, own)
    yield _conv(colours, top, 3, pixels).keeping(colours * pixels)
    for site in encoder_sites(*given, inward=top):
        pixels = pixels // 4 if site.resample == "down" else pixels
        yield _block(site, net, pixels)
    for site in decoder_sites(*given, inward=top, all_attend=adm):
        pixels = pixels * 4 if site.resample == "up" else pixels
        yield _block(site, net, pixels)
    yield _answer(widths[0], pictures * colours, pixels)
    if isinstance(net, UNet):
        yield from _pictures(net, widths, colours, pictures * colours, pixels)


def _pictures(
    net: UNet, widths: Sequence[int], num_in: int, num_out: int, pixels: int
) -> Iterator[Size]:
    """What levels take in (a residual encoder) and answer by themselves (a skip decoder)."""
    if net.encoder == "residual":
        for level, (i, o) in enumerate(pairwise([num_in, *widths[:-1]])):
            yield _conv(i, o, 3, pixels // 4**level).keeping((i + o) * pixels // 4**level)
    if net.decoder == "skip":
        for level, width in enumerate(widths[1:], 1):
            yield _answer(width, num_out, pixels // 4**level)


def _answer(width: int, num_out: int, pixels: int) -> Size:
    """A normalisation and a convolution: the inputs of both and of what lies between."""
    return (_norm(width) + _conv(width, num_out, 3, pixels)).keeping(3 * width * pixels)


def _embedding(net: UNet | ADM, own: Blueprint) -> Size:
    embedded = net.embedding_mult * net.channels
    features = net.channels * (net.features_mult if isinstance(net, UNet) else 1)
    layers = _linear(features, embedded) + _linear(embedded, embedded)
    one_class = embedded if isinstance(net, ADM) else features
    bias = features if isinstance(net, UNet) and own.num_classes else 0
    told = [(own.num_classes, one_class), (own.num_augment, features)]
    return layers + Size(bias + sum(i * o for i, o in told), 0, sum(i * o for i, o in told))


def _block(site: Site, net: UNet | ADM, pixels: int) -> Size:
    """A residual block; `pixels` are those of its answer.

    Kept are the inputs of both normalisations, of what bends them and of both convolutions; at the
    resolution above where it halves, below where it doubles.
    """
    adm, i, o = isinstance(net, ADM), site.num_in, site.num_out
    outside = {"down": 4 * pixels, "up": pixels // 4, None: pixels}[site.resample]
    told = _linear(net.embedding_mult * net.channels, (2 if adm else 1) * o)
    own = _norm(i) + _conv(i, o, 3, pixels) + told + _norm(o) + _conv(o, o, 3, pixels)
    own = own.keeping(2 * i * outside + i * pixels + (4 if adm else 3) * o * pixels)
    if i != o or (site.resample and not adm):
        own += _conv(i, o, 1, pixels).keeping(i * pixels if site.resample else 0)
    heads = o // HEAD_WIDTH if adm else 1
    return own + _attention(o, heads, pixels) if site.attends and heads else own


def _attention(width: int, heads: int, pixels: int) -> Size:
    """Kept are the inputs of the normalisation and of both projections, queries, keys and values,
    and the weights of every pair of positions."""
    layers = _norm(width) + _conv(width, 3 * width, 1, pixels) + _conv(width, width, 1, pixels)
    return layers + Size(0, 6 * width * pixels + heads * pixels**2, 2 * width * pixels**2)


def _conv(num_in: int, num_out: int, side: int, pixels: int) -> Size:
    """`pixels` are those of its answer."""
    matrix = num_in * side**2 * num_out
    return Size(matrix + num_out, 0, matrix * pixels)


def _linear(num_in: int, num_out: int) -> Size:
    return _conv(num_in, num_out, 1, 1)


def _norm(width: int) -> Size:
    return Size(2 * width, 0, 0)
