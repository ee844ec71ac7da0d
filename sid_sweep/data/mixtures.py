"""Mixtures by name."""

from sid_sweep import spec
from sid_sweep.diffusion.mixture import Mixture, ring


def mixture(data: spec.Mixture) -> Mixture:
    """The mixture that a specification names, in float64."""
    match data.name:
        case "ring8":
            return ring(8, radius=data.radius, deviation=data.deviation)
