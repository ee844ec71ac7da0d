"""The data as something to draw from: the one place that tells kinds of data apart."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sid_sweep import spec
from sid_sweep.diffusion.mixture import Mixture

from .digits import digits
from .mixtures import mixture


@dataclass(frozen=True)
class Source:
    """Draws from the data, the shape of a sample, and the data's deviation σ_data."""

    shape: tuple[int, ...]
    sigma_data: float
    draw: Callable[..., Tensor]
    """draw(num, generator=...) -> [num, *shape] on the CPU."""
    exact: Mixture | None = None
    """The data's closed form, where there is one."""
    num_classes: int = 0
    """Classes that networks are told; 0: none, though the data may have some."""
    labelled: Callable[..., tuple[Tensor, Tensor]] | None = None
    """As `draw`, with the class of each; where networks are told."""

    def draw_labelled(
        self, num: int, *, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """What `draw` draws, and the class of each; no classes where networks are told none."""
        if self.labelled is None:
            return self.draw(num, generator=generator), None
        return self.labelled(num, generator=generator)


def source(data: spec.Data) -> Source:
    """The data that a specification names; images are drawn with repetition."""
    match data:
        case spec.data.Mixture():
            exact = mixture(data)
            return Source((exact.means.shape[1],), exact.deviation(), exact.sample, exact)
        case spec.data.Digits():
            return _of_images(digits()[0])


def _of_images(images: Tensor) -> Source:
    def draw(num: int, *, generator: torch.Generator) -> Tensor:
        return images[torch.randint(len(images), (num,), generator=generator)]

    deviation = float((images - images.mean(0)).std())
    return Source(tuple(images.shape[1:]), deviation, draw)
