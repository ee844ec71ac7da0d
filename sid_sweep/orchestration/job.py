"""What the driver sends to a worker. Light: the driver itself never loads torch."""

import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sid_sweep.spec import Trial

from .folder import TrialFolder

ECHOES = ("gloo", "nccl", "connection closed by peer", "connection reset")


@dataclass(frozen=True)
class Work:
    """A trial and where its files lie."""

    trial: Trial
    folder: Path
    cache: Path
    checkpoint_seconds: float
    threads: int


@dataclass(frozen=True)
class Placement:
    """Which processes it runs in."""

    workers: int
    cpus_per_worker: int
    gpus_per_worker: float
    train_folder: Path
    """Where Ray Train may write what nobody reads."""


def train_trial(config: dict[str, Any]) -> None:
    """Tune's function: runs the trial of `config`, its "work" in its "placement".

    An exception never leaves it: that would end the actor, whose imports cost seconds. It is noted
    in the trial's folder, and the driver reads it there.
    """
    from ray import tune

    try:
        from .trainable import train  # loads torch, here and not in the driver

        train(config["work"], config["placement"])
    except Exception as error:
        cause, trace = explain(error)
        TrialFolder(config["work"].folder).write_failure(cause, traceback=trace)
    tune.report({"images": 0, "over": True})


def explain(error: BaseException) -> tuple[str, str]:
    """One line and the full traceback of what really went wrong.

    Of a group's failures the first rank that is not an echo counts: when one rank dies, the others
    fail in their next collective.
    """
    failures: dict[int, BaseException] = getattr(error, "worker_failures", None) or {}
    where = ""
    if failures:
        rank = min(failures, key=lambda rank: (_is_echo(failures[rank]), rank))
        error, where = failures[rank], f"rank {rank}: "
    inner = getattr(error, "_base_exc", error)
    lines = str(inner).strip().splitlines()
    trace = getattr(error, "_traceback_str", None) or "".join(traceback.format_exception(error))
    return f"{where}{type(inner).__name__}: {lines[0] if lines else 'no message'}", trace


def _is_echo(error: BaseException) -> bool:
    text = str(error).lower()
    return any(word in text for word in ECHOES)
