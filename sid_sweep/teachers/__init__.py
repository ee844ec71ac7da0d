"""Teachers φ: exact for mixtures, trained and cached, or loaded from what someone else made."""

from .check import check
from .load import Teacher, load

__all__ = ["Teacher", "check", "load"]
