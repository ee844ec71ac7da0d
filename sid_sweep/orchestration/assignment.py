"""What Tune sends to an actor. Light: the driver, which makes it, never loads torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sid_sweep.worker.job import Job

from .machine import Layout


@dataclass(frozen=True)
class Assignment:
    """A job, and the processes that do it."""

    job: Job
    layout: Layout
    train_folder: Path
    """Where Ray Train may write what nobody reads."""
    meeting_folder: Path | None
    """Where a group's workers meet, if they are all on this machine; else at an address."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "Assignment":
        """Itself: nothing in it changes, and Tune would keep several copies for each trial."""
        return self
