"""The command is never silent, and leaves nothing on the screen that is over."""

import contextlib
import io
import os
import pty
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.text import Text
from terminal import Terminal, set_width

from sid_sweep import activity as activities
from sid_sweep.activity import QUIET_SECONDS, REFRESH_SECONDS, Activity, Step
from sid_sweep.screen import say

TICK = 0.01
SIGN = re.compile("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] ")


@pytest.fixture
def quick(monkeypatch):
    """A second is a hundredth of one."""
    monkeypatch.setattr(activities, "REFRESH_SECONDS", TICK)
    monkeypatch.setattr(activities, "FIRST_SECONDS", 2 * TICK)
    monkeypatch.setattr(activities, "QUIET_SECONDS", 10 * TICK)


def wait_for(condition, *, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(TICK)


# ---- in a pipe


def piped():
    out = io.StringIO()
    return Activity(Console(file=out, width=400)), lambda: out.getvalue().splitlines()


def test_in_a_pipe_a_line_says_again_and_again_what_goes_on_and_for_how_long(quick):
    activity, lines = piped()
    with activity.doing("starting [red]Ray"):
        wait_for(lambda: len(lines()) >= 3)
    assert set(lines()) == {"  starting [red]Ray (0 s)"}
    said = len(lines())
    time.sleep(20 * TICK)
    assert len(lines()) == said  # it is over


def test_what_is_short_is_not_said():
    activity, lines = piped()
    with activity.doing("blinking"):
        pass
    assert lines() == []


def test_a_line_comes_only_where_none_has_come_for_a_while(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(activities, "time", clock)
    monkeypatch.setattr(activities, "REFRESH_SECONDS", TICK)
    activity, lines = piped()
    with activity.doing("training"):
        for number in range(3):
            activity.console.print(f"trial {number}")
            clock.now += 9.0
            time.sleep(5 * TICK)
        assert lines() == ["trial 0", "trial 1", "trial 2"]
        clock.now += 1.5
        wait_for(lambda: len(lines()) == 4)
    assert lines()[-1] == "  training (28 s)"


def test_what_goes_on_within_is_what_is_said(quick):
    activity, lines = piped()
    with activity.doing("starting Ray") as step:
        with activity.showing("3 of 9 done", Text("a board")):
            wait_for(lambda: lines()[-1:] == ["  3 of 9 done"])
        step.now("stopping Ray")
        wait_for(lambda: lines()[-1:] == ["  stopping Ray (0 s)"])
    assert "a board" not in lines()


def test_fifteen_seconds_never_pass_in_silence():
    assert QUIET_SECONDS + 2 * REFRESH_SECONDS < 15


def test_a_step_says_how_far_it_is_and_what_that_leaves(monkeypatch):
    now = 100.0
    monkeypatch.setattr(activities.time, "monotonic", lambda: now)
    step = Step("sending to mlflow.db")
    now = 130.0
    step.far(0, 4_000, "updates")
    assert str(step) == "sending to mlflow.db: 0 of 4,000 updates (30 s)"
    step.far(1_000, 4_000, "updates", more=", slowly")
    words = "1,000 of 4,000 updates, slowly, about 1 min 30 s left (30 s)"
    assert str(step) == f"sending to mlflow.db: {words}"


# ---- on a terminal


class Live:
    """An activity on a terminal of our own."""

    def __init__(self, width=40):
        self.out = io.StringIO()
        self.console = Console(file=self.out, force_terminal=True, width=width, height=20)
        self.activity = Activity(self.console)
        self.terminal = Terminal(width)
        self._seen = 0

    @property
    def lines(self):
        written = self.out.getvalue()
        self.terminal.feed(written[self._seen :])
        self._seen = len(written)
        return [SIGN.sub("", line) for line in self.terminal.lines]

    def resize(self, width):
        assert self.lines is not None  # all that was written before
        self.terminal.resize(width)
        self.console.width = width


def test_on_a_terminal_the_last_lines_are_what_goes_on_and_then_they_are_gone(monkeypatch):
    monkeypatch.setattr(activities, "REFRESH_SECONDS", 1e9)  # drawn where something is printed
    live = Live()
    live.console.print("a plan")
    with live.activity.doing("starting Ray"):
        live.console.print("a warning")
        assert live.lines == ["a plan", "a warning", "  starting Ray (0 s)"]
        with live.activity.showing("", Text("two\nlines")):
            live.console.print("another", soft_wrap=True)
            assert live.lines == ["a plan", "a warning", "another", "two", "lines"]
        live.console.print("a third")
        assert live.lines[-2:] == ["a third", "  starting Ray (0 s)"]
    monkeypatch.setattr(activities, "REFRESH_SECONDS", TICK)
    assert live.lines == ["a plan", "a warning", "another", "a third"]


def test_long_words_are_wrapped_between_words(quick):
    live = Live(width=30)
    with live.activity.doing("judging the teacher's own samples, until their score stands"):
        wait_for(lambda: len(live.lines) == 3)
        assert live.lines == [
            "  judging the teacher's own",
            "    samples, until their score",
            "    stands (0 s)",
        ]


def test_a_sentence_is_wrapped_on_a_terminal_and_whole_in_a_pipe():
    live, (activity, lines) = Live(width=30), piped()
    for console in (live.console, activity.console):
        say(console, Text("  ! "), f"Ray is lost: its raylet has died {'again ' * 80}")
    assert live.lines[:2] == ["  ! Ray is lost: its raylet", "    has died again again again"]
    assert all(len(line) <= 30 for line in live.lines)
    (line,) = lines()
    assert line.startswith("  ! Ray is lost: its raylet has died again")


@pytest.mark.parametrize("width", [20, 33, 39, 80])
def test_a_resize_leaves_no_stale_line(monkeypatch, width):
    monkeypatch.setattr(activities, "REFRESH_SECONDS", 1e9)
    live = Live(width=40)
    lines = ["x" * length for length in (38, 3, 25, 40)]
    board = Text("\n".join(lines), overflow="crop", no_wrap=True)
    live.console.print("above")
    with live.activity.showing("", board):
        live.console.print("beside")
        live.resize(width)
        live.console.print("below")
        drawn = [line[:width] for line in lines]
        assert live.lines[:3] == ["above", "beside", "below"]
        assert live.lines[3:] == drawn
        monkeypatch.setattr(activities, "REFRESH_SECONDS", TICK)
    assert live.lines == ["above", "beside", "below"]


SCRIPT = """
import sys
from rich.console import Console
from rich.table import Table
from sid_sweep.activity import Activity
console = Console()
activity = Activity(console)
console.print("a plan")
table = Table(box=None)
for _ in range(6):
    table.add_column("knob", width=9)
for _ in range(4):
    table.add_row(*["value"] * 6)
with activity.showing("", table):
    sys.stdin.read()
console.print("the end")
"""


def test_a_resize_of_a_real_terminal_leaves_no_stale_line():
    ours, theirs = pty.openpty()
    terminal = Terminal(80)
    set_width(ours, 80)
    free = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    child = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=subprocess.PIPE, stdout=theirs, stderr=theirs, env=free | {"TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(theirs)

    def feed():
        """What comes next, to the end of what it tells the terminal to do."""
        text = os.read(ours, 100_000).decode()
        while re.search("\x1b[^A-Za-z]*$", text):
            text += os.read(ours, 1).decode()
        terminal.feed(text)

    def read(until, seconds=60.0):
        """Feed the terminal until it looks as it should, for a while."""
        deadline = time.monotonic() + seconds
        while not until([line.partition(" ")[0] for line in map(str.strip, terminal.lines)]):
            assert time.monotonic() < deadline, terminal.lines
            feed()

    picture = ["a", "knob", *["value"] * 4]
    try:
        read(lambda lines: lines == picture)
        terminal.resize(40)
        set_width(ours, 40)
        for _ in range(3):  # drawn again and again, it stands there once
            feed()
        read(lambda lines: lines == picture)
        assert child.stdin is not None
        child.stdin.close()
        with contextlib.suppress(OSError):
            read(lambda lines: lines == ["a", "the"])
        assert [line.strip() for line in terminal.lines] == ["a plan", "the end"]
    finally:
        assert child.stdin is not None
        child.stdin.close()
        child.kill()
        child.wait()
        os.close(ours)
