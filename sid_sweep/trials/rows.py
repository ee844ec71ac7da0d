"""A sweep's trials as rows of the tidy table: one per evaluation, one for a trial without any.

This is the one place that makes rows: from folders, or from what a tracker keeps of them.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from .folder import Measurement, Result
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


def rows(
    place: dict[str, Any],
    params: dict[str, Any],
    standing: Result,
    measurements: Sequence[Measurement],
) -> list[dict[str, Any]]:
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
    return [
        {
            **common,
            "images": own.images,
            "seconds": own.seconds,
            "peak_memory_bytes": float(own.peak_memory_bytes),
            "final": own is shown[-1],
            **dict(zip(map(_metric, own.metrics), own.metrics.values(), strict=True)),
        }
        for own in shown
    ]


@cache
def _metric(name: str) -> str:
    """The column of a metric: one string for all of its rows, which are many."""
    return f"metric.{name}"


def rows_of(
    sweep: str, entries: Iterable[Entry], run_ids: dict[str, str] | None = None
) -> list[dict[str, Any]]:
    """The rows of all trials that have begun.

    Args:
        run_ids: a tracker's run of each entry, by `Entry.key`.
    """
    found = []
    for entry in entries:
        if not entry.folder.has_begun():
            continue
        place = {
            "sweep": sweep,
            "arm": entry.number,
            "seed": entry.seed,
            "trial": entry.folder.path.name,
            "run_id": (run_ids or {}).get(entry.key, ""),
        }
        found += rows(place, dict(entry.arm), entry.folder.standing(), entry.folder.measurements())
    return found
