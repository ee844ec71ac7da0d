"""How good a student is: sample metrics on draws of its own seed, and pictures to look at."""

from .judge import Judge, judge
from .pictures import picture

__all__ = ["Judge", "judge", "picture"]
