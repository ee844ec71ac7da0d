"""An arm is its values, in whatever order; its text is what a reader sees everywhere."""

import pytest

from sid_sweep.spec import Arm, arm_text, value_text


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"a": 1, "b": "x"}, {"b": "x", "a": 1}, True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 0}, {"a": -0.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 0.0}, {"a": False}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
    ],
)
def test_two_arms_are_one_if_they_hold_the_same_values(first, second, same):
    one, other = Arm(first), Arm(second)
    assert (one == other) is same
    assert len({one, other}) == (1 if same else 2)


def test_an_arm_is_no_dict_and_does_not_change_with_the_one_it_was_made_of():
    values = {"a": 1}
    arm = Arm(values)
    values["a"] = 2
    assert arm != {"a": 1}
    assert dict(arm) == {"a": 1}
    assert len(arm) == 1
    assert repr(arm) == "Arm({'a': 1})"


def test_the_text_names_every_knob_in_the_order_of_definition():
    arm = Arm({"loss.lambda": 0.5, "noise.kind": "vp"})
    assert str(arm) == "loss.lambda = 0.5, noise.kind = vp"
    assert arm_text(arm, names={"loss.lambda": "λ"}) == "λ = 0.5, noise.kind = vp"
    assert str(Arm({})) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        ("vp", "vp"),
        (1, "1"),
        (1.0, "1"),
        (0.5, "0.5"),
        (-0.25, "-0.25"),
        (0.0005, "0.0005"),
        (1.2345678, "1.2345678"),  # somebody wrote it: nine characters
        (0.39270756, "0.3927"),  # a sampler drew it
        (0.00012345678901, "0.0001235"),
        (1 / 3, "0.3333"),
        (9_999, "9999"),
        (10_000, "10,000"),
        (480_000.0, "480,000"),
        (-20_000, "-20,000"),
        (1e12, "1e+12"),
    ],
)
def test_a_value_is_written_as_in_the_yaml(value, text):
    assert value_text(value) == text
