"""A denoiser as a feature network: what it computes of a clean image where it sees it whole.

Of a network over pictures, that is the last block at the lowest resolution, averaged over
positions; of any other, what enters its last layer. The place is found by running it once, so any
network will do.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from sid_sweep.diffusion.noise import Level
from sid_sweep.foreign.moments import HALF_RANGE

from .inception import Seen


@dataclass(frozen=True)
class Place:
    """A module of a network, and which side of it."""

    module: str
    side: Literal["output", "input"]


@dataclass(frozen=True)
class Bottleneck:
    """Features of a teacher, at one level of noise; of its first class, where it knows classes."""

    denoiser: nn.Module
    level: Level
    """Of one sample, [1]."""
    place: Place
    conditional: bool

    @torch.no_grad()
    def __call__(self, images: UInt8[Tensor, "B C H W"]) -> Seen:
        with _watched(self.denoiser.get_submodule(self.place.module), self.place.side) as seen:
            denoise(self.denoiser, images, self.level, conditional=self.conditional)
        return Seen(_pooled(seen[-1]))


def bottleneck(
    denoiser: nn.Module, level: Level, shape: tuple[int, ...], *, conditional: bool
) -> Bottleneck:
    """The features of a denoiser for images of a shape."""
    image = torch.zeros(1, *shape, dtype=torch.uint8, device=level.alpha.device)

    def run() -> None:
        with torch.no_grad():
            denoise(denoiser, image, level, conditional=conditional)

    return Bottleneck(denoiser, level, find(denoiser, run), conditional)


def denoise(
    denoiser: nn.Module, images: UInt8[Tensor, "B C H W"], level: Level, *, conditional: bool
) -> None:
    """Run it on clean images, told that they have a level's noise."""
    ones = [1] * images.ndim
    each = [len(images), *ones[1:]]
    own = Level(level.alpha.view(ones).expand(each), level.beta.view(ones).expand(each))
    xt = own.alpha * (images.float() / HALF_RANGE - 1)
    told: dict[str, Any] = {}
    if conditional:
        told["labels"] = torch.zeros(len(images), dtype=torch.long, device=images.device)
    denoiser(xt, own, **told)


def find(network: nn.Module, run: Callable[[], None]) -> Place:
    """Where the picture is smallest while `run` runs the network.

    Raises:
        ValueError: nothing in it can be watched.
    """
    passed: list[tuple[str, Tensor, bool]] = []

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, _: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                passed.append((name, output, any(True for _ in module.children())))

        return hook

    named = [(name, module) for name, module in network.named_modules() if name]
    handles = [module.register_forward_hook(note(name)) for name, module in named]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return _narrowest(network, passed)


def _narrowest(network: nn.Module, passed: list[tuple[str, Tensor, bool]]) -> Place:
    pictures = [(name, x[0, 0].numel(), block) for name, x, block in passed if x.ndim == 4]
    pictures = [found for found in pictures if found[1] > 1]
    sizes = {positions for _, positions, _ in pictures}
    if len(sizes) > 1:
        least = [(name, block) for name, positions, block in pictures if positions == min(sizes)]
        blocks = [name for name, block in least if block] or [name for name, _ in least]
        return Place(blocks[-1], "output")
    leaves = [
        name for name, _, block in passed
        if not block and any(True for _ in network.get_submodule(name).parameters())
    ]  # fmt: skip
    if not leaves:
        raise ValueError(
            "evaluation.features.kind = teacher: the teacher's network has no modules to look "
            "into; use classifier or inception"
        )
    return Place(leaves[-1], "input")


@contextmanager
def _watched(module: nn.Module, side: str) -> Iterator[list[Tensor]]:
    """What enters or leaves a module, meanwhile."""
    seen: list[Tensor] = []

    def after(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.append(output if side == "output" else inputs[0])

    handle = module.register_forward_hook(after)
    try:
        yield seen
    finally:
        handle.remove()


def _pooled(activations: Float[Tensor, "B ..."]) -> Float[Tensor, "B F"]:
    x = activations.float()
    return x.mean((2, 3)) if x.ndim == 4 else x.flatten(1)
