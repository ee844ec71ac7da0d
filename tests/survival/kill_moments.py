"""The moments at which to kill: at random, or as soon as a file in the case's folder says so.

A moment is a generator that looks once at each `next` and ends when the moment has come, so that
the caller decides how often to look and when to give up.
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from kill_sweeps import Home

MIGRATED_BYTES = 950_000  # of MLflow's database once it is made
Moment = Iterator[None]


def at_random(home: Home, draw: random.Random, reference: dict[str, float]) -> Moment:
    """Any time of an undisturbed run."""
    yield from _after(draw.uniform(0, reference["seconds"]))


def before_report(home: Home, draw: random.Random, reference: dict[str, float]) -> Moment:
    """A trial has been begun, and has measured nothing."""
    yield from _nth(lambda: _in_trials(home, "trial.json"), draw.randint(1, 3))


def in_checkpoint(home: Home, draw: random.Random, reference: dict[str, float]) -> Moment:
    """A checkpoint is being written."""
    yield from _nth(lambda: _in_trials(home, ".checkpoint.pt.*.tmp"), draw.randint(1, 20))


def at_result(home: Home, draw: random.Random, reference: dict[str, float]) -> Moment:
    """A trial has its result, and the ledger does not know."""
    left = int(reference["trials"]) - len(_in_trials(home, "result.json"))
    yield from _nth(lambda: _in_trials(home, "result.json"), draw.randint(1, max(1, left - 1)))


def in_migration(home: Home, draw: random.Random, reference: dict[str, float]) -> Moment:
    """MLflow makes its tables."""
    wanted = draw.uniform(1, MIGRATED_BYTES)

    def size() -> int:
        files = [*home.user.glob("*mlflow.db*"), *home.temporary.rglob("*.db*")]
        return sum(_size(path) for path in files)

    while size() < wanted:
        yield


def in_teacher(home: Home, draw: random.Random, reference: dict[str, float]) -> Moment:
    """The teacher trains, is being written, or has just been."""
    while not list(home.cache.rglob("*.lock")):
        yield
    if draw.random() < 0.3:
        yield from _nth(lambda: {str(p) for p in home.cache.rglob(".*.tmp")}, 1)
    else:
        yield from _after(draw.uniform(0, reference["teacher_seconds"]))


def in_table(home: Home, draw: random.Random, reference: dict[str, float]) -> Moment:
    """All trials have ended, and the command has not."""
    while len(_in_trials(home, "result.json")) < reference["trials"]:
        yield
    yield from _after(draw.uniform(0, 0.5 * reference["table_seconds"]))


MOMENTS: dict[str, Callable[[Home, random.Random, dict[str, float]], Moment]] = {
    "random": at_random,
    "report": before_report,
    "checkpoint": in_checkpoint,
    "result": at_result,
    "migration": in_migration,
    "teacher": in_teacher,
    "table": in_table,
}


def durations(home: Home, *, began: float, ended: float) -> dict[str, float]:
    """What an undisturbed run took, from its files; the moments are drawn from it."""
    results = [path.stat().st_mtime for path in (home.sweep / "trials").glob("*/result.json")]
    teachers = [path.stat().st_mtime for path in home.cache.rglob("*.safetensors")]
    return {
        "seconds": ended - began,
        "trials": len(results),
        "table_seconds": ended - max(results),
        "teacher_seconds": max(teachers) - began if teachers else 0.0,
    }


def read_durations(home: Home) -> dict[str, float]:
    """What `durations` found of a reference, kept beside it."""
    return json.loads((home.path / "durations.json").read_text())


def _after(seconds: float) -> Moment:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield


def _nth(files: Callable[[], set[str]], num: int) -> Moment:
    """Until a file has newly appeared `num` times."""
    before: set[str] = files()
    while num > 0:
        yield
        now = files()
        num -= len(now - before)
        before = now


def _in_trials(home: Home, pattern: str) -> set[str]:
    return {str(path) for path in (home.sweep / "trials").glob(f"*/{pattern}")}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
