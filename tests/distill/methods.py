"""A small trial for every method and every knob that changes what a step does."""

from collections.abc import Iterable
from typing import Any

import pytest

from sid_sweep.spec import Trial

NET = {"kind": "random", "net": {"kind": "mlp", "width": 16, "depth": 2}}
BASE: dict[str, Any] = {
    "data": {"kind": "mixture"},
    "batch": {"latents": 32},
    "budget": {"images": 320},
    "evaluation": {"times": 2, "samples": 64},
}
TRAINED = {"teacher": {"kind": "trained", "images": 2560, "net": {"kind": "mlp", "width": 16}}}
LORA = {"init": {"kind": "teacher", "lora": {"rank": 2}}}
FIXED = {"noise": {"kind": "fixed", "sigma": 0.3}}

METHODS: dict[str, dict[str, Any]] = {
    "sid": {},
    "plane": {"loss": {"kind": "plane", "cross": 0.5, "self": 1.0}},
    "scheduled": {"loss": {"lambda_end": 0.5}},
    "importance": {"generator": {"importance": {}}, "fake_score": {"importance": {"bins": 4}}},
    "sid_legacy": {"generator": {"weight": {"kind": "sid_legacy"}}},
    "flow": {
        "noise": {"kind": "flow"},
        "generator": {"times": {"kind": "logit_normal"}, "weight": {"kind": "complement"}},
    },
    "fixed": FIXED,
    "lora": {**TRAINED, "generator": LORA, "fake_score": LORA},
    "bfloat16": {"precision": "bfloat16"},
    "float16": {"precision": "float16"},
    "recomputed": {"compute": {"checkpoint_activations": True}},
    "dropout": {"generator": {"dropout": 0.1}, "fake_score": {"dropout": 0.1}},
    "shared": {"batch": {"latents": 32, "shared": True}},
    "reverse_kl": {"loss": {"kind": "reverse_kl"}},
    "kd": {"method": {"kind": "kd", "pairs": 256, "steps": 4}},
    "gan": {"method": {"kind": "gan"}},
    "dde": {**FIXED, "method": {"kind": "dde", "warmup_steps": 3}},
    "progressive": {**TRAINED, "method": {"kind": "progressive", "start_steps": 4}},
    "ancestral": {"method": {"kind": "teacher", "solver": "ancestral", "steps": 5}},
    "ddim": {**TRAINED, "method": {"kind": "teacher", "solver": "ddim", "steps": 5}},
    "heun": {"method": {"kind": "teacher", "solver": "heun", "steps": 5}},
}
CORE = ("sid", "flow", "lora", "float16", "shared", "kd", "gan", "dde", "progressive", "ddim")
"""Those that the fast tests train: the ways to train, and what touches many of their lines."""
PLAIN_TEACHERS = ("ancestral", "ddim", "heun")
TRAINED_METHODS = [name for name in METHODS if name not in PLAIN_TEACHERS]
SHARED_OUT = [name for name in TRAINED_METHODS if name != "dropout"]
"""Those that workers and passes share; what dropout takes away depends on the passes."""
IN_PASSES = ("sid", "importance", "dde", "shared")
"""Those that two workers train in several passes too."""
RESUMED = ("sid", "importance", "float16", "gan", "dde")
"""Those that two workers take up again from the state of the first."""
TOLERANCES = {"bfloat16": 2e-2, "float16": 2e-2, "gan": 1e-4}
"""Relative error of a sum in another order: half precision, and a game that amplifies it."""


def tiered(names: Iterable[str]) -> list[Any]:
    """For `parametrize`: those beside the core are for the slow tests."""
    return [own if own in CORE else pytest.param(own, marks=pytest.mark.slow) for own in names]


EVERY, EVERY_TRAINED = tiered(METHODS), tiered(TRAINED_METHODS)


def small(name: str, **changes: Any) -> Trial:
    """The trial of a method."""
    return Trial.model_validate(BASE | METHODS[name] | changes)


def in_passes(name: str) -> Trial:
    """The same trial, of which no more than three latents pass at once."""
    batch = BASE["batch"] | METHODS[name].get("batch", {})
    return small(name, batch={**batch, "per_worker": 3})


def shown(progress):
    """What of a record is a function of the trial."""
    return (progress.images, progress.outcome, progress.cause, progress.metrics)
