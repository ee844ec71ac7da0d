"""Where samples come from: mixtures to draw from, and images to load."""

from .digits import digits, halves
from .mixtures import mixture

__all__ = ["digits", "halves", "mixture"]
