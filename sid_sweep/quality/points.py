"""Judging points in the plane against the mixture that they should follow."""

import functools
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from sid_sweep import spec
from sid_sweep.data import mixture
from sid_sweep.diffusion.mixture import Mixture
from sid_sweep.streams import stream

from .distances import directions, projections, sliced_w2_squared

NUM_DIRECTIONS = 64
NUM_REFERENCES = 16  # fresh data sets; the denominator is the mean over their 120 pairs
MODE_SHARE = 0.2  # a mode is found when it holds this part of its weight
MODE_DEVIATIONS = 4.0  # further out than this is off the mode (3e-4 of a planar Gaussian is)


@dataclass(frozen=True)
class PointsJudge:
    """Sliced W2 to fresh data, in units of the distance between two fresh data sets; modes."""

    mixture: Mixture
    num_samples: int
    directions: Float[Tensor, "P D"]
    fresh: Float[Tensor, "R P N"]
    """Sorted projections of fresh data sets."""
    floor: float
    """Root mean square of SW2 between two fresh data sets."""

    @property
    def references(self) -> dict[str, float]:
        return {"sw2_between_fresh": self.floor}

    def measure(self, samples: Float[Tensor, "N D"]) -> dict[str, float]:
        projected = projections(samples, self.directions)
        squared = [sliced_w2_squared(projected, fresh) for fresh in self.fresh]
        sw2 = float(torch.stack(squared).mean().sqrt())
        modes, off_modes = self._modes(samples)
        return {
            "sw2_ratio": sw2 / self.floor,
            "sw2": sw2,
            "modes": float(modes),
            "off_modes": off_modes,
        }

    def picture(self, samples: Float[Tensor, "N D"]) -> UInt8[np.ndarray, "H W 3"]:
        return scatter(samples, self.mixture.sample(4 * len(samples), generator=stream("picture")))

    def _modes(self, samples: Float[Tensor, "N D"]) -> tuple[int, float]:
        distances = torch.cdist(samples.double(), self.mixture.means)
        distance, nearest = (distances / self.mixture.variances.sqrt()).min(1)
        on = distance <= MODE_DEVIATIONS
        shares = torch.bincount(nearest[on], minlength=len(self.mixture.weights)) / len(samples)
        found = shares >= MODE_SHARE * self.mixture.weights
        return int(found.sum()), float(1 - on.double().mean())


@functools.lru_cache(maxsize=4)
def points_judge(data: spec.Mixture, num_samples: int) -> PointsJudge:
    """The judge of a mixture, its references drawn on the evaluation seed."""
    target = mixture(data)
    random = stream("evaluation", "references")
    axes = directions(NUM_DIRECTIONS, target.means.shape[1], generator=random)
    references = torch.stack(
        [
            projections(target.sample(num_samples, generator=random).float(), axes)
            for _ in range(NUM_REFERENCES)
        ]
    )
    pairs = [
        sliced_w2_squared(references[i], references[j])
        for i in range(NUM_REFERENCES)
        for j in range(i)
    ]
    floor = float(torch.stack(pairs).mean().sqrt())
    return PointsJudge(target, num_samples, axes, references, floor)


def scatter(
    samples: Float[Tensor, "N D"], data: Float[Tensor, "M D"], *, pixels: int = 256
) -> UInt8[np.ndarray, "H W 3"]:
    """Student in dark blue over the data in orange, first two coordinates, on white."""
    radius = 1.4 * float(data[:, :2].abs().max())
    picture = np.ones((pixels, pixels, 3))
    for points, ink in ((data, (0.0, 0.35, 0.9)), (samples, (1.0, 0.75, 0.2))):
        xy = points[:, :2].double().numpy()
        counts, _, _ = np.histogram2d(
            -xy[:, 1], xy[:, 0], bins=pixels, range=[[-radius, radius]] * 2
        )
        density = 1 - np.exp(-counts * (pixels**2 / (40.0 * len(xy))))
        picture *= 1 - density[:, :, None] * np.array(ink)
    return (255 * picture).round().astype(np.uint8)
