"""Mixtures by name: where the centres c_k [K, D] lie, then their weights and deviations."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from sid_sweep import spec
from sid_sweep.diffusion.mixture import Mixture
from sid_sweep.streams import stream


def mixture(data: spec.data.Mixture) -> Mixture:
    """The mixture that a specification names, in float64.

    Along the centres the weights fall geometrically and the deviations rise geometrically.
    """
    centres = _centres(data)
    steps = torch.linspace(0, 1, len(centres), dtype=torch.float64)
    weights = data.weight_ratio**-steps
    deviations = data.deviation * data.deviation_ratio**steps
    return Mixture(weights / weights.sum(), centres, deviations.square())


def _centres(data: spec.data.Mixture) -> Float[Tensor, "K D"]:
    match data.name:
        case "ring8":
            return ring(8, radius=data.radius)
        case "grid25":
            return grid(5, radius=data.radius)
        case "spirals":
            return spirals(24, turns=1.5, radius=data.radius)
        case "checkerboard":
            return checkerboard(4, per_side=4, radius=data.radius)
        case "scattered":
            assert data.components is not None
            assert data.dimensions is not None
            random = stream("mixture", "scattered", data.components, data.dimensions)
            return scattered(data.components, data.dimensions, radius=data.radius, generator=random)


def ring(num: int, *, radius: float) -> Float[Tensor, "K 2"]:
    """`num` equidistant points on a circle."""
    angles = torch.arange(num, dtype=torch.float64) * (2 * math.pi / num)
    return radius * torch.stack([angles.cos(), angles.sin()], 1)


def grid(side: int, *, radius: float) -> Float[Tensor, "K 2"]:
    """`side` x `side` equidistant points of [-radius, radius]², its border included."""
    line = torch.linspace(-radius, radius, side, dtype=torch.float64)
    return torch.cartesian_prod(line, line)


def spirals(num: int, *, turns: float, radius: float) -> Float[Tensor, "K 2"]:
    """Two arms of Archimedes' spiral r ∝ θ, opposite each other, of `num` points each.

    θ ∝ √k makes their spacing along an arm nearly equal: its length grows as θ². Each arm runs from
    the inside to `radius`.
    """
    roots = (torch.arange(1, num + 1, dtype=torch.float64) / num).sqrt()
    angles = 2 * math.pi * turns * roots
    arm = radius * roots[:, None] * torch.stack([angles.cos(), angles.sin()], 1)
    return torch.cat([arm, -arm])


def checkerboard(fields: int, *, per_side: int, radius: float) -> Float[Tensor, "K 2"]:
    """Points in the dark fields of a `fields` x `fields` board over [-radius, radius]².

    Each dark field holds `per_side` x `per_side`, half a spacing from its border; the field of the
    lowest coordinates is dark. Ordered by column, then row, of points.
    """
    num = fields * per_side
    columns, rows = torch.cartesian_prod(torch.arange(num), torch.arange(num)).T
    dark = (columns // per_side + rows // per_side) % 2 == 0
    cells = torch.stack([columns, rows], 1)[dark].double()
    return radius * ((2 * cells + 1) / num - 1)


def scattered(
    num: int, dim: int, *, radius: float, generator: torch.Generator
) -> Float[Tensor, "K D"]:
    """`num` draws from N(0, radius² I)."""
    return radius * torch.randn(num, dim, generator=generator, dtype=torch.float64)
