"""Other processes, as Linux shows them in /proc: whose they are, whether they run, what they
write."""

import os
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
END_SECONDS = 10.0  # for what was killed to be gone


@dataclass(frozen=True)
class Process:
    """A process that has this number for as long as it began at that time."""

    pid: int
    name: str
    began: int

    def state(self) -> str:
        """As ps shows it: R runs, S sleeps, T is stopped, Z has ended; "" for one that is gone."""
        now = _look(self.pid)
        return now[1] if now is not None and now[0].began == self.began else ""

    def kill(self) -> None:
        """SIGKILL, if it is still there."""
        if self.state():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signal.SIGKILL)


def children_of(parent: int) -> list[Process]:
    """The processes that a process has started, and that have not ended."""
    return [process for process, state, above in _all() if above == parent and state != "Z"]


def writers(folder: Path) -> list[int]:
    """The other processes that hold a file below a folder open to write, as all of Ray's hold their
    logs."""
    own = os.getpid()
    pids = [process.pid for process, _, _ in _all()]
    return [pid for pid in pids if pid != own and _writes_below(pid, f"{folder}/")]


def end_writers(folder: Path) -> None:
    """Kill all other processes that write below a folder, until none is left."""
    deadline = time.monotonic() + END_SECONDS
    while (found := writers(folder)) and time.monotonic() < deadline:
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _all() -> Iterator[tuple[Process, str, int]]:
    for name in os.listdir(PROC):
        if name.isdecimal() and (seen := _look(int(name))) is not None:
            yield seen


def _look(pid: int) -> tuple[Process, str, int] | None:
    """A process, its state and its parent; None where there is none."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    head, _, rest = text.rpartition(")")
    fields = rest.split()
    return Process(pid, head.partition("(")[2], int(fields[19])), fields[0], int(fields[1])


def _writes_below(pid: int, folder: str) -> bool:
    handles = PROC / str(pid) / "fd"
    with suppress(OSError):  # it has ended, or is another user's
        return any(_is_written_below(handles / name, folder) for name in os.listdir(handles))
    return False


def _is_written_below(handle: Path, folder: str) -> bool:
    with suppress(OSError):  # it was closed just now
        return bool(handle.lstat().st_mode & stat.S_IWUSR) and os.readlink(handle).startswith(
            folder
        )
    return False
