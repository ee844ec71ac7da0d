"""Samples to look at: points over their data, images on a contact sheet."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from sid_sweep import spec
from sid_sweep.data import source
from sid_sweep.streams import stream

NUM_DATA = 32_768  # points of the data, under the student's
NUM_IMAGES = 100  # on a sheet


def picture(
    data: spec.Data, samples: Float[Tensor, "N ..."], *, num_images: int = NUM_IMAGES
) -> UInt8[np.ndarray, "H W 3"]:
    """Samples of the data that a specification names: all points, or the first images."""
    if data.pixels is not None:
        return sheet(samples[:num_images])
    return scatter(samples, source(data).draw(NUM_DATA, generator=stream("picture")))


def scatter(
    samples: Float[Tensor, "N D"], data: Float[Tensor, "M D"], *, pixels: int = 256
) -> UInt8[np.ndarray, "H W 3"]:
    """Student in dark blue over the data in orange, first two coordinates, on white.

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
        density = 1 - np.exp(-counts * (pixels**2 / (40.0 * len(xy))))
        drawn *= 1 - density[:, :, None] * np.array(ink)
    return (255 * drawn).round().astype(np.uint8)


def _planar(points: Float[Tensor, "N D"]) -> Float[Tensor, "N 2"]:
    if points.shape[1] > 1:
        return points[:, :2]
    reach = float(points.abs().max())
    return torch.cat([points, torch.linspace(-reach, reach, len(points))[:, None]], 1)


def sheet(
    images: Float[Tensor, "N 1 H W"], *, columns: int = 10, scale: int = 6
) -> UInt8[np.ndarray, "rows columns 3"]:
    """A contact sheet of grey images in [-1, 1]; what is left of the last row is white."""
    pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().byte()
    large = pixels.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    framed = nn.functional.pad(large, (2, 2, 2, 2))[:, 0].numpy()
    columns = min(columns, len(framed))
    blank = np.full((-len(framed) % columns, *framed.shape[1:]), 255, dtype=np.uint8)
    cells = np.concatenate([framed, blank]).reshape(-1, columns, *framed.shape[1:])
    grey = np.concatenate(list(np.concatenate(list(cells.swapaxes(0, 1)), 2)), 0)
    return np.repeat(grey[:, :, None], 3, 2)
