"""Judging points against the density that they should follow, whose every marginal is known.

Nothing is drawn but the student: the references are closed forms, so what scatters from seed to
seed is the student, and a little its latents. `js` sees whatever moves mass by more than a mode's
width: samples between modes, modes lost, too wide or too light. `sw2` sees how far mass has to
travel, hence shares that are wrong and modes that are lost, and hardly the few samples between
modes. `off_modes` is one of shape and `mode_kl` one of weights; each is blind to the other's.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.special import chdtri, ndtr
from torch import Tensor

from sid_sweep import spec
from sid_sweep.data import source
from sid_sweep.diffusion.mixture import Mixture
from sid_sweep.streams import stream

from . import latents
from .distances import directions, histogram, jensen_shannon, kl_divergence, sliced_w2

Array = np.ndarray

NUM_DIRECTIONS = 64
NUM_PLANES = 16  # onto which points of more than two dimensions are projected
CELLS = 256  # of a grid, along each axis
LEAST_BANDWIDTH = 2.0  # cells
MARGIN = 7.0  # deviations around the outermost mode that a grid holds
NUM_PLACES = 4096  # between which quantiles are interpolated
MODE_SHARE = 0.2  # a mode is found when it holds this part of its weight
TAIL = math.exp(-8)  # of a Gaussian counts as off its mode: in the plane, beyond 4 deviations
NUM_DRAWS = 8  # of the data itself, as a reference


@dataclass(frozen=True)
class PointsJudge:
    """Distances to a mixture, all of them zero for the data, and its modes."""

    mixture: Mixture
    latents: Float[Tensor, "N D"]
    sigma_data: float
    directions: Float[Tensor, "P D"]
    quantiles: Float[Array, "P N"]
    """Of the data along each direction, at (i - ½)/N."""
    planes: Float[Array, "L D d"]
    """Orthonormal pairs of axes (one axis on a line), on which densities are compared."""
    densities: list[Float[Array, "..."]]
    """The data's mass in each cell of each plane, smoothed as the samples are."""
    reach: float
    bandwidth: float

    @property
    def labels(self) -> None:
        """There are no classes to ask for."""
        return None

    @functools.cached_property
    def references(self) -> dict[str, float]:
        """What as many independent draws of the data read, on average: the error of a sample."""
        num, random = len(self.latents), stream("evaluation", "references")
        drawn = [self.mixture.sample(num, generator=random).float() for _ in range(NUM_DRAWS)]
        return {
            "js_of_data": float(np.mean([self._js(x) for x in drawn])),
            "sw2_of_data": float(np.mean([self._sw2(x) for x in drawn])),
        }

    def measure(self, samples: Float[Tensor, "N D"]) -> dict[str, float]:
        """All metrics; all are NaN if a coordinate is not finite."""
        if not bool(samples.isfinite().all()):
            return dict.fromkeys(spec.data.Mixture.metrics, math.nan)
        return {"js": self._js(samples), "sw2": self._sw2(samples), **self._modes(samples)}

    def _js(self, samples: Float[Tensor, "N D"]) -> float:
        points = samples.double().numpy()
        grid = {"reach": self.reach, "cells": CELLS, "bandwidth": self.bandwidth}
        pairs = zip(self.planes, self.densities, strict=True)
        found = [jensen_shannon(p, histogram(points @ axes, **grid)) for axes, p in pairs]
        return float(np.mean(found))

    def _sw2(self, samples: Float[Tensor, "N D"]) -> float:
        return sliced_w2(samples, self.directions, self.quantiles) / self.sigma_data

    def _modes(self, samples: Float[Tensor, "N D"]) -> dict[str, float]:
        """A sample belongs to the mode from which it is the fewest deviations away."""
        weights = self.mixture.weights
        distances = torch.cdist(samples.double(), self.mixture.means)
        distance, nearest = (distances / self.mixture.variances.sqrt()).min(1)
        on = distance <= reach(samples.shape[1])
        found = _counts(nearest[on], weights) / len(samples) >= MODE_SHARE * weights
        return {
            "off_modes": float(1 - on.double().mean()),
            "mode_kl": kl_divergence(_counts(nearest, weights) / len(samples), weights),
            "modes": float(found.sum()),
        }


