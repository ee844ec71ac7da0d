"""Colours, markers and dashes that differ for every eye, in grey too.

Okabe & Ito's colours (2008) in an order in which neighbours differ for a deuteranope (CIE 1976 ΔE
of at least 50 by the matrix of Machado, Oliveira & Fernandes 2009), and the lower part of viridis
for numbers. Series beyond the seventh repeat a colour with another marker and other dashes.
"""

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_hex

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#666666"
CATEGORIES = (BLUE, VERMILION, "#56B4E9", "#000000", "#CC79A7", "#E69F00", "#009E73")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))
DARK_VIRIDIS = LinearSegmentedColormap.from_list(
    "dark_viridis", mpl.colormaps["viridis"](np.linspace(0, 0.87, 256))
)  # its yellow end is invisible on paper
MAX_STEPS = 7  # more steps of one colour map than this are told apart by no eye


@dataclass(frozen=True)
class Look:
    """How a series is drawn."""

    color: str
    marker: str
    dashes: Any


def look(index: int) -> Look:
    """Of the series in that place: 7 colours and 9 markers, so 63 different ones."""
    color = CATEGORIES[index % len(CATEGORIES)]
    marker = MARKERS[index % len(MARKERS)]
    return Look(color, marker, DASHES[index // len(CATEGORIES) % len(DASHES)])


def steps(num: int) -> list[str]:
    """`num` even steps from dark to light, for few numbers in their order."""
    return [to_hex(color) for color in DARK_VIRIDIS(np.linspace(0, 1, max(num, 2)))][:num]
