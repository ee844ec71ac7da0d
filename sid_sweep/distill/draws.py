"""The random numbers of a training step, by name: (seed, images, purpose), this rank's part."""

import torch
from torch import Tensor

from sid_sweep.data import Source
from sid_sweep.nets.ranks import Ranks
from sid_sweep.streams import stream


class Draws:
    """Batches are drawn whole and cut by rank, so that the number of workers changes nothing but
    rounding."""

    def __init__(self, seed: int, source: Source, *, device: torch.device, ranks: Ranks) -> None:
        self._seed, self._source, self._device, self._ranks = seed, source, device, ranks

    def stream(self, images: int, purpose: str) -> torch.Generator:
        """The stream of a purpose at a step, on the device."""
        return stream(self._seed, images, purpose, device=self._device)

    def normal(self, images: int, purpose: str, num: int, *, copies: int = 1) -> list[Tensor]:
        """This rank's part of `copies` standard normal tensors [num, *shape]."""
        random, part = self.stream(images, purpose), self._ranks.part(num)
        size = (copies, num, *self._source.shape)
        return [z[part] for z in torch.randn(size, generator=random, device=self._device)]

    def normal_and_uniform(
        self, images: int, purpose: str, num: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """This rank's part of latents and noise [num, *shape] and of uniform numbers [num], all of
        one stream."""
        random, part = self.stream(images, purpose), self._ranks.part(num)
        size = (2, num, *self._source.shape)
        latents, noise = torch.randn(size, generator=random, device=self._device)
        uniforms = torch.rand(num, generator=random, device=self._device)
        return latents[part], noise[part], uniforms[part]

    def indices(self, images: int, purpose: str, num: int, *, below: int) -> Tensor:
        """This rank's part of `num` whole numbers, drawn on the CPU."""
        random = stream(self._seed, images, purpose)
        return torch.randint(below, (num,), generator=random)[self._ranks.part(num)]

    def real(self, images: int, purpose: str, num: int) -> Tensor:
        """This rank's part of `num` draws from the data."""
        drawn = self._source.draw(num, generator=stream(self._seed, images, purpose, "data"))
        return drawn[self._ranks.part(num)].to(self._device, torch.float32)