def _counts(modes: Int[Tensor, " n"], weights: Float[Tensor, " K"]) -> Float[Tensor, " K"]:
    return torch.bincount(modes, minlength=len(weights)).to(weights)


def reach(dim: int) -> float:
    """How many deviations from its mean a Gaussian leaves with probability TAIL: χ's quantile."""
    return math.sqrt(chdtri(dim, TAIL))


@functools.lru_cache(maxsize=4)
def points_judge(data: spec.Data, num_samples: int, *, seed: int) -> PointsJudge:
    """The judge of data with a closed form, for all arms of a seed."""
    own = source(data)
    assert own.exact is not None  # what is judged as points has one
    random = stream("evaluation", seed, "directions")
    dim = own.exact.means.shape[1]
    axes = directions(NUM_DIRECTIONS, dim, generator=random)
    levels = (np.arange(num_samples) + 0.5) / num_samples
    extent = float(own.exact.means.norm(dim=1).max() + MARGIN * own.exact.variances.max().sqrt())
    bandwidth = max(float(own.exact.variances.min().sqrt()), LEAST_BANDWIDTH * 2 * extent / CELLS)
    planes = _planes(dim, generator=random)
    return PointsJudge(
        mixture=own.exact,
        latents=latents.sobol(num_samples, dim, seed=seed),
        sigma_data=own.sigma_data,
        directions=axes,
        quantiles=np.stack([quantiles(own.exact, axis, levels) for axis in axes.double().numpy()]),
        planes=planes,
        densities=[
            masses(own.exact, plane, reach=extent, cells=CELLS, bandwidth=bandwidth)
            for plane in planes
        ],
        reach=extent,
        bandwidth=bandwidth,
    )


def _planes(dim: int, *, generator: torch.Generator) -> Float[Array, "L D d"]:
    """The plane itself, the line itself, or random planes of more dimensions."""
    if dim <= 2:
        return np.eye(dim)[None]
    vectors = torch.randn(NUM_PLANES, dim, 2, generator=generator, dtype=torch.float64)
    return torch.linalg.qr(vectors).Q.numpy()


def quantiles(
    mixture: Mixture, direction: Float[Array, " D"], levels: Float[Array, " N"]
) -> Float[Array, " N"]:
    """Of a mixture along a unit vector, by interpolation of its distribution function."""
    means = mixture.means.numpy() @ direction
    deviations = mixture.variances.sqrt().numpy()
    ends = (means - 8 * deviations).min(), (means + 8 * deviations).max()
    places = np.linspace(*ends, NUM_PLACES)
    below = ndtr((places[:, None] - means) / deviations) @ mixture.weights.numpy()
    return np.interp(levels, below, places)


def masses(
    mixture: Mixture, axes: Float[Array, "D d"], *, reach: float, cells: int, bandwidth: float
) -> Float[Array, "..."]:
    """What `histogram` of infinitely many draws would be: a mixture's projection is one too, and a
    Gaussian filter adds to its variances; so does the width of a cell, by 1/12 of its square."""
    width = 2 * reach / cells
    places = (np.arange(cells) + 0.5) * width - reach
    deviations = np.sqrt(mixture.variances.numpy() + bandwidth**2 + width**2 / 12)
    offsets = (places[:, None, None] - (mixture.means.numpy() @ axes)) / deviations[:, None]
    along = width * np.exp(-0.5 * offsets**2) / (deviations[:, None] * math.sqrt(2 * math.pi))
    factors = [along[:, :, axis] for axis in range(axes.shape[1])]  # [cells K] each
    weighted = factors[0] * mixture.weights.numpy()
    return weighted.sum(1) if len(factors) == 1 else weighted @ factors[1].T
