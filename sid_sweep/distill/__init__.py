"""The method: losses, networks in turn, and the loop that yields progress. Knows nothing of Ray."""

from sid_sweep.nets.ranks import SOLO, Ranks

from .loop import Progress, distill

__all__ = ["SOLO", "Progress", "Ranks", "distill"]
