"""Judging points in the plane against the mixture that they should follow."""

import functools
import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.stats import chi
from torch import Tensor

from sid_sweep import spec
from sid_sweep.data import mixture
from sid_sweep.diffusion.mixture import Mixture
from sid_sweep.streams import stream

from .distances import directions, energy, projections, sliced_w2_squared, w2_squared

NUM_DIRECTIONS = 64
NUM_REFERENCES = 16  # fresh data sets; the denominator is the mean over their 120 pairs
NUM_W2 = 512  # points of an exact distance, which costs their cube
NUM_W2_REFERENCES, NUM_W2_COMPARED = 8, 4  # fresh sets for the denominator, and for each sample
NUM_ENERGY = 1024
MODE_SHARE = 0.2  # a mode is found when it holds this part of its weight
OFF_MODE_TAIL = math.exp(-8)  # of its mode's samples lie further out: 4 deviations in the plane


@dataclass(frozen=True)
class PointsJudge:
    """Distances to fresh data, in units of those between two fresh data sets; modes."""

    mixture: Mixture
    num_samples: int
    directions: Float[Tensor, "P D"]
    fresh: Float[Tensor, "R P N"]
    """Sorted projections of fresh data sets."""
    floor: float
    """Root mean square of SW2 between two fresh data sets."""
    fresh_points: Float[Tensor, "S M D"]
    """Small fresh data sets for the distances that look at pairs."""
    w2_floor: float
    """Root mean square of W2 between two of them."""

    @property
    def references(self) -> dict[str, float]:
        return {"sw2_between_fresh": self.floor, "w2_between_fresh": self.w2_floor}

    def measure(self, samples: Float[Tensor, "N D"]) -> dict[str, float]:
        if not samples.isfinite().all():  # no distance is defined, and a solver would not end
            return dict.fromkeys(spec.Mixture.metrics, math.nan)
        projected = projections(samples, self.directions)
        squared = [sliced_w2_squared(projected, fresh) for fresh in self.fresh]
        sw2 = float(torch.stack(squared).mean().sqrt())
        w2 = self._w2(samples)
        return {
            "sw2_ratio": sw2 / self.floor,
            "sw2": sw2,
            "w2": w2,
            "w2_ratio": w2 / self.w2_floor,
            "energy": energy(samples[:NUM_ENERGY], self.fresh_points.flatten(0, 1)[:NUM_ENERGY]),
            **self._modes(samples),
        }

    def picture(self, samples: Float[Tensor, "N D"]) -> UInt8[np.ndarray, "H W 3"]:
        return scatter(samples, self.mixture.sample(4 * len(samples), generator=stream("picture")))

    def _w2(self, samples: Float[Tensor, "N D"]) -> float:
        compared = self.fresh_points[:NUM_W2_COMPARED]
        size = compared.shape[1]
        squared = [w2_squared(samples[:size], fresh) for fresh in compared]
        return math.sqrt(sum(squared) / len(squared))

    def _modes(self, samples: Float[Tensor, "N D"]) -> dict[str, float]:
        """By the mode that is nearest in its own deviations."""
        weights, dimensions = self.mixture.weights, samples.shape[1]
        distances = torch.cdist(samples.double(), self.mixture.means)
        distance, nearest = (distances / self.mixture.variances.sqrt()).min(1)
        on = distance <= float(chi.isf(OFF_MODE_TAIL, dimensions))
        found = torch.bincount(nearest[on], minlength=len(weights)) / len(samples)
        shares = torch.bincount(nearest, minlength=len(weights)).double() / len(samples)
        return {
            "modes": float((found >= MODE_SHARE * weights).sum()),
            "off_modes": float(1 - on.double().mean()),
            "mode_kl": float(torch.xlogy(shares, shares / weights).sum()),
        }


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
    floor = _root_mean(sliced_w2_squared(a, b) for a, b in itertools.combinations(references, 2))
    size = (NUM_W2_REFERENCES, min(NUM_W2, num_samples))
    points = target.sample(math.prod(size), generator=random).float().view(*size, -1)
    w2_floor = _root_mean(w2_squared(a, b) for a, b in itertools.combinations(points, 2))
    return PointsJudge(target, num_samples, axes, references, floor, points, w2_floor)


def _root_mean(squared: Iterable[Tensor | float]) -> float:
    return math.sqrt(float(np.mean([float(value) for value in squared])))


def scatter(
    samples: Float[Tensor, "N D"], data: Float[Tensor, "M D"], *, pixels: int = 256
) -> UInt8[np.ndarray, "H W 3"]:
    """Student in dark blue over the data in orange, first two coordinates, on white.

    Of points on a line, the second is the place in the sample.
    """
    samples, data = _planar(samples), _planar(data)
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


def _planar(points: Float[Tensor, "N D"]) -> Float[Tensor, "N 2"]:
    if points.shape[1] > 1:
        return points[:, :2]
    reach = float(points.abs().max())
    return torch.cat([points, torch.linspace(-reach, reach, len(points))[:, None]], 1)
