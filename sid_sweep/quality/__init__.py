"""How good a student is: sample metrics on draws of its own seed, and pictures to look at."""

from .judge import Judge, judge
from .pictures import picture, picture_of_data

__all__ = ["Judge", "judge", "picture", "picture_of_data"]
