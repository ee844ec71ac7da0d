"""Samples to look at, without a judge: points over their data, images on a contact sheet."""

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from sid_sweep import spec
from sid_sweep.data import mixture
from sid_sweep.streams import stream

from .images import sheet
from .points import scatter

NUM_DATA = 32_768  # points of the data, under the student's


def picture(data: spec.Data, samples: Float[Tensor, "N ..."]) -> UInt8[np.ndarray, "H W 3"]:
    """Samples of the data that a specification names."""
    match data:
        case spec.Mixture():
            return scatter(samples, mixture(data).sample(NUM_DATA, generator=stream("picture")))
        case spec.Digits():
            return sheet(samples)
