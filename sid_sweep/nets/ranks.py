"""The workers of one trial: who takes which part of a batch, and what is averaged over all."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Ranks:
    """The workers of one trial. With `size` 1, no process group is needed."""

    rank: int = 0
    size: int = 1

    def part(self, num: int) -> slice:
        """This rank's part of a batch of `num`.

        Raises:
            ValueError: the batch cannot be shared equally.
        """
        if num % self.size:
            raise ValueError(f"a batch of {num} cannot be shared equally by {self.size} workers")
        size = num // self.size
        return slice(self.rank * size, (self.rank + 1) * size)

    @torch.no_grad()
    def average(self, tensors: list[Tensor]) -> None:
        """Replace each tensor by its mean over ranks, in one collective."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        parts = flat.split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def begin_sum(self, tensor: Tensor) -> Callable[[], object]:
        """Begin to replace a tensor by its sum over ranks; returns what to call before it is
        read."""
        if self.size == 1:
            return _nothing
        work = dist.all_reduce(tensor, async_op=True)
        assert work is not None  # every rank is in the group
        return work.wait

    def largest(self, value: Tensor) -> float:
        """The maximum of a scalar over ranks."""
        if self.size > 1:
            value = value.clone()
            dist.all_reduce(value, op=dist.ReduceOp.MAX)
        return float(value)


def _nothing() -> None:
    """There is nothing to wait for."""


SOLO = Ranks()
