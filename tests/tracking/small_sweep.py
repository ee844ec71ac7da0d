"""A small sweep whose trials are written by hand, and an MLflow of its own, for all tests of
tracking."""

import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from sqlalchemy import Engine, event

from sid_sweep.files import write_json
from sid_sweep.spec import Sweep, plain
from sid_sweep.tensors import write_tensors
from sid_sweep.tracking.client import connect
from sid_sweep.tracking.identity import identity
from sid_sweep.tracking.mlflow_mirror import MlflowMirror, cursor_of
from sid_sweep.tracking.showcase import Exhibit
from sid_sweep.trials import Entry, Measurement, Result, SweepFolder, TrialFolder, agreement

NAME = "small"
CAUSE = "generator loss is not finite"
BEGAN_MS = 1_700_000_000_000
DATABASE = "mlflow.db"

# ---- the sweep and its folder


def sweep(*, seeds: tuple[int, ...] | dict[str, Any] = (0, 1), **changes: Any) -> Sweep:
    """Two arms, λ = ½ and λ = 1."""
    values = {
        "sweep": NAME,
        "question": "Which λ distils best?",
        "objective": {"metric": "js"},
        "seeds": seeds if isinstance(seeds, dict) else list(seeds),
        "scientific": {"loss.lambda": {"choice": [0.5, 1.0]}},
        "fixed": {"data": {"kind": "mixture"}},
    }
    return Sweep.model_validate(values | changes)


def folder_of(sweep: Sweep, root: Path) -> SweepFolder:
    """The sweep's folder below `root`, with all arms asked for and no trial begun."""
    folder = SweepFolder(root / "sweeps" / sweep.sweep)
    agreement.agree(folder, sweep)
    known = folder.arms()
    for arm in sweep.grid():
        if arm not in known:
            folder.append_arm(arm)
    return folder


# ---- what a worker writes


def measurement(entry: Entry, images: int, *, later_ms: int = 0) -> Measurement:
    """Figures that no decimal holds exactly, different for every arm, seed and evaluation.

    Args:
        later_ms: how much later it was than it would have been undisturbed.
    """
    value = (1 + entry.number + 2 * entry.seed) / (images + 3)
    return Measurement(
        images=images,
        seconds=images / 7,
        peak_memory_bytes=2**29 + images,
        metrics={"js": value, "off_modes": 0.1, "mode_kl": 0.01, "modes": 8.0},
        timestamp_ms=BEGAN_MS + images + later_ms,
        system={"cpu_utilization_percentage": 90.0 + entry.seed},
    )


def train(entry: Entry, *evaluations: int, after: int = -1, later_ms: int = 0) -> None:
    """An attempt that was evaluated at these images, each time with a picture.

    Args:
        after: where its checkpoint stood; -1: it had none.
        later_ms: as of a measurement.
    """
    held = [own for own in entry.folder.measurements() if own.images <= after]
    entry.folder.begin(entry.trial, measured=held)
    write_json(entry.folder.references, {"sw2": 0.1})
    for images in evaluations:
        path = entry.folder.picture(images)
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (3, 2), (entry.number, entry.seed, images % 256)).save(path)
        entry.folder.append(measurement(entry, images, later_ms=later_ms))


def finish(entry: Entry, *evaluations: int) -> Result:
    """A trial that spent its budget."""
    train(entry, *evaluations)
    words = {"trial": plain(entry.trial)}
    write_tensors(entry.folder.student, weights_of(entry), words)
    last = measurement(entry, evaluations[-1])
    return _end(
        entry.folder,
        Result(
            outcome="finished",
            images=last.images,
            seconds=last.seconds,
            peak_memory_bytes=last.peak_memory_bytes,
            metrics=last.metrics,
        ),
    )


def weights_of(entry: Entry) -> dict[str, torch.Tensor]:
    """Of its student: no other trial's."""
    return {"weight": torch.tensor([entry.number, entry.seed], dtype=torch.float32)}


def diverge(entry: Entry, *evaluations: int, at: int) -> Result:
    """A trial that was lost between two evaluations."""
    train(entry, *evaluations)
    return _end(
        entry.folder,
        Result(
            outcome="diverged", cause=CAUSE, images=at, seconds=at / 7, peak_memory_bytes=2**30 + at
        ),
    )


def fail(entry: Entry, *evaluations: int, cause: str = "no memory is left") -> Result:
    """An attempt that broke."""
    train(entry, *evaluations)
    entry.folder.write_failure(cause, traceback=f"Traceback\n{cause}")
    return entry.folder.standing()


def _end(folder: TrialFolder, result: Result) -> Result:
    folder.write_result(result)
    return result


# ---- MLflow


@event.listens_for(Engine, "connect")
def _hurry(connection: Any, record: Any) -> None:
    """A test's store need not outlive a power cut."""
    connection.execute("pragma synchronous = off")


def store_in(folder: Path) -> str:
    """The URI of a new, empty store below `folder`, which must be the current one: MLflow puts its
    files there."""
    path = folder / DATABASE
    path.write_bytes(empty_database())
    return f"sqlite:///{path}"


@cache
def empty_database() -> bytes:
    """A database with MLflow's tables, which take it seconds to make."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / DATABASE
        connect(f"sqlite:///{path}")
        return path.read_bytes()


def open_mirror(
    sweep: Sweep, folder: SweepFolder, uri: str, *, exhibit: Exhibit = dict
) -> MlflowMirror:
    """As the tracker opens it."""
    client = connect(uri)
    cursor = cursor_of(folder, client.tracking_uri)
    known = {"identity": identity(folder), "uri": uri, "exhibit": exhibit}
    return MlflowMirror(client, sweep, cursor, **known)


def mirror_all(mirror: MlflowMirror, folder: SweepFolder) -> None:
    """Tell a mirror of every trial that has begun, as the driver does."""
    for entry in folder.entries(mirror.sweep):
        if entry.folder.has_begun():
            mirror.show(entry)
            if (standing := entry.folder.standing()).is_end:
                mirror.end(entry, standing)


def query(uri: str, statement: str) -> list[Any]:
    """What a store's database says: rows, or values where they have one column."""
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database, database:
        found = database.execute(statement).fetchall()
    return [row[0] if len(row) == 1 else row for row in found]


def count(uri: str, table: str) -> int:
    """How many rows a table has."""
    return query(uri, f"select count(*) from {table}")[0]
