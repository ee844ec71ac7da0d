"""Checkpoints in the background: training waits for a copy in memory, not for the disk.

Each says which trial it is of, and holds the evaluations that came before it. There is one at every
evaluation, which comes into the log, and before anybody's eyes, once its checkpoint is whole: what
was seen is never made again.
"""

import pickle
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from sid_sweep.archives import stamp
from sid_sweep.distill import Progress
from sid_sweep.files import Damaged, forget_partial, replacing
from sid_sweep.spec import Trial, digest
from sid_sweep.trials import Measurement, TrialFolder
from sid_sweep.trials.folder import Moment
from sid_sweep.trials.mend import moment_of


class Checkpoints:
    """Where a trial stands, on the disk at every evaluation and every `seconds`; whole or absent,
    one write at a time."""

    def __init__(self, folder: TrialFolder, trial: Trial, *, seconds: float) -> None:
        """
        Args:
            folder: its log has what the trial has come to so far.
            trial: whose they are.
            seconds: least time between two, but for those of evaluations. A write that takes longer
                delays the next and not training; at 0 there is one after every look, and training
                waits for each.
        """
        self._folder, self._seconds, self._name = folder, seconds, digest(trial)
        self._measured = folder.measurements()
        self._num_told = max(0, len(self._measured) - 1)  # the last one may not have been told
        self._began = time.monotonic()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    def save(self, progress: Progress, measurement: Measurement | None = None) -> None:
        """Copy what training depends on and have it written, if it is due.

        Args:
            measurement: of an evaluation, with which it always is; then training waits for the one
                before.

        Raises:
            OSError: the last one could not be written.
        """
        is_due = measurement is not None or time.monotonic() - self._began >= self._seconds
        can_wait = measurement is None and self._seconds > 0
        if not is_due or (can_wait and self._is_writing()):
            return
        self.wait()
        self._began = time.monotonic()
        known = [*self._measured, measurement] if measurement else [*self._measured]
        moment = Moment(trial=self._name, measured=known)
        state = copied(progress.state())
        self._writing = self._thread.submit(self._write_and_show, moment, state, measurement)
        if self._seconds == 0:
            self.wait()

    def _write_and_show(
        self, moment: Moment, state: dict[str, Any], measurement: Measurement | None
    ) -> None:
        _write(self._folder, moment, state)
        if measurement is not None:
            self.show(measurement)

    def show(self, measurement: Measurement) -> None:
        """Have the log hold an evaluation that will last."""
        self._folder.append(measurement)
        self._measured.append(measurement)

    def shown(self) -> list[Measurement]:
        """What the log holds since the last call; at first, what it held last."""
        new = self._measured[self._num_told :]
        self._num_told += len(new)
        return new

    def _is_writing(self) -> bool:
        return self._writing is not None and not self._writing.done()

    def wait(self) -> None:
        """Until nothing is being written; raises what a write has raised."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    @contextmanager
    def open(self) -> Iterator["Checkpoints"]:
        """Within, checkpoints are written; afterwards the last one is whole, even where the trial
        was interrupted or failed.

        Raises:
            OSError: the last one could not be written.
        """
        forget_partial(self._folder.checkpoint)
        with self._thread:
            try:
                yield self
            except BaseException as error:
                try:
                    self.wait()
                except OSError as unwritten:
                    error.add_note(f"nor could its checkpoint be written: {unwritten}")
                raise
            self.wait()


def copied(state: Any) -> Any:
    """The same on the CPU, in memory of its own: training goes on in the tensors themselves."""
    copies = _copied(state)
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()  # the copies are under way until then
    return copies


def _copied(state: Any) -> Any:
    match state:
        case Tensor():
            pinned = state.device.type == "cuda"  # what is not is copied at half the speed
            own = torch.empty_like(state, device="cpu", pin_memory=pinned)
            return own.copy_(state.detach(), non_blocking=pinned)
        case dict():
            return {key: _copied(value) for key, value in state.items()}
        case list() | tuple():
            return [_copied(value) for value in state]
    return state


def _write(folder: TrialFolder, moment: Moment, state: dict[str, Any]) -> None:
    """Tensors and numbers only."""
    with replacing(folder.checkpoint) as partial:
        torch.save(state, partial)
        stamp(partial, asdict(moment))


def restore(
    folder: TrialFolder, trial: Trial, *, device: torch.device | str
) -> tuple[list[Measurement], dict[str, Any]] | None:
    """The evaluations before a trial's checkpoint, and the state in it; None where there is none.

    Raises:
        Damaged: it is not whole, or of another trial.
    """
    if not folder.checkpoint.exists():
        return None
    moment = moment_of(folder.checkpoint, digest(trial))
    try:
        state = torch.load(folder.checkpoint, map_location=device, weights_only=True)
    except pickle.UnpicklingError:
        raise Damaged(folder.checkpoint, "holds more than tensors and numbers") from None
    return moment.measured, state
