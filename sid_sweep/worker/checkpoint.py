"""Checkpoints in the background: training waits for a copy in memory, not for the disk.

Each says which trial it is of, and which measurements came before it: it is of no use to another
trial, or without their measurements (`sid_sweep.trials.mend.check_checkpoint`).
"""

import pickle
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from sid_sweep.archives import stamp
from sid_sweep.distill import Progress
from sid_sweep.files import Damaged, forget_partial, replacing
from sid_sweep.spec import Trial, digest
from sid_sweep.trials import TrialFolder
from sid_sweep.trials.mend import check_checkpoint, sum_of


class Checkpoints:
    """Where a trial stands, on the disk every `seconds`; whole or absent, one write at a time."""

    def __init__(self, folder: TrialFolder, trial: Trial, *, seconds: float) -> None:
        """
        Args:
            trial: whose they are.
            seconds: least time between two. A write that takes longer delays the next and not
                training; at 0 there is one after every look, and training waits for each.
        """
        self._folder, self._seconds, self._name = folder, seconds, digest(trial)
        self._began = time.monotonic()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    def save_if_due(self, progress: Progress) -> None:
        """Copy what training depends on and have it written.

        Raises:
            OSError: the last one could not be written.
        """
        if self._seconds == 0:
            self.wait()
        busy = self._writing is not None and not self._writing.done()
        if busy or time.monotonic() - self._began < self._seconds:
            return
        self.wait()
        self._began = time.monotonic()
        words = {
            "trial": self._name,
            "images": progress.images,
            "measured": sum_of(self._folder.measurements()),
        }
        state = copied(progress.state())
        self._writing = self._thread.submit(_write, self._folder, words, state)

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


def _write(folder: TrialFolder, words: dict[str, Any], state: dict[str, Any]) -> None:
    """Tensors and numbers only."""
    with replacing(folder.checkpoint) as partial:
        torch.save(state, partial)
        stamp(partial, words)


def restore(
    folder: TrialFolder, trial: Trial, *, device: torch.device | str
) -> tuple[int, dict[str, Any]] | None:
    """The images and the state of a trial's checkpoint; None where there is none.

    Raises:
        Damaged: it is not whole, or of another trial.
    """
    if not folder.checkpoint.exists():
        return None
    images = check_checkpoint(folder.checkpoint, digest(trial), folder.measurements())
    try:
        return images, torch.load(folder.checkpoint, map_location=device, weights_only=True)
    except pickle.UnpicklingError:
        raise Damaged(folder.checkpoint, "holds more than tensors and numbers") from None
