"""A trial's folder: everything that it leaves, each file whole or absent.

trial.json              its specification
host.json               what its last attempt was computed on
references.json         what its metrics are relative to
measurements.jsonl      a line per evaluation: images, seconds, metrics; the last may be the end
samples/<images>.png    the picture of an evaluation
checkpoint.pt           where it stands, while it is not done
generator.safetensors   the student, once finished
result.json             how it ended: finished, diverged or collapsed
pruned.json             why its arm was given up; from then on it trains no further
failure.json            why its last attempt failed; it is tried again by the next run
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, with_config

from sid_sweep.files import Damaged, append_line, write_json, write_lines
from sid_sweep.spec import SETTLED, Outcome, Trial, plain

from .checked import STRICT, read, read_each, words
from .host import Host

LOG = "measurements.jsonl"
STUDENT = "generator.safetensors"
HOST = "host.json"


@with_config(STRICT)
@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one evaluation found."""

    images: int
    seconds: float
    peak_memory_bytes: int
    metrics: dict[str, float]
    timestamp_ms: int
    """When, since 1970; the trackers' clock."""
    system: dict[str, float] = field(default_factory=dict)
    """How busy the trial kept its machine since the evaluation before, by the names of MLflow."""
    outcome: Outcome = "running"
    """What the trial was with it: running, finished or collapsed."""
    cause: str = ""


@with_config(STRICT)
@dataclass(frozen=True, kw_only=True)
class Moment:
    """What a checkpoint holds, beside the state of training: enough to go on without the log."""

    trial: str
    """Its digest."""
    measured: list[Measurement]
    """All evaluations up to then."""


@with_config(STRICT)
@dataclass(frozen=True, kw_only=True)
class Result:
    """How a trial stands. `metrics` are those of its last evaluation, once it has finished."""

    outcome: Outcome
    cause: str = ""
    images: int = 0
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def is_end(self) -> bool:
        """Whether the trial is done for this run of the sweep."""
        return self.outcome != "running"


MEASUREMENT, MOMENT, RESULT = TypeAdapter(Measurement), TypeAdapter(Moment), TypeAdapter(Result)
HOST_RECORD = TypeAdapter(Host)
VALUES, FIGURES = words(dict[str, Any]), words(dict[str, float])
FAILURE = words(dict[Literal["cause", "traceback"], str])
REASON = words(dict[Literal["cause"], str])


def end_with(last: Measurement) -> Result | None:
    """The end that a trial came to with an evaluation; None where it went on."""
    if last.outcome == "running":
        return None
    spent = {key: getattr(last, key) for key in ("images", "seconds", "peak_memory_bytes")}
    metrics = last.metrics if last.outcome == "finished" else {}
    return Result(outcome=last.outcome, cause=last.cause, metrics=metrics, **spent)


def disagreement(result: Result, measured: Sequence[Measurement]) -> str:
    """Why a result and the evaluations beside it are not of one run; "" if they are."""
    last = measured[-1] if measured else None
    if result.outcome == "finished" and last is None:
        return "it is finished, and no evaluation is there"
    if last and result.images < last.images:
        return f"it ended at {result.images} images, and was evaluated at {last.images}"
    if result.outcome == "finished" and last:
        own = (result.images, result.seconds, result.metrics)
        if own != (last.images, last.seconds, last.metrics):
            return "its last evaluation is not that of its result"
    return ""


