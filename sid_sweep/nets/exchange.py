"""Gradients become their mean over ranks while the backward pass still runs.

Backward reaches the last layers first, so gradients are sent in buckets from the last parameter to
the first, each as soon as all of it is there (Li et al. 2020, PyTorch Distributed, Sec. 3.2.3).
Buckets leave in one order on all ranks, whatever the order in which they fill.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from .ranks import Ranks

BUCKET_BYTES = 25 * 2**20  # as DDP's: long enough for the wire, short enough to begin early


def buckets(
    parameters: Sequence[nn.Parameter], *, most_bytes: int = BUCKET_BYTES
) -> list[list[nn.Parameter]]:
    """Parameters from the last to the first, in groups of at most `most_bytes`, or of one."""
    groups: list[list[nn.Parameter]] = []
    size = 0
    for parameter in reversed(parameters):
        size += parameter.nbytes
        if not groups or size > most_bytes or groups[-1][0].dtype != parameter.dtype:
            groups.append([])
            size = parameter.nbytes
        groups[-1].append(parameter)
    return groups


class Exchange:
    """The gradients of some parameters, exchanged once a step."""

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        ranks: Ranks,
        *,
        most_bytes: int = BUCKET_BYTES,
    ) -> None:
        self._ranks = ranks
        self._buckets = buckets(parameters, most_bytes=most_bytes)
        self._sums: list[tuple[Tensor, Callable[[], object]]] = []

    @contextmanager
    def during(self) -> Iterator[None]:
        """Within, the backward pass that completes the gradients: buckets leave as they fill."""
        missing = [len(bucket) for bucket in self._buckets]

        def arrived(index: int, parameter: Tensor) -> None:
            del parameter
            missing[index] -= 1
            while len(self._sums) < len(missing) and missing[len(self._sums)] == 0:
                self._send(len(self._sums))

        hooks = [
            parameter.register_post_accumulate_grad_hook(partial(arrived, index))
            for index, bucket in enumerate(self._buckets)
            for parameter in bucket
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @torch.no_grad()
    def finish(self) -> None:
        """Send what no backward pass reached, and put the means in the gradients' place."""
        for index in range(len(self._sums), len(self._buckets)):
            self._send(index)
        for bucket, (flat, wait) in zip(self._buckets, self._sums, strict=True):
            wait()
            flat /= self._ranks.size
            parts = flat.split([parameter.numel() for parameter in bucket])
            for parameter, part in zip(bucket, parts, strict=True):
                assert parameter.grad is not None  # sent, so there
                parameter.grad.copy_(part.view_as(parameter))
        self._sums = []

    @torch.no_grad()
    def _send(self, index: int) -> None:
        """Begin the sum of a bucket; a parameter that the loss did not reach has gradient 0."""
        for parameter in self._buckets[index]:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([p.grad.flatten() for p in self._buckets[index] if p.grad is not None])
        self._sums.append((flat, self._ranks.begin_sum(flat)))
