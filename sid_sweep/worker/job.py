"""What a worker is sent. Light: whoever sends it loads no torch."""

from dataclasses import dataclass
from pathlib import Path

from sid_sweep.spec import Trial
from sid_sweep.trials import TrialFolder


@dataclass(frozen=True, kw_only=True)
class Job:
    """A trial, where its files lie, and what the worker may take."""

    trial: Trial
    folder: TrialFolder
    cache: Path
    """Folder of trained teachers and judges."""
    checkpoint_seconds: float
    """Least time between two checkpoints."""
    threads: int
    data_picture: Path | None = None
    """Where real images are drawn, to look at beside the student's; None: nowhere."""
