"""The manual of knobs: what it lists can be set, its defaults are true, and all of it counts."""

from typing import Any

from sid_sweep.spec import Trial, digest, plain
from sid_sweep.spec.knobs import Knob, knobs
from sid_sweep.spec.sweep import assign, lookup

NEEDED = {"fixed": {"sigma": 0.5}, "log_uniform": {"low": 0.1, "high": 0.7}}  # by kind: no defaults


def trial_with(knob: Knob, value: Any) -> Trial:
    """A trial of the knob's kinds in which it has a value."""
    values: dict[str, Any] = {"data": {"kind": "mixture"}}
    if ("data", "digits") in knob.kinds or any(kind == "teacher" for _, kind in knob.kinds):
        assign(values, ["teacher", "kind"], "trained")
    for union, kind in knob.kinds:
        for name, needed in ({"kind": kind} | NEEDED.get(kind, {})).items():
            assign(values, [*union.split("."), name], needed)
    assign(values, knob.path.split("."), value)
    return Trial.model_validate(values)


def settable() -> list[tuple[Knob, Any]]:
    """Knobs whose values are numbers, with their default or, where there is none, a valid value."""
    found = []
    for knob in knobs():
        kind, name = dict(knob.kinds).get(knob.path.rpartition(".")[0]), knob.path.split(".")[-1]
        default = NEEDED.get(kind, {}).get(name, knob.default)
        if default is not None and not isinstance(default, str):
            found.append((knob, default))
    return found


def test_every_knob_can_be_set_to_its_default():
    listed = settable()
    assert len(listed) > 50
    for knob, default in listed:
        assert lookup(plain(trial_with(knob, default)), knob.path) == default, knob


def test_every_knob_is_part_of_the_identity():
    for knob, default in settable():
        other = default + 1 if isinstance(default, int) else 0.9 * default or 0.1
        assert digest(trial_with(knob, other)) != digest(trial_with(knob, default)), knob


def test_defaults_are_those_of_the_trial():
    resolved = plain(Trial.model_validate({"data": {"kind": "mixture"}}))
    for knob in knobs():
        chosen = all(lookup(resolved, f"{union}.kind") == kind for union, kind in knob.kinds)
        if chosen and knob.default is not None:
            assert lookup(resolved, knob.path) == knob.default, knob
