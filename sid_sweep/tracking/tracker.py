"""Sends what happens to a store from a thread of its own, so that none can slow or stop training.

The buffer is the sweep's folder: what could not be sent now is sent later, or by the next run. What
a store is made of is a `Mirror`'s business; a new one needs nothing here.
"""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol

from sid_sweep.trials import Entry, Result

from .client import redact

RETRY_SECONDS = 5.0
PATIENCE_SECONDS = 40.0  # at the end, for a store that takes nothing any more
MAX_FAILURES = 2  # in a row, after which nothing more is tried at the end
INTERRUPTED_SECONDS = 10.0  # to close what is open, for somebody who pressed Ctrl-C
POLL_SECONDS = 0.2


class Mirror(Protocol):
    """Makes a store equal to a sweep's folders. Each call may raise, and is then made again."""

    @property
    def hint(self) -> str:
        """How to look at it: a command, an address."""
        ...

    def show(self, entry: Entry) -> None:
        """Send what a trial has written since the last time."""

    def end(self, entry: Entry, result: Result) -> None:
        """Send the rest of a trial, and how it ended."""

    def interrupt(self) -> None:
        """Nothing may look as if it were still going on."""

    def conclude(self, report: str, *, failed: bool) -> None:
        """All trials have an end: keep the comparison, in Markdown."""


Task = Callable[[Mirror], None]


class Tracker(AbstractContextManager["Tracker"]):
    """A watcher that feeds a mirror."""

    def __init__(self, open_mirror: Callable[[], Mirror], *, store: str, hint: str) -> None:
        """
        Args:
            open_mirror: called in the thread, again and again until it succeeds.
            store: its name for the user, without secrets.
            hint: how to look at it, as long as it could not be reached.
        """
        self.store = store
        self.unsent = 0
        """After the end: things that could not be sent."""
        self.trouble = ""
        """Why not."""
        self._hint = hint
        self._open_mirror = open_mirror
        self._mirror: Mirror | None = None
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._done = self._given = self._failures = 0
        self._thread = threading.Thread(target=self._work, name="tracker", daemon=True)

    def __enter__(self) -> "Tracker":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.interrupted()
            self.drain(patience=INTERRUPTED_SECONDS)
        self._closing.set()
        self._tasks.put(None)
        self._thread.join(RETRY_SECONDS if self.pending else None)
        if self._thread.is_alive():
            self.unsent += self.pending
            self.trouble = self.trouble or "it answers too slowly"

    @property
    def pending(self) -> int:
        """Things that are still to be sent."""
        return self._given - self._done

    @property
    def hint(self) -> str:
        """How to look at what was sent."""
        return self._mirror.hint if self._mirror is not None else self._hint

    def drain(
        self, *, patience: float = PATIENCE_SECONDS, show: Callable[[int], None] = lambda left: None
    ) -> None:
        """Wait until all is sent, or until nothing could be sent for `patience` seconds; what fails
        from now on is not tried again.

        Args:
            show: called with what is left, several times a second; may raise to stop waiting.
        """
        self._failures = 0
        self._closing.set()
        left, since = self.pending, time.monotonic()
        while self.pending and time.monotonic() - since < patience:
            if self.pending < left:
                left, since = self.pending, time.monotonic()
            show(left)
            time.sleep(POLL_SECONDS)

    # ---- events

    def started(self, entry: Entry) -> None:
        self._give(lambda mirror: mirror.show(entry))

    def progressed(self, entry: Entry, images: int, metrics: dict[str, float]) -> None:
        self._give(lambda mirror: mirror.show(entry))

    def ended(self, entry: Entry, result: Result) -> None:
        self._give(lambda mirror: mirror.end(entry, result))

    def interrupted(self) -> None:
        self._give(lambda mirror: mirror.interrupt())

    def concluded(self, report: str, *, failed: bool) -> None:
        self._give(lambda mirror: mirror.conclude(report, failed=failed))

    def _give(self, task: Task) -> None:
        self._given += 1
        self._tasks.put(task)

    # ---- the thread

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            self._do(task)
            self._done += 1

    def _do(self, task: Task) -> None:
        """Do it, again and again while there is time; else count it as unsent."""
        while not (self._closing.is_set() and self._failures >= MAX_FAILURES):
            try:
                self._mirror = self._mirror or self._open_mirror()
                task(self._mirror)
            except Exception as error:  # whatever a server, a database or a disk can do
                self._failures += 1
                lines = str(error).strip().splitlines() or [type(error).__name__]
                self.trouble = redact(lines[0])
                self._closing.wait(RETRY_SECONDS)
            else:
                self._failures = 0
                return
        self.unsent += 1
