"""An evaluation that the workers of a trial share: each draws its part of the samples, rank 0
judges them all and tells the others.

Samples are drawn in blocks. What a sampler draws on its way is named by the block, so that the
number of workers changes nothing but rounding. A block goes to the CPU before the next is drawn:
beside the networks, a device holds few samples, however many are judged.
"""

import json
import math
from collections.abc import Callable

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor

from sid_sweep.nets.ranks import Ranks
from sid_sweep.streams import stream
from sid_sweep.student import Student

LEAST_BLOCKS = 8  # so many workers have something to do
LARGEST_BLOCK = 2**20  # numbers of a block: 341 colour pictures of 32 x 32


def blocks(num: int, *, values_each: int) -> list[slice]:
    """The blocks in which `num` samples of so many values are drawn, by any number of workers."""
    size = min(math.ceil(num / LEAST_BLOCKS), max(1, LARGEST_BLOCK // values_each))
    return [slice(start, min(start + size, num)) for start in range(0, num, size)]


def drawn(
    student: Student,
    latents: Float[Tensor, "N ..."],
    *,
    labels: Int[Tensor, " N"] | None = None,
    seed: int,
    ranks: Ranks,
) -> Float[Tensor, "N ..."] | None:
    """A sample from each latent, on the CPU of rank 0; None on the other ranks."""

    def own(number: int, block: slice) -> Tensor:
        key = ("evaluation", seed, number) if number else ("evaluation", seed)
        random = stream(*key, device=student.device)
        named = {} if labels is None else {"labels": labels[block]}
        return student.draw(latents[block], random=random, **named)

    cut = blocks(len(latents), values_each=latents[0].numel())
    samples = []
    for first in range(0, len(cut), ranks.size):
        turn = cut[first : first + ranks.size]
        start = turn[0].start
        together = torch.zeros_like(latents[start : turn[-1].stop], device=student.device)
        if ranks.rank < len(turn):
            mine = turn[ranks.rank]
            together[mine.start - start : mine.stop - start] = own(first + ranks.rank, mine)
        if ranks.size > 1:
            dist.all_reduce(together)  # what the others draw is 0 here
        if ranks.rank == 0:
            samples.append(together.cpu())
    return torch.cat(samples) if ranks.rank == 0 else None


def told(
    measure: Callable[[], dict[str, float]], *, device: torch.device, ranks: Ranks
) -> dict[str, float]:
    """What rank 0 measures, on every rank: all of them then go on, or none does."""
    if ranks.size == 1:
        return measure()
    written = json.dumps(measure()).encode() if ranks.rank == 0 else b""
    length = torch.tensor(len(written), device=device)
    dist.broadcast(length, src=0)
    message = torch.zeros(int(length), dtype=torch.uint8, device=device)
    if ranks.rank == 0:
        message.copy_(torch.frombuffer(bytearray(written), dtype=torch.uint8))
    dist.broadcast(message, src=0)
    return json.loads(bytes(message.tolist()))
