"""Constraints: a grammar of one line, and what it says of a mean."""

from pathlib import Path

import pytest

from sid_sweep.spec import SpecError, load
from sid_sweep.spec.constraints import parse

LAMBDA = Path(__file__).parents[1] / "lambda.yaml"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cost/state_bytes <= 8e9", ("cost/state_bytes", True, 8e9, False)),
        ("off_modes<=1.1*baseline", ("off_modes", True, 1.1, True)),
        ("  modes >= baseline ", ("modes", False, 1.0, True)),
        ("kid >= -0.5", ("kid", False, -0.5, False)),
    ],
)
def test_what_is_written_is_what_is_meant(text, said):
    own = parse(text)
    assert (own.metric, own.at_most, own.number, own.relative) == said
    assert parse(own.text) == own


@pytest.mark.parametrize(
    "text",
    [
        "js", "js <= ", "<= 1", "js < 1", "js = 1", "js == 1", "js <= 1 <= 2", "js <= one",
        "js <= 2 * other", "js <= baseline * 2", "js <= -1 * baseline", "js <= inf", "js <= nan",
        "js + 1 <= 2", "js <= 2 * 3", "js <= 1_0 0", "__import__('os') <= 1 + 1",
    ],
)  # fmt: skip
def test_nothing_else_is_taken(text):
    with pytest.raises(ValueError, match=r"is no constraint|is no finite number|a factor above 0"):
        parse(text)


def test_excess_is_in_parts_of_the_bound_and_above_zero_where_it_is_violated():
    most, least = parse("js <= 0.2"), parse("modes >= 8")
    assert most.excess(0.3, 0.2) == pytest.approx(0.5)
    assert most.excess(0.2, 0.2) == 0
    assert least.excess(6.0, 8.0) == pytest.approx(0.25)
    assert least.excess(9.0, 8.0) < 0
    assert parse("kid <= 0").excess(0.1, 0.0) == pytest.approx(0.1)
    assert parse("js <= 2 * baseline").bound(0.3) == pytest.approx(0.6)
    assert parse("js <= 2 * baseline").bound(None) is None


@pytest.mark.parametrize(
    ("constraints", "sentence"),
    [
        ("['off_mode <= 1']", "constraints.0 = off_mode: there is no such metric"),
        ("['js <= 1', 'off_modes < 0.1']", "so < and > are not needed"),
        ("['js <= 1', 'js<=1.0']", "js <= 1 stands there twice"),
        ("js <= 1", "must be a valid list"),
    ],
)
def test_a_wrong_one_is_refused_in_a_line(constraints, sentence):
    with pytest.raises(SpecError) as caught:
        load(LAMBDA, [f"constraints={constraints}"])
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_relative_to_the_baseline_needs_one():
    relative = "constraints=['js <= 1.1 * baseline']"
    assert load(LAMBDA, [relative]).bounds[0].relative
    with pytest.raises(SpecError, match="there is no baseline; add one, or write a number"):
        load(LAMBDA, [relative, "baseline={}"])


def test_their_metrics_are_columns_of_the_table():
    outline = load(LAMBDA, ["constraints=['cost/evaluations <= 3', 'js <= 1']"]).outline()
    assert "cost/evaluations" in outline["columns"]
    assert "js" not in outline["columns"]
    assert outline["constraints"] == ["cost/evaluations <= 3", "js <= 1"]
    assert "constraints" not in load(LAMBDA).outline()