@dataclass(frozen=True)
class TrialFolder:
    """The files of one trial by their meaning."""

    path: Path

    def resolved(self) -> "TrialFolder":
        """The same folder, wherever a process stands."""
        return TrialFolder(self.path.resolve())

    # ---- what the worker writes

    def begin(self, trial: Trial, *, measured: Sequence[Measurement] = ()) -> None:
        """A new attempt, after the evaluations that its checkpoint holds; others are made again."""
        write_json(self.specification, plain(trial))
        self.failure.unlink(missing_ok=True)
        self.student.unlink(missing_ok=True)
        self.write_log(measured)

    def write_log(self, measured: Sequence[Measurement]) -> None:
        """Have the log hold these evaluations."""
        write_lines(self.log, [asdict(own) for own in measured])

    def write_host(self, host: Host) -> None:
        """Note what this attempt is computed on."""
        write_json(self.machine, asdict(host))

    def append(self, measurement: Measurement) -> None:
        """Add an evaluation."""
        append_line(self.log, asdict(measurement))

    def write_result(self, result: Result) -> None:
        """Declare the trial done; from here on it is never run again."""
        write_json(self.ending, asdict(result))
        self.pruning.unlink(missing_ok=True)  # it came to its end before it was told
        self.forget_attempts()

    def forget_attempts(self) -> None:
        """What only a trial without an end needs."""
        self.checkpoint.unlink(missing_ok=True)
        self.failure.unlink(missing_ok=True)

    def write_failure(self, cause: str, *, traceback: str) -> None:
        """Note why an attempt failed."""
        write_json(self.failure, {"cause": cause, "traceback": traceback})

    # ---- what the command writes while the worker trains

    def prune(self, cause: str) -> None:
        """Give its arm up: the worker stops where it sees this, and nobody runs it again."""
        write_json(self.pruning, {"cause": cause})

    # ---- what all others read; what is damaged raises Damaged

    def has_begun(self) -> bool:
        """Whether an attempt has left anything here."""
        if self.path.is_file():
            raise Damaged(self.path, "is a file, not a folder")
        return self.specification.exists() or self.failure.exists()

    def values(self) -> dict[str, Any]:
        """Its specification as it was recorded; another version of it may not be valid now."""
        return read(VALUES, self.specification)

    def host(self) -> Host | None:
        """What its last attempt was computed on; None where nobody noted it."""
        return read(HOST_RECORD, self.machine) if self.machine.exists() else None

    def measurements(self) -> list[Measurement]:
        """All evaluations so far; a last line cut short by a kill is not one."""
        return read_each(MEASUREMENT, self.log)

    def result(self) -> Result | None:
        """Its lasting end, one of SETTLED; None while there is none."""
        if self.ending.exists():
            result = read(RESULT, self.ending)
            if result.outcome == "pruned" or result.outcome not in SETTLED:
                raise Damaged(self.ending, f"outcome: {result.outcome} is no end of a trial")
            return result
        if self.pruning.exists():
            return self._so_far("pruned", read(REASON, self.pruning)["cause"])
        return None

    def unwritten_end(self) -> Result | None:
        """The end that a trial has come to by its log, written down or not: its last evaluation
        says so, and the student that it needs was there before."""
        measured = self.measurements()
        end = end_with(measured[-1]) if measured else None
        is_whole = end is not None and (end.outcome != "finished" or self.student.exists())
        return end if is_whole else None

    def standards(self) -> dict[str, float]:
        """What its metrics are relative to; {} where nobody noted it."""
        return read(FIGURES, self.references) if self.references.exists() else {}

    def failed(self) -> str | None:
        """Why its last attempt failed; None if it has not."""
        return read(FAILURE, self.failure)["cause"] if self.failure.exists() else None

    def standing(self) -> Result:
        """How the trial stands: its lasting end, else its last attempt's failure, else running."""
        if (result := self.result()) is not None:
            return result
        cause = self.failed()
        return self._so_far("running" if cause is None else "failed", cause or "")

    def _so_far(self, outcome: Outcome, cause: str) -> Result:
        """Without an end of its own it stands where it was evaluated last."""
        measurements = self.measurements()
        last = measurements[-1] if measurements else None
        return Result(
            outcome=outcome,
            cause=cause,
            images=last.images if last else 0,
            seconds=last.seconds if last else 0.0,
            peak_memory_bytes=last.peak_memory_bytes if last else 0,
        )

    def is_interrupted(self) -> bool:
        """Whether it was begun and has neither an end nor a failure."""
        ends = (self.ending, self.pruning, self.failure)
        return self.specification.exists() and not any(path.exists() for path in ends)

    def pictures(self) -> list[tuple[int, Path]]:
        """All pictures with their images, in order."""
        found = sorted(self.samples.glob("[0-9]*.png"))
        return [(int(path.stem), path) for path in found if path.stem.isdecimal()]

    def exports(self) -> list[Path]:
        """What an ended trial leaves for others, beside what went wrong."""
        paths = (self.log, self.references, self.machine, self.student)
        return [path for path in paths if path.exists()]

    # ---- paths

    @property
    def specification(self) -> Path:
        return self.path / "trial.json"

    @property
    def references(self) -> Path:
        return self.path / "references.json"

    @property
    def log(self) -> Path:
        return self.path / LOG

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.pt"

    @property
    def student(self) -> Path:
        return self.path / STUDENT

    @property
    def ending(self) -> Path:
        return self.path / "result.json"

    @property
    def pruning(self) -> Path:
        return self.path / "pruned.json"

    @property
    def failure(self) -> Path:
        return self.path / "failure.json"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    def picture(self, images: int) -> Path:
        """The picture of the evaluation at `images`."""
        return self.samples / f"{images:012d}.png"

    @property
    def machine(self) -> Path:
        return self.path / HOST
