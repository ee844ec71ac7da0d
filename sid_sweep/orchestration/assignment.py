"""What Tune sends to an actor. Light: the driver, which makes it, never loads torch."""

import functools
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sid_sweep.worker.job import Job

from .environment import PATIENT, WORKERS, prepare
from .machine import Layout

if TYPE_CHECKING:
    from ray.tune import PlacementGroupFactory

SLIP = {"memory": 1.0}
"""A byte, which no node lacks and nobody misses: what a trial holds whose workers hold the rest.
Any part of a core could be the one that its own workers wait for."""


@dataclass(frozen=True)
class Assignment:
    """A job, and the processes that do it."""

    job: Job
    layout: Layout
    train_folder: Path
    """Where Ray Train may write what nobody reads."""
    meeting_folder: Path | None
    """Where a group's workers meet, if they are all on this machine; else at an address."""
    directory: Path
    """Where the driver stands: relative paths in a specification begin there."""
    avoided: tuple[str, ...] = ()
    """Ids of nodes that must not be used."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "Assignment":
        """Itself: nothing in it changes, and Tune would keep several copies for each trial."""
        return self

    @property
    def selector(self) -> dict[str, str] | None:
        """Which nodes it may use, as Ray says it; None: all."""
        return selector(self.avoided)

    def settle(self) -> None:
        """Make this process one of the driver's, wherever it was started."""
        prepare(WORKERS | ({} if self.meeting_folder else PATIENT))
        with suppress(FileNotFoundError):  # a machine that lacks it is asked for no relative path
            os.chdir(self.directory)


def selector(avoided: tuple[str, ...]) -> dict[str, str] | None:
    """Nodes but for some, as Ray says it; None: all."""
    return {"ray.io/node-id": f"!in({','.join(avoided)})"} if avoided else None


def reserve(config: dict[str, Any]) -> "PlacementGroupFactory":
    """What Tune holds for the trial of `config`: all of it, or a slip while its own workers hold
    it."""
    own: Assignment = config["assignment"]
    return _reserved(own.layout, own.avoided)


@functools.cache
def _reserved(layout: Layout, avoided: tuple[str, ...]) -> "PlacementGroupFactory":
    """One for all trials that take the same: Tune keeps it with each."""
    from ray.tune import PlacementGroupFactory

    chosen: dict[str, Any] = {}
    if nodes := selector(avoided):
        chosen["bundle_label_selector"] = [nodes]
    return PlacementGroupFactory([layout.bundle if layout.workers == 1 else SLIP], **chosen)
