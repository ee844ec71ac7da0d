"""Where samples come from: mixtures to draw from, and images to load."""

from .digits import digits, halves
from .mixtures import mixture
from .source import Source, source

__all__ = ["Source", "digits", "halves", "mixture", "source"]
