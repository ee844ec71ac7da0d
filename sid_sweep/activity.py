"""What the command does at this moment, so that it is never silent: a live picture on a terminal, a
plain line every few seconds elsewhere."""

import math
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import (
    Console,
    ConsoleOptions,
    ConsoleRenderable,
    RenderableType,
    RenderHook,
    RenderResult,
)
from rich.control import Control
from rich.segment import ControlType, Segment
from rich.spinner import Spinner
from rich.text import Text

from sid_sweep.screen import Hanging, duration, is_live

REFRESH_SECONDS = 0.5
FIRST_SECONDS, QUIET_SECONDS = 1.0, 10.0  # without a line in a pipe: of something new, and later
BEGAN = "SID_SWEEP_BEGAN"  # in the environment: when a command began that has begun itself anew


class Step:
    """Something that takes a while: what it is, how long already, and how far where one can say."""

    def __init__(self, what: str) -> None:
        self.now(what)

    def now(self, what: str) -> None:
        """From here on it is something else."""
        self._what, self._began, self._far = what, time.monotonic(), ""

    def far(self, done: int, total: int, what: str, *, more: str = "") -> None:
        """How far it is: `done` of `total` of something."""
        spent = time.monotonic() - self._began
        left = f", about {duration(spent / done * (total - done))} left" if done else ""
        self._far = f": {done:,} of {total:,} {what}{more}{left}"

    def __str__(self) -> str:
        return f"{self._what}{self._far} ({duration(time.monotonic() - self._began)})"


class Activity(RenderHook):
    """Says what goes on, for as long as something does, and since when the command runs.

    On a terminal it holds the last lines, which it draws anew twice a second and whenever something
    is printed above them. Elsewhere it prints a line where none was printed for a while.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.began = float(os.environ.get(BEGAN) or time.monotonic())
        """Of the command, also where it was begun anew in between."""
        self._steps: list[tuple[object, RenderableType]] = []
        self._frame: _Frame | None = None
        self._due = 0.0  # when the next plain line is
        self._over = threading.Event()
        self._over.set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def pass_on(self) -> None:
        """Have the command that this process becomes count from the same beginning."""
        os.environ[BEGAN] = str(self.began)

    @contextmanager
    def doing(self, what: str) -> Iterator[Step]:
        """Within, this is what goes on."""
        step = Step(what)
        with self.showing(step, _Line(step)):
            yield step

    @contextmanager
    def showing(self, words: object, picture: RenderableType) -> Iterator[None]:
        """Within, a terminal shows a picture; elsewhere these words are said again and again.

        Args:
            words: what is said is its `str`, anew each time.
        """
        self._steps.append((words, picture))
        self._due = time.monotonic() + FIRST_SECONDS
        if len(self._steps) == 1:
            self._begin()
        try:
            yield
        finally:
            self._steps.pop()
            if not self._steps:
                self.close()

    def close(self) -> None:
        """Leave nothing on the screen; also for who ends the process in the midst of it."""
        if not self._over.is_set():
            self._over.set()
            assert self._thread is not None
            self._thread.join(2 * REFRESH_SECONDS)  # it draws no more
            self.console.pop_render_hook()
            if self._frame is not None:
                self.console.print(self._frame.erased(), end="")
                self._frame = None

    def _begin(self) -> None:
        self._over = threading.Event()
        self.console.push_render_hook(self)
        self._thread = threading.Thread(target=self._work, args=(self._over,), daemon=True)
        self._thread.start()

    # ---- the thread

    def _work(self, over: threading.Event) -> None:
        while not over.wait(REFRESH_SECONDS):
            if is_live(self.console):
                self.console.print(Control())  # the hook adds the picture
            elif time.monotonic() >= self._due and (steps := self._steps[-1:]):
                text = f"  {steps[0][0]}"
                self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Of whatever is printed."""
        self._due = time.monotonic() + QUIET_SECONDS
        if not is_live(self.console) or self._over.is_set() or not (steps := self._steps[-1:]):
            return renderables
        with self._lock:
            before = [] if self._frame is None else [self._frame.erased()]
            self._frame = _Frame(self.console, steps[0][1])
            return [*before, *renderables, self._frame]


class _Frame:
    """The lines that a terminal holds, and how to take them away again.

    A terminal that has become narrower since has broken the longer ones: there are more rows to
    take away than lines.
    """

    def __init__(self, console: Console, picture: RenderableType) -> None:
        self._console = console
        whole = console.render_lines(picture, pad=False)
        self._lines = whole[: max(console.height - 1, 1)]
        self._lengths = [Segment.get_line_length(line) for line in self._lines]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for number, line in enumerate(self._lines):
            if number:
                yield Segment.line()
            yield from line

    def erased(self) -> Control:
        """What takes it away; the cursor stands at its end, then where it began."""
        rows = rows_of(self._lengths, self._console.width)
        up = [(ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)] * (rows - 1)
        return Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2), *up)


def rows_of(lengths: Iterable[int], width: int) -> int:
    """How many rows lines of such lengths fill in a terminal of that width."""
    return sum(max(1, math.ceil(length / width)) for length in lengths)


class _Line:
    """A step beside a spinner."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._spinner = Spinner("dots")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        sign = self._spinner.render(console.get_time())
        assert isinstance(sign, Text)
        yield Hanging(str(self._step), before=Text.assemble("  ", sign, " "))
