"""A dotted path reads, sets and names one value in nested groups."""

import pytest

from sid_sweep.spec.paths import assign, dotted, leaves, lookup

VALUES = {"noise": {"kind": "vp"}, "seed": 0, "generator": {"optim": {"lr": 0.1, "clip": None}}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seed", 0),
        ("generator.optim.lr", 0.1),
        ("generator.optim", {"lr": 0.1, "clip": None}),
        ("generator.optim.clip", None),
        ("generator.optim.beta", None),
        ("seed.inner", None),  # below a value there is nothing
        ("nowhere.at.all", None),
    ],
)
def test_lookup_finds_what_is_there_and_nothing_else(path, value):
    assert lookup(VALUES, path) == value


def test_assign_makes_the_groups_on_the_way_and_keeps_what_is_beside():
    values = {"noise": {"kind": "vp"}}
    assign(values, ["noise", "sigma"], 0.5)
    assign(values, ["generator", "optim", "lr"], 0.1)
    assign(values, ["noise", "kind"], "fixed")
    assert values == {
        "noise": {"kind": "fixed", "sigma": 0.5},
        "generator": {"optim": {"lr": 0.1}},
    }


@pytest.mark.parametrize("part", [3, None, [1]])
def test_assign_refuses_to_go_through_a_value(part):
    values = {"noise": {"sigma": part}}
    with pytest.raises(ValueError, match=r"noise\.sigma\.low cannot be set") as caught:
        assign(values, ["noise", "sigma", "low"], 0.1)
    assert str(caught.value) == "sigma is a value, not a group, so noise.sigma.low cannot be set"
    assert values == {"noise": {"sigma": part}}


def test_leaves_are_all_values_by_their_paths_in_order():
    assert list(leaves(VALUES)) == [
        ("noise.kind", "vp"),
        ("seed", 0),
        ("generator.optim.lr", 0.1),
        ("generator.optim.clip", None),
    ]
    assert list(leaves({"a": {"b": [1, {"c": 2}]}}, "x.")) == [("x.a.b", [1, {"c": 2}])]
    assert list(leaves("no group")) == []


def test_groups_below_a_whole_one_are_given_as_they_are():
    values = {"m": {"cases": {"sid": {"loss": {"lambda": 1}}, "gan": {}}, "when": {"a": 1}}}
    assert dict(leaves(values, whole=".cases.")) == {
        "m.cases.sid": {"loss": {"lambda": 1}},
        "m.cases.gan": {},
        "m.when.a": 1,
    }
    assert dict(leaves(values)) == {"m.cases.sid.loss.lambda": 1, "m.when.a": 1}


def test_what_leaves_take_apart_assign_puts_together():
    again = {}
    for path, value in leaves(VALUES):
        assign(again, path.split("."), value)
    assert again == VALUES
    assert dotted(["a", 0, "b"]) == "a.0.b"
