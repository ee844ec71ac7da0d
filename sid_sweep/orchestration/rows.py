"""A sweep's runs as rows of the tidy table: one per evaluation, one for a run that has none."""

from collections.abc import Iterable
from typing import Any

from .events import Run
from .folder import Record, Result


def rows(sweep: str, runs: Iterable[Run]) -> list[dict[str, Any]]:
    """All rows of `runs`, in their order."""
    return [row for run in runs for row in run_rows(sweep, run)]


def run_rows(sweep: str, run: Run) -> list[dict[str, Any]]:
    """The rows of one run; the last one is final and says how it ended."""
    records, result = run.folder.records(), run.folder.result()
    cause = result.cause if result else run.folder.failure()
    if result is None:
        result = Result("failed" if cause else "running", cause, 0, 0.0, 0)
    if not records or (result.outcome == "diverged" and result.images > records[-1].images):
        end = records[-1] if records else Record(0, 0.0, 0, {}, 0)
        peak = max(result.peak_memory_bytes, end.peak_memory_bytes)
        images, seconds = max(result.images, end.images), max(result.seconds, end.seconds)
        records = [*records, Record(images, seconds, peak, {}, 0)]
    return [
        {
            "sweep": sweep,
            "arm": run.arm,
            "seed": run.seed,
            "trial": run.digest,
            "run_id": "",
            "outcome": result.outcome,
            "cause": result.cause,
            "images": record.images,
            "seconds": record.seconds,
            "peak_memory_bytes": float(record.peak_memory_bytes),
            "final": record is records[-1],
            **{f"param.{knob}": value for knob, value in run.values.items()},
            **{f"metric.{name}": value for name, value in record.metrics.items()},
        }
        for record in records
    ]
