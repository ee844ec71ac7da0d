"""The latents that students are judged on: one set per seed, the same for all arms of that seed.

Arms of one seed differ by what they made of the same latents, seeds by their own; so pairing takes
away what a draw of latents has in common, and no two seeds are copies of each other.
"""

import math

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.special import ndtri
from torch import Tensor

from sid_sweep.streams import stream

SMALLEST = 2.0**-40  # a uniform number of 0 or 1 has no normal quantile


def normal(num: int, shape: tuple[int, ...], *, seed: int) -> Float[Tensor, "N ..."]:
    """Independent standard normals, [num, *shape]."""
    return torch.randn(num, *shape, generator=stream("evaluation", seed, "latents"))


def labels(num: int, num_classes: int, *, seed: int) -> Int[Tensor, " N"] | None:
    """Uniform classes; None where there are none."""
    if num_classes == 0:
        return None
    return torch.randint(num_classes, (num,), generator=stream("evaluation", seed, "labels"))


def sobol(num: int, dim: int, *, seed: int) -> Float[Tensor, "N D"]:
    """The first `num` points of a scrambled Sobol sequence, made normal by Φ⁻¹ (Owen 1998).

    Each point is a standard normal, and together they fill the space evenly: means over them
    scatter far less than over independent ones. In the plane, 8,192 of them lower the deviation
    of js between draws from 2.6 % to 0.4 %, that of sw2 from 10 % to 0.2 % (tests/benchmarks).
    """
    from scipy.stats import qmc  # which takes half a second to load, and images never need it

    random = np.random.default_rng(stream("evaluation", seed, "latents").initial_seed())
    sequence = qmc.Sobol(dim, scramble=True, rng=random)
    uniforms = sequence.random_base2(math.ceil(math.log2(num)))[:num]
    normals = ndtri(uniforms.clip(SMALLEST, 1 - SMALLEST))
    return torch.from_numpy(normals).float()
