"""The real command in a pipe and on a terminal: it says at every moment what it does."""

import itertools
import os
import pty
import re
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "orchestration"))
from real_sweep import TINY
from terminal import CODE, Terminal, set_width

pytestmark = pytest.mark.slow

LONGEST_SECONDS = 30.0  # between two lines: twice what is promised, as machines that test are busy
WIDTH = 80
RAYS_OWN = re.compile(r"Trial |Result for|\(.* pid=|\d{4}-\d\d-\d\d")
SPACE = TINY.format(question="Is it ever silent?", rates="[0.001, 0.002]", checkpoint_seconds=9)
SMALL = ("--set", "budget.images=8_000", "--set", "seeds=1")


def start(folder, **streams):
    (folder / "space.yaml").write_text(SPACE)
    words = [sys.executable, "-m", "sid_sweep.run", "space.yaml", *SMALL]
    free = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    return subprocess.Popen(words, cwd=folder, env=free | {"TERM": "xterm-256color"}, **streams)


def test_in_a_pipe_it_says_what_it_waits_for(tmp_path):
    began = time.monotonic()
    with start(tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        came = [(time.monotonic() - began, line.rstrip()) for line in child.stdout]
    assert child.returncode == 0
    lines = [line for _, line in came]
    assert not any("\x1b" in line for line in lines)
    assert not [line for line in lines if RAYS_OWN.match(line)]
    assert any(re.fullmatch(r"  starting Ray \(\d+ s\)", line) for line in lines), lines
    assert any("0 of 2 done" in line for line in lines)
    assert "mlflow ui" in lines[-3]
    assert lines[-2].endswith("python -m analysis.compare tiny")
    times = [0.0, *(when for when, _ in came)]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert max(gaps) < LONGEST_SECONDS, came


def test_a_terminal_shows_all_arms_from_the_start_and_only_the_table_in_the_end(tmp_path):
    ours, theirs = pty.openpty()
    set_width(ours, WIDTH)
    child = start(tmp_path, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    terminal, boards = Terminal(WIDTH), []
    for text in pieces(ours):
        terminal.feed(text)
        boards.append(terminal.lines)
    assert child.wait() == 0
    os.close(ours)
    assert all(len(line) <= WIDTH for lines in boards for line in lines)
    first = next("\n".join(lines) for lines in boards if "0 running" in "\n".join(lines))
    assert "0 of 2 done" in first
    assert re.search(r"^ *0\.001 .*\n *0\.002 ", first, re.MULTILINE), first
    last = "\n".join(terminal.lines)
    assert "running" not in last
    assert "starting" not in last
    assert not re.search("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", last)
    assert last.count("verdict") == 1
    assert terminal.lines[-1].endswith("python -m analysis.compare tiny")


def pieces(handle):
    """What is written to a terminal, never cut within what it is told to do, until all that could
    write have ended."""
    left = b""
    while True:
        try:
            left += os.read(handle, 100_000)
        except OSError:
            return
        text = left.decode(errors="ignore")
        if len(text.encode()) == len(left) and "\x1b" not in CODE.sub("", text):
            yield text
            left = b""
