"""How numbers, knobs and values are written."""

import math

import numpy as np
import pytest

from analysis.notation import (
    arm_text,
    decimals,
    estimate,
    knob_name,
    same_value,
    significant,
    value_text,
)

NAN = math.nan


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ((1.42, 1.31, 1.53), "1.42 [1.31, 1.53]"),
        ((1.6476, 1.6101, 1.6851), "1.648 [1.610, 1.685]"),
        ((27.8, 26.1, 29.5), "27.8 [26.1, 29.5]"),
        ((28.0, -99.6, 155.6), "28 [-100, 156]"),
        ((1.0, 1 - 0.0996, 1 + 0.0996), "1.00 [0.90, 1.10]"),
        ((3.21e-6, 3.1e-6, 3.32e-6), "3.21e-6 [3.10e-6, 3.32e-6]"),
        ((0.0, -0.5, 0.5), "0.00 [-0.50, 0.50]"),
        ((1.5, 1.5, 1.5), "1.5 [1.5, 1.5]"),
        ((1.5, 1.5 - 2e-16, 1.5 + 2e-16), "1.5 [1.5, 1.5]"),
        ((1.41831, NAN, NAN), "1.418 [-]"),
        ((NAN, NAN, NAN), "-"),
    ],
)
def test_an_estimate_shows_what_is_known(interval, text):
    assert estimate(*interval) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (8.0, "8"),
        (7.6667, "7.667"),
        (123456.0, "123,456"),
        (0.5, "0.5"),
        (0.0, "0"),
        (-1.25, "-1.25"),
        (NAN, "-"),
        (2.5e-7, "2.5e-7"),
        (1.5e10, "1.5e10"),
    ],
)
def test_significant_digits(number, text):
    assert significant(number) == text


def test_decimals_carry():
    assert decimals(0.0996) == 2
    assert decimals(0.0994) == 3
    assert decimals(123.0) == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (0.25, "0.25"),
        (256, "256"),
        (400_000, "400,000"),
        (np.int64(3), "3"),
        (True, "true"),
        (np.bool_(False), "false"),
        ("edm", "edm"),
        (None, "-"),
        (NAN, "-"),
        (1e-4, "0.0001"),
        (1e-5, "1e-05"),
        (0.00042744123456, "0.0004274"),
        (0.9999, "0.9999"),
        (0.99995, "0.99995"),  # nobody may mistake it for the one above
    ],
)
def test_values(value, text):
    assert value_text(value) == text


def test_values_are_compared_by_meaning():
    assert same_value(1, 1.0)
    assert same_value(np.float64(0.5), 0.5)
    assert same_value("0.5", 0.5)  # a mixed column holds text
    assert not same_value(1, True)
    assert not same_value(0.00042744123, 0.00042744124)


def test_names():
    assert knob_name("loss.lambda") == "λ"
    assert knob_name("generator.optim.lr") == "generator.optim.lr"
    assert arm_text({"loss.lambda": 0.5, "noise.sigma": None, "loss.kind": "sid"}) == (
        "λ = 0.5, loss.kind = sid"
    )
