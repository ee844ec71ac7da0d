"""Teachers φ: exact for mixtures, trained and cached for images."""

from .load import Teacher, load
from .trained import is_cached

__all__ = ["Teacher", "is_cached", "load"]
