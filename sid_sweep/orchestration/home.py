"""The folder of a Ray of our own: private, held by its command, and cleared away, with all that
still runs out of it, by the next command where that one was killed."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .processes import end_writers, writers

PLACE = Path("/tmp")  # Ray's sockets lie below, and the path of a socket has at most 107 bytes
PREFIX = "sid-ray-"
OWNER = "owner.lock"
UNHELD_SECONDS = 60.0  # after which a folder that nobody has held may be abandoned


@contextmanager
def home() -> Iterator[Path]:
    """A new folder that nobody else may enter, ours within. What killed commands have left is
    cleared away before."""
    clear_abandoned()
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=PLACE))
        if (lock := _hold(path)) is not None:
            break
    try:
        yield path
    finally:
        clear(path)
        os.close(lock)


@contextmanager
def temporary_files() -> Iterator[None]:
    """Within, what this process writes for a moment lies in such a folder, MLflow's too: a kill
    leaves it to the next command."""
    with home() as path:
        before, tempfile.tempdir = tempfile.tempdir, str(path)
        try:
            yield
        finally:
            tempfile.tempdir = before


def clear_abandoned() -> None:
    """End what killed commands of this user have left running, and remove their folders."""
    for path in PLACE.glob(f"{PREFIX}*"):
        with suppress(OSError):
            ours = path.lstat().st_uid == os.getuid() and not _may_be_used(path)
            if ours and (lock := _hold(path)) is not None:
                clear(path)
                os.close(lock)


def clear(path: Path) -> None:
    """End all other processes that write below a folder, and remove it."""
    end_writers(path)
    shutil.rmtree(path, ignore_errors=True)


def _may_be_used(path: Path) -> bool:
    """Whether nobody has held it, but somebody may be about to, or uses it without (as older
    versions did)."""
    if (path / OWNER).exists():
        return False
    return time.time() - path.stat().st_mtime < UNHELD_SECONDS or bool(writers(path))


def _hold(path: Path) -> int | None:
    """The lock of a folder, which dies with its holder; None where another has it."""
    lock = os.open(path / OWNER, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock), (path / OWNER).stat()):
            return lock
    except OSError:  # another holds it, or has just removed it
        pass
    os.close(lock)
    return None
