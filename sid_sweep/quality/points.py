"""Judging points against the mixture that they should follow.

Both Wasserstein distances of finite samples are above zero even at perfection, by an amount that
depends on the data; so each is also given over its root mean square between fresh data sets.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from scipy.special import chdtri
from torch import Tensor

from sid_sweep import spec
from sid_sweep.data import source
from sid_sweep.diffusion.mixture import Mixture
from sid_sweep.streams import stream

from .distances import (
    directions,
    energy,
    kl_divergence,
    projections,
    sliced_w2_squared,
    w2_squared,
)

NUM_DIRECTIONS = 64
NUM_REFERENCES = 16  # fresh data sets; the denominators are means over their 120 pairs
TRANSPORTED = 256  # points of a subsample for exact W2, whose time grows faster than their square
COMPARED = 1024  # points of a subsample for the energy distance
MODE_SHARE = 0.2  # a mode is found when it holds this part of its weight
TAIL = math.exp(-8)  # of a Gaussian counts as off its mode: in the plane, beyond 4 deviations


@dataclass(frozen=True)
class PointsJudge:
    """Distances to fresh data, also in units of those between two fresh data sets; modes."""

    mixture: Mixture
    num_samples: int
    directions: Float[Tensor, "P D"]
    fresh: Float[Tensor, "R P N"]
    """Sorted projections of fresh data sets."""
    floor: float
    """Root mean square of SW2 between two fresh data sets."""
    subsamples: Float[Tensor, "R M D"]
    """Fresh subsamples for exact W2."""
    w2_floor: float
    """Root mean square of W2 between two of them."""
    compared: Float[Tensor, "L D"]
    """A fresh subsample for the energy distance."""

    @property
    def references(self) -> dict[str, float]:
        return {"sw2_between_fresh": self.floor, "w2_between_fresh": self.w2_floor}

    def measure(self, samples: Float[Tensor, "N D"]) -> dict[str, float]:
        """All metrics, of samples in random order; all are NaN if a coordinate is not finite."""
        if not bool(samples.isfinite().all()):
            return dict.fromkeys(spec.data.Mixture.metrics, math.nan)
        sw2, w2 = self._sw2(samples), self._w2(samples)
        return {
            "sw2_ratio": sw2 / self.floor,
            "sw2": sw2,
            "w2": w2,
            "w2_ratio": w2 / self.w2_floor,
            "energy": energy(samples[: len(self.compared)], self.compared),
            **self._modes(samples),
        }

    def _sw2(self, samples: Float[Tensor, "N D"]) -> float:
        projected = projections(samples, self.directions)
        squared = [sliced_w2_squared(projected, fresh) for fresh in self.fresh]
        return float(torch.stack(squared).mean().sqrt())

    def _w2(self, samples: Float[Tensor, "N D"]) -> float:
        """Root mean square over pairs of a part of the samples and a fresh subsample."""
        num, size, _ = self.subsamples.shape
        parts = samples[: num * size].reshape(num, size, -1)
        squared = [w2_squared(*pair) for pair in zip(parts, self.subsamples, strict=True)]
        return math.sqrt(sum(squared) / num)

    def _modes(self, samples: Float[Tensor, "N D"]) -> dict[str, float]:
        """A sample belongs to the mode from which it is the fewest deviations away."""
        weights = self.mixture.weights
        distances = torch.cdist(samples.double(), self.mixture.means)
        distance, nearest = (distances / self.mixture.variances.sqrt()).min(1)
        on = distance <= reach(samples.shape[1])
        found = _counts(nearest[on], weights) / len(samples) >= MODE_SHARE * weights
        return {
            "modes": float(found.sum()),
            "off_modes": float(1 - on.double().mean()),
            "mode_kl": kl_divergence(_counts(nearest, weights) / len(samples), weights),
        }


def _counts(modes: Int[Tensor, " n"], weights: Float[Tensor, " K"]) -> Float[Tensor, " K"]:
    return torch.bincount(modes, minlength=len(weights)).to(weights)


def reach(dim: int) -> float:
    """How many deviations from its mean a Gaussian leaves with probability TAIL: χ's quantile."""
    return math.sqrt(chdtri(dim, TAIL))


@functools.lru_cache(maxsize=4)
def points_judge(data: spec.Data, num_samples: int) -> PointsJudge:
    """The judge of data with a closed form, its references drawn on the evaluation seed."""
    target = source(data).exact
    assert target is not None  # what is judged as points has one
    random = stream("evaluation", "references")
    axes = directions(NUM_DIRECTIONS, target.means.shape[1], generator=random)
    fresh = torch.stack(
        [
            projections(target.sample(num_samples, generator=random).float(), axes)
            for _ in range(NUM_REFERENCES)
        ]
    )
    size = min(TRANSPORTED, num_samples // NUM_REFERENCES)
    subsamples = target.sample(NUM_REFERENCES * size, generator=random)
    subsamples = subsamples.reshape(NUM_REFERENCES, size, -1)
    return PointsJudge(
        mixture=target,
        num_samples=num_samples,
        directions=axes,
        fresh=fresh,
        floor=_between(fresh, sliced_w2_squared),
        subsamples=subsamples,
        w2_floor=_between(subsamples, w2_squared),
        compared=target.sample(min(COMPARED, num_samples), generator=random),
    )


def _between(sets: Float[Tensor, "R ..."], squared: Callable[..., Tensor | float]) -> float:
    """Root mean square of a distance over all pairs of sets."""
    pairs = [torch.as_tensor(squared(sets[i], sets[j])) for i in range(len(sets)) for j in range(i)]
    return float(torch.stack(pairs).mean().sqrt())
