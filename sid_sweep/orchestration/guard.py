"""Whatever of Ray dies or hangs, the command goes on or ends within a stated time.

Ray itself does neither: without a raylet Tune waits for ever, and where the GCS is gone Ray ends
the process that asks. So a thread looks at its processes once a second. Seconds are counted by its
own looks: a command that was suspended does not take that for a hang.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .processes import Process, children_of
from .signals import Signals

TICK_SECONDS = 1.0
FROZEN_TICKS = 30  # of a process that was stopped
SILENT_TICKS = 60  # of Ray's answer, and of Tune's loop, which turns ten times a second
IDLE_TICKS = 180  # of a start, and of a sweep in which trials wait and none runs
ASK_TICKS = 5
LEAVE_TICKS = 20  # for the main thread to act on a loss, before it counts as hanging
CORE = ("raylet", "gcs_server")


class Lost(BaseException):
    """Ray cannot be used any more. No Exception, since Tune would catch it."""


@dataclass
class Guard:
    """Looks after a connected Ray.

    The main thread is told by `check`; where it hangs itself, `last_resort` is called in the
    guard's thread, and must end or replace the process.
    """

    signals: Signals
    last_resort: Callable[[str], None]
    core: list[Process] = field(default_factory=list)
    """Raylet and GCS, where they are our own."""
    ask: Callable[[], bool] | None = None
    """Whether Ray has a node that is alive; may hang or raise."""
    loss: str = ""
    """Why Ray is lost, once it is."""
    _find: Callable[[], list[Process]] | None = None
    _turns: bool = False
    _beat: int = 0
    _busy: int = 0
    _answer: int = 0
    _now: int = 0
    _frozen: dict[Process, int] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator["Guard"]:
        """Watch within."""
        threading.Thread(target=self._watch, name="guard", daemon=True).start()
        try:
            yield self
        finally:
            self._over.set()

    def starting(self, find: Callable[[], list[Process]]) -> None:
        """Ray is being started, which waits for what has died meanwhile: its processes are watched
        from when they are there.

        Args:
            find: raylet and GCS, as far as they are there.
        """
        self._find = find

    def connected(self, core: list[Process], ask: Callable[[], bool]) -> None:
        """From here on there is something to lose."""
        self.core, self._answer, self._beat, self._busy = core, *[self._now] * 3
        self.ask, self._find = ask, None
        threading.Thread(target=self._ask, name="guard asks", daemon=True).start()

    def check(self, busy: bool) -> None:
        """Called by Tune's loop at every turn.

        Args:
            busy: whether a trial runs, or none waits.

        Raises:
            Interrupted: a signal came, or time is over.
            Lost: Ray cannot be used any more.
        """
        self.signals.check()
        self._beat, self._turns = self._now, True
        if busy:
            self._busy = self._now
        self.loss = self.loss or self._gone()
        if self.loss:
            raise Lost(self.loss)

    # ---- the thread

    def _watch(self) -> None:
        lost_at = 0
        while not self._over.wait(TICK_SECONDS):
            self._now += 1
            if find := self._find:  # once: the main thread may take it away
                self.core += [process for process in find() if process not in self.core]
            self.loss = self.loss or self._gone() or self._hung()
            if not self.loss:
                self._end_frozen_workers()
                continue
            lost_at = lost_at or self._now
            if self._now - lost_at >= LEAVE_TICKS:
                self.last_resort(self.loss)

    def _ask(self) -> None:
        """Ask Ray itself, in a thread that may hang."""
        assert self.ask is not None
        while not self._over.wait(ASK_TICKS * TICK_SECONDS):
            try:
                alive = self.ask()
            except Exception:
                continue  # no answer
            self._answer = self._now
            if not alive:
                self.loss = self.loss or "it has no node that is alive"
                return

    def _gone(self) -> str:
        for process in self.core:
            if process.state() in ("", "Z"):
                return f"its {process.name} has died"
        return ""

    def _hung(self) -> str:
        for process in self.core:
            if self._is_frozen(process):
                return f"its {process.name} has been stopped for {FROZEN_TICKS} s"
        if self.ask is not None and self._now - self._answer >= SILENT_TICKS:
            return f"it has not answered for {SILENT_TICKS} s"
        patience = SILENT_TICKS if self._turns else IDLE_TICKS
        if self._now - self._beat >= patience:
            return f"Tune has stood still for {patience} s"
        if self.core and self._now - self._busy >= IDLE_TICKS:
            return f"no trial has begun for {IDLE_TICKS} s"
        return ""

    def _is_frozen(self, process: Process) -> bool:
        if process.state() not in ("T", "t"):
            self._frozen.pop(process, None)
            return False
        return self._now - self._frozen.setdefault(process, self._now) >= FROZEN_TICKS

    def _end_frozen_workers(self) -> None:
        """A worker that was stopped is killed: its trial is then tried again."""
        if self._now % ASK_TICKS or not self.core:
            return
        for process in children_of(self.core[0].pid):
            if self._is_frozen(process):
                process.kill()
