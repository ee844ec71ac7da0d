"""The random numbers of a training step, by name: (seed, images, purpose, block).

A batch is drawn in blocks whose size depends on the shape of a sample alone. So neither the number
of workers nor that of passes changes what is drawn, and a worker draws the blocks that its own
latents lie in and no others.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from sid_sweep.data import Source
from sid_sweep.nets.ranks import Ranks
from sid_sweep.streams import stream

BLOCK_NUMBERS = 2**17  # of one block: few streams for points, no more than needed of large images


@dataclass(frozen=True)
class Share:
    """What one pass on one worker takes of a batch: the latents from `start` to `stop`."""

    batch: int
    start: int
    stop: int
    weight: float = 1.0
    """Its part of this worker's latents, by which its mean enters the worker's."""
    last: bool = True
    """No pass follows on this worker."""

    def __len__(self) -> int:
        return self.stop - self.start

    def of(self, whole: Tensor) -> Tensor:
        """Its part of something drawn for the whole batch."""
        return whole[self.start : self.stop]


def shares(batch: int, *, ranks: Ranks, most: int | None) -> list[Share]:
    """The passes of this rank over a batch, as few as have at most `most` latents each, and as even
    as can be; None: one."""
    part = ranks.part(batch)
    size = part.stop - part.start
    num = math.ceil(size / (most or size))
    ends = [part.start + size * index // num for index in range(num + 1)]
    return [
        Share(batch, start, stop, (stop - start) / size, last=stop == part.stop)
        for start, stop in itertools.pairwise(ends)
    ]


def block_size(shape: tuple[int, ...]) -> int:
    """Samples of one block: a power of two, so that even shares seldom cut a block."""
    return 2 ** int(math.log2(max(1, BLOCK_NUMBERS // math.prod(shape))))


@dataclass(frozen=True)
class _Block:
    name: tuple[int, ...]
    """What its stream's key ends with; the first adds nothing."""
    size: int
    wanted: slice
    """What the share takes of it."""
    place: slice
    """Where that lies in the share."""


class Draws:
    """All random numbers of training, for samples of one shape and of so many classes."""

    def __init__(
        self,
        seed: int,
        source: Source,
        *,
        shape: tuple[int, ...],
        num_classes: int = 0,
        device: torch.device,
    ) -> None:
        self._seed, self._source, self._device = seed, source, device
        self._shape, self._num_classes = shape, num_classes
        self._block_size = block_size(shape)

    def normal(self, images: int, purpose: str, share: Share, *, copies: int = 1) -> list[Tensor]:
        """`copies` standard normal tensors [share, *shape]."""
        found = self._empty(copies, share)
        for block in self._blocks(share):
            random = self._stream(images, purpose, block)
            found[:, block.place] = self._normal(random, copies, block.size)[:, block.wanted]
        return list(found)

    def normal_and_uniform(
        self, images: int, purpose: str, share: Share
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Latents and noise [share, *shape] and uniform numbers [share], all of one stream."""
        normals, uniforms = self._empty(2, share), torch.empty(len(share), device=self._device)
        for block in self._blocks(share):
            random = self._stream(images, purpose, block)
            normals[:, block.place] = self._normal(random, 2, block.size)[:, block.wanted]
            drawn = torch.rand(block.size, generator=random, device=self._device)
            uniforms[block.place] = drawn[block.wanted]
        return normals[0], normals[1], uniforms

    def indices(self, images: int, purpose: str, share: Share, *, below: int) -> Tensor:
        """Whole numbers [share], drawn on the CPU; so few that all are drawn and the share kept."""
        random = stream(self._seed, images, purpose)
        return share.of(torch.randint(below, (share.batch,), generator=random))

    def uniform(self, images: int, purpose: str, share: Share, *, each: int) -> Tensor:
        """Uniform numbers [share, each], drawn on the CPU as `indices` are."""
        random = stream(self._seed, images, purpose)
        return share.of(torch.rand(share.batch, each, generator=random)).to(self._device)

    def labels(self, images: int, purpose: str, share: Share) -> Int[Tensor, " B"] | None:
        """Classes [share] of equal probability; None where there are none."""
        if not self._num_classes:
            return None
        below = self._num_classes
        drawn = self.indices(images, f"{purpose}/labels", share, below=below)
        return drawn.to(self._device)

    def real(self, images: int, purpose: str, share: Share) -> Tensor:
        """Draws from the data [share, *shape]."""
        return self.real_labelled(images, purpose, share)[0]

    def real_labelled(
        self, images: int, purpose: str, share: Share
    ) -> tuple[Tensor, Int[Tensor, " B"] | None]:
        """Draws from the data [share, *shape] and their classes; None where there are none."""
        drawn, classes = [], []
        for block in self._blocks(share):
            random = stream(self._seed, images, purpose, "data", *block.name)
            x0, labels = self._source.draw_labelled(block.size, generator=random)
            drawn.append(x0[block.wanted])
            classes += [] if labels is None else [labels[block.wanted]]
        told = torch.cat(classes).to(self._device) if classes else None
        return torch.cat(drawn).to(self._device, torch.float32), told

    def _blocks(self, share: Share) -> Iterator[_Block]:
        """The blocks that a share lies in, in order."""
        size = self._block_size
        for index in range(share.start // size, math.ceil(share.stop / size)):
            begin, end = index * size, min((index + 1) * size, share.batch)
            wanted = slice(max(share.start, begin) - begin, min(share.stop, end) - begin)
            place = slice(begin + wanted.start - share.start, begin + wanted.stop - share.start)
            yield _Block((index,) if index else (), end - begin, wanted, place)

    def _stream(self, images: int, purpose: str, block: _Block) -> torch.Generator:
        return stream(self._seed, images, purpose, *block.name, device=self._device)

    def _empty(self, copies: int, share: Share) -> Tensor:
        """For all blocks at once: where memory does not suffice, that is known before any is
        drawn."""
        return torch.empty(copies, len(share), *self._shape, device=self._device)

    def _normal(self, random: torch.Generator, copies: int, num: int) -> Tensor:
        size = (copies, num, *self._shape)
        return torch.randn(size, generator=random, device=self._device)
