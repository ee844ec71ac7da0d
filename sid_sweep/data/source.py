"""The data as something to draw from: the one place that tells kinds of data apart."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sid_sweep import spec
from sid_sweep.diffusion.mixture import Mixture
from sid_sweep.foreign.moments import HALF_RANGE, deviation
from sid_sweep.foreign.pictures import pictures

from .digits import NUM_CLASSES, digits
from .mixtures import mixture
from .mnist import mnist
from .photographs import patches


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
    images: np.ndarray | None = None
    """All pictures, UInt8 [N, C, H, W], perhaps mapped from a file; None where there are none."""
    labels: np.ndarray | None = None
    """Int64 [N], the class of each, whether networks are told or not; None where they have none."""

    def draw_labelled(
        self, num: int, *, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """What `draw` draws, and the class of each; no classes where networks are told none."""
        if self.labelled is None:
            return self.draw(num, generator=generator), None
        return self.labelled(num, generator=generator)


def source(data: spec.Data, *, cache: Path | None = None) -> Source:
    """The data that a specification names; images are drawn with repetition.

    Args:
        cache: where pictures from files lie once they are decoded; only those need it.
    """
    match data:
        case spec.data.Mixture():
            exact = mixture(data)
            return Source((exact.means.shape[1],), exact.deviation(), exact.sample, exact)
        case spec.data.Digits():
            return _of_digits(conditional=data.labels)
        case spec.data.Images():
            assert cache is not None  # whoever draws pictures from files has one
            own = pictures(data.path, cache=cache, skip_corrupt=data.skip_corrupt)
            return of_images(
                own.images, own.labels, sigma_data=own.sigma_data, flips=data.flips,
                num_classes=own.num_classes if data.labels else 0,
            )  # fmt: skip
        case spec.data.Mnist():
            return of_images(*mnist(), num_classes=10 if data.labels else 0)
        case spec.data.Patches():
            return of_images(*patches(data), flips=data.flips, num_classes=2 if data.labels else 0)
        case spec.data.NoData():
            return Source((), float("nan"), _nothing)


def of_images(
    images: np.ndarray,
    labels: np.ndarray | None,
    *,
    sigma_data: float | None = None,
    flips: bool = False,
    num_classes: int = 0,
) -> Source:
    """Pictures [N, C, H, W] of bytes, as x / 127.5 - 1.

    Args:
        sigma_data: their deviation, where it is known already.
        flips: mirror half of what is drawn, left to right.
        num_classes: 0 where the networks are to know no classes.
    """

    def labelled(num: int, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(images), (num,), generator=generator)
        drawn = torch.from_numpy(images[rows.numpy()]).float() / HALF_RANGE - 1
        if flips:
            mirrored = torch.rand(num, generator=generator) < 0.5
            drawn[mirrored] = drawn[mirrored].flip(3)
        own = np.zeros(num, dtype=np.int64) if labels is None else labels[rows.numpy()]
        return drawn, torch.from_numpy(own)

    def draw(num: int, *, generator: torch.Generator) -> Tensor:
        return labelled(num, generator=generator)[0]

    return Source(
        tuple(images.shape[1:]),
        deviation(images) if sigma_data is None else sigma_data,
        draw,
        num_classes=num_classes,
        labelled=labelled if num_classes else None,
        images=images,
        labels=labels,
    )


def _of_digits(*, conditional: bool) -> Source:
    images, labels = digits()

    def labelled(num: int, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(images), (num,), generator=generator)
        return images[rows], labels[rows]

    def draw(num: int, *, generator: torch.Generator) -> Tensor:
        return labelled(num, generator=generator)[0]

    spread = float((images - images.mean(0)).std())
    told = {"num_classes": NUM_CLASSES, "labelled": labelled} if conditional else {}
    return Source(tuple(images.shape[1:]), spread, draw, **told)


def _nothing(num: int, *, generator: torch.Generator) -> Tensor:
    raise ValueError("data.kind = none: there is nothing to draw from; name some data")
