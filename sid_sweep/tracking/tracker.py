"""Sends what happens to a store from a thread of its own, so that none can slow or stop training.

The buffer is the sweep's folder: what could not be sent now is sent later, or by the next run. What
a store is made of is a `Mirror`'s business; a new one needs nothing here.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from sid_sweep.trials import Entry, Result

from .client import reason, remedy

RETRY_SECONDS = 5.0
PATIENCE_SECONDS = 20.0  # at the end, for a store that takes nothing any more
OPENING_SECONDS = 90.0  # at the end, for one that is still being opened: a database is made first
MAX_FAILURES = 2  # in a row, after which nothing more of a kind is tried at the end
INTERRUPTED_SECONDS = 10.0  # to close what is open, for somebody who pressed Ctrl-C
POLL_SECONDS = 0.2
BEGINNING_SECONDS = 30.0  # in which what is known already waits for the first trial to start


class Mirror(Protocol):
    """Makes a store equal to a sweep's folders. Each call may raise, and is then made again."""

    @property
    def hint(self) -> str:
        """How to look at it: a command, an address."""
        ...

    @property
    def is_drawing(self) -> bool:
        """Whether it is at work on something of its own, which takes what it takes."""
        ...

    def show(self, entry: Entry) -> None:
        """Send what a trial has written since the last time."""

    def end(self, entry: Entry, result: Result) -> None:
        """Send the rest of a trial, and how it ended."""

    def interrupt(self, why: str = "") -> None:
        """Nothing may look as if it were still going on. `why`: unless somebody stopped it."""

    def conclude(self, report: str, *, failed: bool) -> None:
        """All trials have an end: keep the comparison, in Markdown."""


@dataclass(frozen=True)
class Task:
    """Something to tell a mirror."""

    tell: Callable[[Mirror], None]
    is_last: bool = False
    """Whether all else comes before it, also what has to be tried again."""


class Tracker(AbstractContextManager["Tracker"]):
    """A watcher that feeds a mirror."""

    def __init__(
        self,
        open_mirror: Callable[[], Mirror],
        *,
        store: str,
        hint: str,
        remarks: Sequence[str] = (),
    ) -> None:
        """
        Args:
            open_mirror: called in the thread, again and again until it succeeds.
            store: its name for the user, without secrets.
            hint: how to look at it, as long as it could not be reached.
            remarks: what the mirror has to say besides, a line each; it may grow.
        """
        self.store = store
        self.unsent = 0
        """After the end: things that could not be sent."""
        self.trouble = ""
        """Why not."""
        self.remarks = remarks
        self._hint = hint
        self._open_mirror = open_mirror
        self._mirror: Mirror | None = None
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._closing, self._begun = threading.Event(), threading.Event()
        self._is_over = self._is_drained = False
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
        self._close()
        self._tasks.put(None)
        waited = POLL_SECONDS if self._is_drained else RETRY_SECONDS
        self._thread.join(waited if self.pending else None)
        if self._thread.is_alive():
            self.unsent += self.pending
            self.trouble = self.trouble or "it answers too slowly"

    @property
    def pending(self) -> int:
        """Things that are still to be sent."""
        return self._given - self._done

    @property
    def remedy(self) -> str:
        """What sends the rest later."""
        return remedy(self.trouble)

    @property
    def hint(self) -> str:
        """How to look at what was sent."""
        return self._mirror.hint if self._mirror is not None else self._hint

    def drain(
        self, *, patience: float | None = None, show: Callable[[int], None] = lambda left: None
    ) -> None:
        """Wait until all is sent, or until nothing could be sent for `patience` seconds; what fails
        from now on is not tried again.

        Args:
            patience: None: as long as suits a store that is open, or is being opened.
            show: called with what is left, several times a second; may raise to stop waiting.
        """
        self._failures = 0
        self._is_drained = True
        self._close()
        left, since = self.pending, time.monotonic()
        while self.pending and time.monotonic() - since < (patience or self._patience):
            if self.pending < left or (self._mirror is not None and self._mirror.is_drawing):
                left, since = self.pending, time.monotonic()
            show(left)
            time.sleep(POLL_SECONDS)

    @property
    def _patience(self) -> float:
        is_opening = self._mirror is None and not self._failures
        return OPENING_SECONDS if is_opening else PATIENCE_SECONDS

    # ---- events

    def started(self, entry: Entry) -> None:
        self._begun.set()
        self._give(lambda mirror: mirror.show(entry))

    def progressed(self, entry: Entry, images: int, metrics: dict[str, float]) -> None:
        self._give(lambda mirror: mirror.show(entry))

    def ended(self, entry: Entry, result: Result) -> None:
        self._give(lambda mirror: mirror.end(entry, result))

    def interrupted(self, why: str = "") -> None:
        self._give(lambda mirror: mirror.interrupt(why), is_last=True)

    def concluded(self, report: str, *, failed: bool) -> None:
        self._give(lambda mirror: mirror.conclude(report, failed=failed), is_last=True)

    def _give(self, tell: Callable[[Mirror], None], *, is_last: bool = False) -> None:
        self._given += 1
        self._tasks.put(Task(tell, is_last))

    def _close(self) -> None:
        """The end has come: what fails now is not tried again."""
        self._closing.set()
        self._begun.set()

    # ---- the thread

    def _work(self) -> None:
        """What fails is tried again after all that is new: a trial that a store refuses, or whose
        folder is damaged, holds up no other.

        A store's libraries take seconds to load, which the first trial's process needs more."""
        self._begun.wait(BEGINNING_SECONDS)
        again: deque[Task] = deque()
        last: deque[Task] = deque()
        while again or last or not self._is_over:
            if (task := self._next(again, last)) is None:
                continue
            if self._is_hopeless(task):
                self.unsent += 1
            elif not self._succeeds(task):
                last.appendleft(task) if task.is_last else again.append(task)
                continue
            self._done += 1

    def _next(self, again: deque[Task], last: deque[Task]) -> Task | None:
        """What is new, then what has failed, then what comes last; None: look again."""
        try:
            task = self._tasks.get(block=not (again or last))
        except queue.Empty:
            return (again or last).popleft()
        if task is None:
            self._is_over = True
        elif task.is_last:
            last.append(task)
            task = None
        return task

    def _is_hopeless(self, task: Task) -> bool:
        """Whether so much has failed at the end that this is not tried."""
        most = MAX_FAILURES * (2 if task.is_last else 1)
        return self._closing.is_set() and self._failures >= most

    def _succeeds(self, task: Task) -> bool:
        try:
            self._mirror = self._mirror or self._open_mirror()
            task.tell(self._mirror)
        except Exception as error:  # whatever a server, a database or a disk can do
            self._failures += 1
            self.trouble = reason(error)
            self._closing.wait(RETRY_SECONDS)
            return False
        self._failures = 0
        return True
