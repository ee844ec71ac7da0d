"""The processes of one case, known by a mark in their environment, and nobody else's.

Every process that a case starts inherits the mark, Ray's too: whatever its parent became, whatever
its session, it is found in /proc. Only what bears the mark is ever killed.
"""

import os
import re
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "SID_KILLS_CASE"
KEEP_ENVIRONMENT = "SPT_NOENV"  # Ray renames its processes, and writes over the mark unless told
ROLES = {
    "actor": re.compile(r"^ray::ImplicitFunc"),
    "worker": re.compile(r"^ray::.*TrainWorker|^ray::_RayTrainWorker"),
    "raylet": re.compile(r"^\S*/raylet/raylet "),
    "gcs": re.compile(r"^\S*/gcs/gcs_server "),
}
"""How Ray's processes are called."""


@dataclass(frozen=True)
class Process:
    """A living process of a case."""

    pid: int
    command: str

    def plays(self, role: str) -> bool:
        """Whether it is one of `role`."""
        return bool(ROLES[role].search(self.command))

    def __str__(self) -> str:
        return f"{self.pid} {self.command[:100].strip()}"


def marked(mark: str) -> list[Process]:
    """All living processes that bear the mark, zombies left out."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for place in Path("/proc").iterdir():
        if not place.name.isdigit() or int(place.name) == os.getpid():
            continue
        with suppress(OSError):  # it ended meanwhile, or is another user's
            if wanted in (place / "environ").read_bytes().split(b"\0"):
                command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if command and _lives(place):
                    found.append(Process(int(place.name), command))
    return found


def _lives(place: Path) -> bool:
    return (place / "stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")


def of_role(mark: str, role: str) -> list[Process]:
    """The case's processes of a role, the eldest first."""
    return sorted((p for p in marked(mark) if p.plays(role)), key=lambda p: p.pid)


def survivors(mark: str, *, seconds: float) -> list[Process]:
    """What still lives once so many seconds have passed; returns as soon as nothing does."""
    deadline = time.monotonic() + seconds
    while (left := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def end_all(mark: str) -> None:
    """Kill all that bears the mark, and what it starts meanwhile."""
    for _ in range(20):
        for process in (left := marked(mark)):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        if not left:
            return
        time.sleep(0.2)
