"""A sweep's trials as rows of the tidy table: one per evaluation, one for a trial without any.

This is the one place that makes rows: from folders, or from what a tracker keeps of them.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from sid_sweep.files import Damaged
from sid_sweep.spec import SETTLED

from .folder import Measurement, Result, TrialFolder, disagreement
from .sweep_folder import Entry

COLUMNS = {
    "sweep": "str",
    "arm": "int64",
    "seed": "int64",
    "trial": "str",
    "run_id": "str",
    "outcome": "str",
    "cause": "str",
    "images": "int64",
    "seconds": "float64",
    "peak_memory_bytes": "float64",
    "final": "bool",
}
"""The columns that every row has, with their types; `param.<knob>` and `metric.<name>` follow."""

Columns = dict[str, list[Any] | np.ndarray]
"""Rows as they are kept, column by column: a large sweep has millions of cells. What was measured
is an array, NaN where a row has no such metric; other columns have None there."""


def rows(
    place: dict[str, Any],
    params: dict[str, Any],
    standing: Result,
    measurements: Sequence[Measurement],
) -> Columns:
    """The rows of one trial; the last one is final and says how the trial stands.

    Args:
        place: `sweep`, `arm`, `seed`, `trial` and `run_id`.
        params: values of the swept knobs.
    """
    shown = list(measurements)
    if not shown or standing.images > shown[-1].images:  # it diverged between two evaluations
        end = {k: getattr(standing, k) for k in ("images", "seconds", "peak_memory_bytes")}
        shown.append(Measurement(**end, metrics={}, timestamp_ms=0))
    common = {
        **place,
        "outcome": standing.outcome,
        "cause": standing.cause,
        **{f"param.{knob}": value for knob, value in params.items()},
    }
    return {
        **{name: [value] * len(shown) for name, value in common.items()},
        "images": [own.images for own in shown],
        "seconds": [own.seconds for own in shown],
        "peak_memory_bytes": [float(own.peak_memory_bytes) for own in shown],
        "final": [False] * (len(shown) - 1) + [True],
        **_metrics([own.metrics for own in shown]),
    }


def _metrics(evaluations: Sequence[dict[str, float]]) -> Columns:
    """A column for each metric that any evaluation has."""
    blank = dict.fromkeys(chain.from_iterable(evaluations), np.nan)
    cells = np.array([list((blank | own).values()) for own in evaluations], float)
    return {f"metric.{name}": column for name, column in zip(blank, cells.T, strict=True)}


def stacked(parts: Iterable[Columns]) -> Columns:
    """Rows below rows; what a part lacks is blank there."""
    parts = list(parts)
    return {name: _stacked(parts, name) for name in dict.fromkeys(chain.from_iterable(parts))}


def _stacked(parts: Sequence[Columns], name: str) -> list[Any] | np.ndarray:
    """One column of all parts."""
    measured = name.startswith("metric.")
    blank = np.nan if measured else None
    own = [part.get(name, [blank] * len(part["final"])) for part in parts]
    return np.concatenate(own) if measured else list(chain.from_iterable(own))


def rows_of(sweep: str, entries: Iterable[Entry], run_ids: dict[str, str] | None = None) -> Columns:
    """The rows of all trials that have begun.

    Args:
        run_ids: a tracker's run of each entry, by `Entry.key`.
    """
    return stacked(
        rows(
            {
                "sweep": sweep,
                "arm": entry.number,
                "seed": entry.seed,
                "trial": entry.folder.path.name,
                "run_id": (run_ids or {}).get(entry.key, ""),
            },
            dict(entry.arm),
            *_course(entry.folder),
        )
        for entry in entries
        if entry.folder.has_begun()
    )


def _course(folder: TrialFolder) -> tuple[Result, list[Measurement]]:
    """How a trial stands and what was measured.

    Raises:
        Damaged: its result is not that of its last measurement.
    """
    standing, measured = folder.standing(), folder.measurements()
    has_own_end = standing.outcome in SETTLED and standing.outcome != "pruned"
    if has_own_end and (what := disagreement(standing, measured)):
        raise Damaged(folder.log, what)
    return standing, measured
