"""Samples to look at: points over their data, images on a contact sheet."""

import math

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.ndimage import uniform_filter
from torch import Tensor, nn

from sid_sweep import spec
from sid_sweep.data import source
from sid_sweep.streams import stream

NUM_DATA = 32_768  # points of the data, under the student's
MOST_IMAGES = 100  # on a sheet of its own making
SHEET, CELL = 1400, 104  # pixels of a side: of a sheet, and of a picture that is enlarged
FRAME = 2
COVERED = 40.0  # the points together ink one part in so many of a picture


def picture(
    data: spec.Data, samples: Float[Tensor, "N ..."], *, num_images: int | None = None
) -> UInt8[np.ndarray, "H W 3"]:
    """Samples of the data that a specification names: all points, or the first images.

    Args:
        num_images: how many; None: a hundred, or the square that fits on a sheet.
    """
    if data.is_images:
        return sheet(samples[: num_images or num_shown(samples.shape[-1])])
    return scatter(samples, source(data).draw(NUM_DATA, generator=stream("picture")))


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
