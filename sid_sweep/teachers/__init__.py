"""Teachers φ: exact for mixtures, trained and cached for images."""

from .load import Teacher, load

__all__ = ["Teacher", "load"]
