"""Improved precision and recall (Kynkäänniemi et al. 2019): each set is the union of balls around
its members that reach to their 3rd neighbour; how much of one set lies in the other's balls?"""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

NUM_NEIGHBOURS = 3
CHUNK = 1024  # rows of a matrix of distances


def radii(points: Float[Tensor, "N F"], *, neighbour: int = NUM_NEIGHBOURS) -> Float[Tensor, " N"]:
    """Squared distance of each point to its k-th nearest other."""
    nearest = [
        rows.topk(neighbour + 1, largest=False).values[:, -1]  # the nearest is the point itself
        for rows in _squared(points, points)
    ]
    return torch.cat(nearest)


def covered(
    points: Float[Tensor, "N F"], centres: Float[Tensor, "M F"], radii: Float[Tensor, " M"]
) -> float:
    """Share of the points that lie in at least one ball (eq. 1 and 2)."""
    inside: list[Bool[Tensor, " c"]] = [
        (rows <= radii).any(1) for rows in _squared(points, centres)
    ]
    return float(torch.cat(inside).double().mean())


def _squared(a: Float[Tensor, "N F"], b: Float[Tensor, "M F"]) -> Iterator[Float[Tensor, "c M"]]:
    """|a - b|² by the rows of a, some at a time, in float64: the expanded form cancels."""
    b = b.double()
    squares = b.square().sum(1)
    for part in a.split(CHUNK):
        part = part.double()
        yield (part.square().sum(1)[:, None] + squares - 2 * part @ b.T).clamp(min=0)
