"""Samples to look at: points over their data, images on a contact sheet."""

import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from scipy.ndimage import uniform_filter
from torch import Tensor, nn

from sid_sweep import spec
from sid_sweep.data import source
from sid_sweep.streams import stream

NUM_DATA = 32_768  # points of the data, under the student's
MOST_IMAGES = 100  # on a sheet of its own making
SPARE = 8  # times as many real images are drawn as are shown, so that every class has enough
SHEET, CELL = 1400, 104  # pixels of a side: of a sheet, and of a picture that is enlarged
FRAME = 2
COVERED = 40.0  # the points together ink one part in so many of a picture


def picture(
    data: spec.Data,
    samples: Float[Tensor, "N ..."],
    *,
    labels: Int[Tensor, " N"] | None = None,
    num_images: int | None = None,
) -> UInt8[np.ndarray, "H W 3"]:
    """Samples of the data that a specification names: all points, or the first images.

    Args:
        labels: the class of each image; each row of a sheet then shows one.
        num_images: how many; None: a hundred, or the square that fits on a sheet.
    """
    if not data.is_images:
        return scatter(samples, source(data).draw(NUM_DATA, generator=stream("picture")))
    num = num_images or num_shown(samples.shape[-1])
    if labels is not None and (rows := by_class(labels, side=math.isqrt(num))) is not None:
        return sheet(samples[rows], columns=math.isqrt(num))
    return sheet(samples[:num])


def picture_of_data(data: spec.Data, *, cache: Path) -> UInt8[np.ndarray, "H W 3"]:
    """Real images, beside which a student's are looked at."""
    own = source(data, cache=cache)
    num = SPARE * num_shown(own.shape[-1])
    images, labels = own.draw_labelled(num, generator=stream("picture"))
    return picture(data, images, labels=labels)


def by_class(labels: Int[Tensor, " N"], *, side: int) -> Int[Tensor, " n"] | None:
    """Which images a sheet of `side` columns and at most as many rows shows, so that a row has one
    class and all that are shown have equally many rows: of many classes, some that lie evenly among
    them. None where a class has too few images."""
    classes = labels.unique()
    if len(classes) > side:
        classes = classes[torch.linspace(0, len(classes) - 1, side).round().long()]
    num = side // len(classes) * side
    found = [(labels == own).nonzero()[:num, 0] for own in classes]
    return torch.cat(found) if all(len(own) == num for own in found) else None


def scatter(
    samples: Float[Tensor, "N D"], data: Float[Tensor, "M D"], *, pixels: int = 256
) -> UInt8[np.ndarray, "H W 3"]:
    """Student in dark blue over the data in orange, first two coordinates, on white: a cloud where
    there are many points, squares that can be seen where there are few.

    Of points on a line, the second is the place in the sample.
    """
    samples, data = _planar(samples), _planar(data)
    radius = 1.4 * float(data[:, :2].abs().max())
    drawn = np.ones((pixels, pixels, 3))
    for points, ink in ((data, (0.0, 0.35, 0.9)), (samples, (1.0, 0.75, 0.2))):
        xy = points[:, :2].double().numpy()
        counts, _, _ = np.histogram2d(
            -xy[:, 1], xy[:, 0], bins=pixels, range=[[-radius, radius]] * 2
        )
        inked = pixels**2 / (COVERED * len(xy))  # pixels for each point
        counts = uniform_filter(counts, max(1, round(math.sqrt(inked))), mode="constant")
        density = 1 - np.exp(-counts * inked)
        drawn *= 1 - density[:, :, None] * np.array(ink)
    return (255 * drawn).round().astype(np.uint8)


def _planar(points: Float[Tensor, "N D"]) -> Float[Tensor, "N 2"]:
    if points.shape[1] > 1:
        return points[:, :2]
    reach = float(points.abs().max())
    return torch.cat([points, torch.linspace(-reach, reach, len(points))[:, None]], 1)


def num_shown(width: int) -> int:
    """How many pictures of a width a sheet has."""
    return max(1, min(MOST_IMAGES, (SHEET // (width + 2 * FRAME)) ** 2))


def magnification(width: int) -> int:
    """How many pixels of the screen are one of a picture: 6 at 8 pixels, 3 at 32, 1 from 64 on."""
    return max(1, min(6, CELL // width))


def sheet(
    images: Float[Tensor, "N C H W"], *, columns: int | None = None, scale: int | None = None
) -> UInt8[np.ndarray, "rows columns 3"]:
    """A contact sheet of images in [-1, 1], grey or in colour; what is left of the last row is
    white.

    Args:
        columns: None: as many as make it square.
        scale: None: what `magnification` says.
    """
    scale = scale or magnification(images.shape[-1])
    columns = min(columns or math.isqrt(len(images) - 1) + 1, len(images))
    pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().byte().expand(-1, 3, -1, -1)
    large = pixels.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    framed = nn.functional.pad(large, [FRAME] * 4).permute(0, 2, 3, 1).numpy()
    blank = np.full((-len(framed) % columns, *framed.shape[1:]), 255, dtype=np.uint8)
    cells = np.concatenate([framed, blank]).reshape(-1, columns, *framed.shape[1:])
    return np.concatenate(list(np.concatenate(list(cells.swapaxes(0, 1)), 2)), 0)
