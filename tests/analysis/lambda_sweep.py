"""A small sweep over λ with known figures, for all tests of the analysis."""

from typing import Any

import pandas as pd

from analysis.comparison import Comparison, make_comparison
from analysis.frame import tidy
from analysis.question import Question

LAMBDAS = (0.0, 0.5, 1.0, 1.5)
SEEDS = (0, 1, 2)
FINALS: dict[float, tuple[float | None, ...]] = {
    0.0: (27.0, 28.0, 29.0),
    0.5: (1.5, 1.6, 1.7),
    1.0: (1.3, 1.4, 1.5),
    1.5: (2.0, None, None),
}
CAUSE = "generator loss is not finite"


def question(**changes: Any) -> Question:
    """Which λ distils best?"""
    record = {
        "sweep": "lambda",
        "question": "In L2 - λ L1, which λ is best?",
        "metric": "js",
        "goal": "minimize",
        "scientific": ["loss.lambda"],
        "nuisance": [],
        "baseline": {"loss.lambda": 0.5},
        "seeds": list(SEEDS),
        "domains": {"loss.lambda": {"kind": "choice", "values": list(LAMBDAS)}},
        "columns": ["modes"],
    }
    return Question.from_outline(record | changes)


def run_rows(
    arm: int,
    seed: int,
    params: dict[str, Any],
    *,
    final: float | None,
    outcome: str = "finished",
    cause: str = "",
    images: int = 400_000,
) -> list[dict[str, Any]]:
    """Two evaluations; the first is better than the last, so that best-over-time would show."""
    common = {
        "sweep": "lambda",
        "arm": arm,
        "seed": seed,
        "trial": f"{arm:06x}{seed:06x}",
        "run_id": f"run{arm}{seed}",
        "outcome": outcome,
        "cause": cause,
        "peak_memory_bytes": 512.0 * 2**20,
        **{f"param.{knob}": value for knob, value in params.items()},
    }
    metrics = {"metric.js": final, "metric.modes": 8.0} if final is not None else {}
    early = {"metric.js": 0.5, "metric.modes": 7.0}
    return [
        {**common, "images": images // 2, "seconds": 4.5, "final": False, **early},
        {**common, "images": images, "seconds": 9.0 + arm, "final": True, **metrics},
    ]


def sweep_of(finals: dict[float, tuple[float | None, ...]]) -> list[dict[str, Any]]:
    """Rows of a λ sweep: by λ, the final metric of each seed; None where the run diverged."""
    found = []
    for arm, (value, metrics) in enumerate(finals.items()):
        for seed, final in enumerate(metrics):
            lost = {"outcome": "diverged", "cause": CAUSE} if final is None else {}
            found += run_rows(arm, seed, {"loss.lambda": value}, final=final, **lost)
    return found


def rows() -> list[dict[str, Any]]:
    """All runs of the sweep."""
    return sweep_of(FINALS)


def frame() -> pd.DataFrame:
    """The sweep's tidy frame."""
    return tidy(rows(), question())


def report_of(rows: Any, question: Question) -> Comparison:
    """From rows, not yet tidy."""
    return make_comparison(tidy(rows, question), question)
