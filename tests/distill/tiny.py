"""A trial small enough to run many times: 40 steps of 16 + 16 latents on the ring."""

from pathlib import Path
from typing import Any

from sid_sweep.distill import distill
from sid_sweep.spec import Trial
from sid_sweep.spec.sweep import assign

STEPS, IMAGES_PER_STEP = 40, 16


def tiny(**changes: Any) -> Trial:
    """The trial, with knobs changed by their path, `__` for a dot."""
    values: dict[str, Any] = {
        "data": {"kind": "mixture"},
        "generator": {"init": {"net": {"width": 16}}, "optim": {"warmup_images": 64}},
        "fake_score": {"init": {"net": {"width": 16}}, "steps": 2},
        "batch": {"latents": 2 * IMAGES_PER_STEP},
        "budget": {"images": STEPS * IMAGES_PER_STEP},
        "evaluation": {"times": 3, "samples": 64},
    }
    for path, value in changes.items():
        assign(values, path.split("__"), value)
    return Trial.model_validate(values)


def records(trial: Trial, **options: Any) -> list:
    """All records of a run. An exact teacher and the ring's judge need no cache."""
    return list(distill(trial, cache=Path("/nonexistent"), **options))
