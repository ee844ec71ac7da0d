"""The real command in a pipe and on a terminal: never silent, and resumed with what was begun."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest
from real_sweep import TINY

SILENT_SECONDS = 15.0
SPACE = TINY.format(
    question="Does it say what it does?", rates="[0.001, 0.002]", checkpoint_seconds=0
)


def command(folder, **more):
    (folder / "space.yaml").write_text(SPACE)
    return subprocess.Popen(
        [sys.executable, "-m", "sid_sweep.run", "space.yaml", "--set", "resources.concurrency=1",
         "--set", "budget.images=100_000"],
        cwd=folder, stderr=subprocess.STDOUT, start_new_session=True, **more,
    )  # fmt: skip


def listen(process, *, until=""):
    """Its lines so far or to its end, and the longest time between two."""
    lines, longest, last = [], 0.0, time.monotonic()
    for line in process.stdout:
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
        lines.append(line.rstrip())
        if until and re.search(until, line):
            break
    return lines, longest


@pytest.mark.slow
def test_in_a_pipe_no_quarter_of_a_minute_is_silent_and_what_was_begun_goes_on_first(tmp_path):
    first = command(tmp_path, stdout=subprocess.PIPE, text=True)
    lines, longest = listen(first, until=r"^\[1/4\]")
    own = tmp_path / "sweeps" / "tiny"
    while not any(_is_under_way(path) for path in (own / "trials").glob("*")):
        time.sleep(0.1)
    first.send_signal(signal.SIGINT)
    rest, _ = listen(first)
    assert first.wait() == 130
    assert any("starting Ray" in line for line in lines)
    assert any("the first trial's process" in line for line in lines)
    assert any("interrupted, 1 of 4 trials done" in line for line in rest)
    (begun,) = (path for path in (own / "trials").glob("*") if _is_under_way(path))
    again = command(tmp_path, stdout=subprocess.PIPE, text=True)
    lines, most = listen(again)
    assert again.wait() == 0
    assert max(longest, most) < SILENT_SECONDS
    assert any(line.endswith("= 4, 1 done, 1 interrupted") for line in lines)
    ends = {path.parent: path.stat().st_mtime for path in own.glob("trials/*/result.json")}
    assert sorted(ends, key=lambda path: ends[path])[1] == begun
    assert [line[:5] for line in lines if line.startswith("[")] == ["[2/4]", "[3/4]", "[4/4]"]


def _is_under_way(path):
    return (path / "checkpoint.pt").exists() and not (path / "result.json").exists()


@pytest.mark.slow
def test_a_terminal_of_80_columns_shows_the_board_and_keeps_plan_and_table(tmp_path):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    free = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = command(tmp_path, stdin=theirs, stdout=theirs, env=free | {"TERM": "xterm"})
    os.close(theirs)
    written = b""
    while True:
        try:
            written += os.read(ours, 100_000)
        except OSError:  # its end
            break
    assert process.wait() == 0
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode())
    for words in ("starting Ray", "loading libraries", "·· ", "■▸", "1 of 4 done", "stopping Ray"):
        assert words in text
    lines = [line.rsplit("\r", 1)[-1] for line in text.replace("\r\n", "\n").splitlines()]
    assert max(map(len, lines)) <= 80
    assert "…" not in text
