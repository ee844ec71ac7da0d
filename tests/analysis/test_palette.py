"""Neighbouring series differ for a deuteranope, by their colour or by all else."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from analysis.plots.palette import CATEGORIES, DARK_VIRIDIS, MAX_STEPS, look, steps

# Machado, Oliveira & Fernandes 2009, table 1: deuteranomaly at severity 1, on linear RGB.
DEUTERANOPIA = [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.011820, 0.042940, 0.968881],
]
TO_XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
WHITE = (0.9505, 1.0, 1.089)


def lab(color, *, deuteranope=False):
    """CIE 1976 L*a*b* of an sRGB colour, D65."""
    c = np.asarray(to_rgb(color))
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    if deuteranope:
        linear = np.clip(np.asarray(DEUTERANOPIA) @ linear, 0, 1)
    t = np.asarray(TO_XYZ) @ linear / WHITE
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(a, b, **eye):
    return float(np.linalg.norm(lab(a, **eye) - lab(b, **eye)))


def test_the_ruler_is_right():
    np.testing.assert_allclose(lab("white"), [100, 0, 0], atol=0.02)
    np.testing.assert_allclose(lab("red"), [53.24, 80.09, 67.20], atol=0.05)
    # red and green of one lightness are one for this eye, and far apart for another
    pair = ("#B1402F", "#5E6B1D")
    assert distance(*pair) > 3 * distance(*pair, deuteranope=True)


@pytest.mark.parametrize("deuteranope", [False, True])
def test_neighbouring_colours_differ(deuteranope):
    ring = [*CATEGORIES, CATEGORIES[0]]
    for a, b in itertools.pairwise(ring):
        assert distance(a, b, deuteranope=deuteranope) >= 50, (a, b)


@pytest.mark.parametrize("deuteranope", [False, True])
def test_no_two_colours_are_one(deuteranope):
    for a, b in itertools.combinations(CATEGORIES, 2):
        assert distance(a, b, deuteranope=deuteranope) >= 10, (a, b)


@pytest.mark.parametrize("num", range(2, MAX_STEPS + 1))
def test_steps_of_numbers_differ(num):
    for a, b in itertools.pairwise(steps(num)):
        assert distance(a, b, deuteranope=True) >= 10, (a, b)


def test_steps_beyond_the_limit_would_not():
    colors = [DARK_VIRIDIS(place) for place in np.linspace(0, 1, 14)]
    assert min(distance(*pair, deuteranope=True) for pair in itertools.pairwise(colors)) < 10


def test_sixty_series_have_sixty_looks():
    looks = [look(index) for index in range(60)]
    assert len({(own.color, own.marker) for own in looks}) == 60
    for a, b in itertools.pairwise(looks):
        assert a.color != b.color
        assert a.marker != b.marker
