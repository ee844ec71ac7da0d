"""Tune's function. Light: the driver, which loads this, never loads torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sid_sweep.worker.job import Job

from .failures import explain
from .machine import Layout


@dataclass(frozen=True)
class Assignment:
    """A job, and the processes that do it."""

    job: Job
    layout: Layout
    train_folder: Path
    """Where Ray Train may write what nobody reads."""


def train_trial(config: dict[str, Any]) -> None:
    """Run the trial of `config`, its "assignment".

    An exception never leaves: that would end the actor, whose imports cost seconds. It is noted in
    the trial's folder, and the driver reads it there.
    """
    from ray import tune

    assignment: Assignment = config["assignment"]
    try:
        from .groups import train  # loads torch, here and not in the driver

        train(assignment)
    except Exception as error:
        cause, trace = explain(error)
        assignment.job.folder.write_failure(cause, traceback=trace)
    tune.report({"images": 0, "over": True})
