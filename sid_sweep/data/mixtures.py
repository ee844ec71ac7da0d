"""Mixtures by name."""

from sid_sweep.diffusion.mixture import Mixture, ring
from sid_sweep.spec import trial as spec


def mixture(data: spec.Mixture) -> Mixture:
    """The mixture that a specification names, in float64."""
    match data.name:
        case "ring8":
            return ring(8, radius=data.radius, deviation=data.deviation)
