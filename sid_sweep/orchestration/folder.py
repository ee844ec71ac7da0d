"""A trial's folder: everything that it leaves, each file whole or absent.

trial.json              its specification
references.json         what its metrics are relative to
records.jsonl           a line per evaluation: images, seconds, metrics
samples/<images>.png    the picture of an evaluation
checkpoint.pt           where it stands, while it is not done
generator.safetensors   the averaged generator, once finished
result.json             how it ended: finished or diverged
failure.json            why its last attempt failed; it is tried again by the next run
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Record:
    """One evaluation."""

    images: int
    seconds: float
    peak_memory_bytes: int
    metrics: dict[str, float]
    timestamp_ms: int
    """When, since 1970; the trackers' clock."""


@dataclass(frozen=True)
class Result:
    """How a trial ended. `metrics` are those of its last evaluation; none if it diverged."""

    outcome: str
    cause: str
    images: int
    seconds: float
    peak_memory_bytes: int
    metrics: dict[str, float] = field(default_factory=dict)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path that becomes `path` when all went well: no reader sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, values: Any) -> None:
    """Write JSON, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", "utf-8")


@dataclass(frozen=True)
class TrialFolder:
    """The files of one trial by their meaning."""

    path: Path

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.pt"

    @property
    def generator(self) -> Path:
        return self.path / "generator.safetensors"

    @property
    def specification(self) -> Path:
        return self.path / "trial.json"

    @property
    def references(self) -> Path:
        return self.path / "references.json"

    def picture(self, images: int) -> Path:
        """The picture of the evaluation at `images`."""
        return self.path / "samples" / f"{images:012d}.png"

    def pictures(self) -> list[tuple[int, Path]]:
        """All pictures with their images, in order."""
        return [(int(p.stem), p) for p in sorted((self.path / "samples").glob("[0-9]*.png"))]

    def result(self) -> Result | None:
        """How the trial ended, or None while it has not."""
        path = self.path / "result.json"
        return Result(**json.loads(path.read_text("utf-8"))) if path.exists() else None

    def write_result(self, result: Result) -> None:
        """Declare the trial done; from here on it is never run again."""
        write_json(self.path / "result.json", asdict(result))
        (self.path / "failure.json").unlink(missing_ok=True)

    def failure(self) -> str:
        """Why the last attempt failed, or ""."""
        path = self.path / "failure.json"
        return json.loads(path.read_text("utf-8"))["cause"] if path.exists() else ""

    def write_failure(self, cause: str, *, traceback: str) -> None:
        """Note why an attempt failed."""
        write_json(self.path / "failure.json", {"cause": cause, "traceback": traceback})

    def records(self) -> list[Record]:
        """All evaluations so far; a last line cut short by a kill is not one."""
        path = self.path / "records.jsonl"
        if not path.exists():
            return []
        lines = path.read_text("utf-8").splitlines(keepends=True)
        return [Record(**json.loads(line)) for line in lines if line.endswith("\n")]

    def append(self, record: Record) -> None:
        """Add an evaluation."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "records.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(record)) + "\n")

    def rewind(self, images: int) -> None:
        """Forget evaluations after `images`: a resumed trial makes them again."""
        kept = [record for record in self.records() if record.images <= images]
        with replacing(self.path / "records.jsonl") as partial:
            partial.write_text(
                "".join(json.dumps(asdict(record)) + "\n" for record in kept), "utf-8"
            )
