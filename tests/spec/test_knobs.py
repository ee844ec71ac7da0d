"""The manual of knobs: what it lists can be set, its defaults are true, and all of it counts."""

import copy
from typing import Any

from pydantic import ValidationError

from sid_sweep.spec import Sweep, Trial, digest, plain
from sid_sweep.spec.knobs import Knob, knobs, manual
from sid_sweep.spec.metrics import LIMITS, metrics
from sid_sweep.spec.search import SAMPLERS
from sid_sweep.spec.sweep import assign, lookup

NEEDED: dict[str, dict[str, Any]] = {  # by kind: what has no default
    "fixed": {"sigma": 0.5},
    "inception": {"path": "weights.pth"},
    "statistics": {"path": "statistics.npz"},
    "log_uniform": {"low": 0.1, "high": 0.7},
    "plane": {"cross": 0.5, "self": 1.0},
    "diffusers": {"path": "ddpm"},
    "checkpoint": {"path": "teacher.safetensors"},
    "python": {"factory": "research:denoiser"},
    "images": {"path": "pictures.zip"},
}
UNET: dict[str, Any] = {"kind": "unet", "attention_resolutions": []}
BESIDE: dict[str, dict[str, Any]] = {  # by kind or knob: what else a trial of it needs
    "data.labels": {
        "teacher": {"kind": "trained", "net": UNET},
        "generator": {"init": {"kind": "teacher"}},
        "fake_score": {"init": {"kind": "random", "net": UNET}},
    },
    "fake_score.augment": {"data": {"kind": "digits"}, "teacher": {"kind": "trained"}},
    "teacher": {"teacher": {"kind": "trained"}, "data": {"kind": "patches"}},
    "inception": {"data": {"kind": "patches"}, "teacher": {"kind": "trained"}},
    "classifier": {"data": {"kind": "patches"}, "teacher": {"kind": "trained"}},
    "statistics": {"evaluation": {"features": {"kind": "inception", "path": "weights.pth"}}},
    "digits": {"teacher": {"kind": "trained"}},
    "images": {"teacher": {"kind": "trained"}},
    "mnist": {"teacher": {"kind": "trained"}},
    "patches": {"teacher": {"kind": "trained"}},
    "progressive": {"teacher": {"kind": "trained"}},
    "unet": {"data": {"kind": "digits"}, "teacher": {"kind": "trained"}},
    "adm": {"data": {"kind": "digits"}, "teacher": {"kind": "trained"}},
    "dde": {"noise": {"kind": "fixed", "sigma": 0.5}},
}


def trial_with(knob: Knob, value: Any) -> Trial:
    """A trial of the knob's kinds in which it has a value."""
    values: dict[str, Any] = {"data": {"kind": "mixture"}}
    for name in (*(kind for _, kind in knob.kinds), knob.path):
        values |= copy.deepcopy(BESIDE.get(name, {}))
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
        default = NEEDED.get(kind or "", {}).get(name, knob.default)
        if isinstance(default, int | float):
            found.append((knob, default))
    return found


def other_trial(knob: Knob, default: Any) -> Trial:
    """A trial in which the knob has another value, the first that its bounds allow."""
    candidates: list[Any]
    if isinstance(default, bool):
        candidates = [not default]
    elif isinstance(default, int):
        candidates = [default + 1, 2 * default, default // 2]
    else:
        candidates = [0.9 * default or 0.1, 1.1 * default]
    for value in candidates:
        try:
            return trial_with(knob, value)
        except ValidationError:
            continue
    raise AssertionError(f"{knob.path} allows none of {candidates}")


def test_every_knob_can_be_set_to_its_default():
    listed = settable()
    assert len(listed) > 50
    for knob, default in listed:
        assert lookup(plain(trial_with(knob, default)), knob.path) == default, knob


def test_every_knob_is_part_of_the_identity():
    for knob, default in settable():
        assert digest(other_trial(knob, default)) != digest(trial_with(knob, default)), knob


def test_defaults_are_those_of_the_trial():
    resolved = plain(Trial.model_validate({"data": {"kind": "mixture"}}))
    for knob in knobs():
        chosen = all(lookup(resolved, f"{union}.kind") == kind for union, kind in knob.kinds)
        group = lookup(resolved, knob.path.rpartition(".")[0]) if "." in knob.path else resolved
        if chosen and knob.default is not None and group is not None:  # null: no such group
            assert lookup(resolved, knob.path) == knob.default, knob


def test_the_manual_has_every_key_of_a_file_with_its_meaning():
    listed = list(manual())
    assert {knob.path.partition(".")[0] for knob in listed} >= {*Sweep.model_fields, "preset"}
    assert {knob.path for knob in knobs()} <= {knob.path for knob in listed}
    assert [knob.path for knob in listed if not knob.doc] == []
    assert [knob.path for knob in listed if "One YAML file" in knob.doc] == []  # of its group
    kinds = [knob.kinds for knob in listed if knob.path == "search.arms"]
    assert kinds == [(("search", key),) for key in SAMPLERS if key != "grid"]


def test_every_metric_says_what_it_does_not_see():
    listed = metrics()
    assert {metric.name for metric in listed} == set(LIMITS)
    assert [metric.name for metric in listed if not (metric.doc and metric.limit)] == []
    assert {m.name for m in listed} >= set(
        Trial.model_validate({"data": {"kind": "mixture"}}).metrics
    )
