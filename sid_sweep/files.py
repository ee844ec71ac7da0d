"""Files that are whole or absent, whatever is killed and whatever fails: one way to write, to read,
to lock, and to set aside what is damaged."""

import errno
import fcntl
import itertools
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from pydantic_core import from_json  # five times as fast as the standard library's

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
LEAST_FREE_BYTES = 2**20  # below which a disk is called full where an error does not say so
NEVER_FULL = (ValueError, LookupError, TypeError, AttributeError, NameError, AssertionError)
"""What no full disk raises: what is said to the user in a line of its own, and a program's own
errors."""
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)
NO_FOLDER = (*CLOSED, errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)
MOST_LETTERS = 200  # of another's error, quoted
ANEW = "the command that runs its sweep sets it aside and makes it again"


class Damaged(ValueError):
    """A file does not hold what this program has written there: where, what, the remedy."""

    def __init__(self, path: Path, what: str, remedy: str = ANEW) -> None:
        super().__init__(f"{path}: {what}; {remedy}")
        self.path, self.what, self.remedy = path, what, remedy

    def __reduce__(self) -> Any:
        return (Damaged, (self.path, self.what, self.remedy))


class DiskFull(OSError):
    """No more can be written: where, what, the remedy."""

    def __str__(self) -> str:
        return str(self.strerror)


class Unwritable(OSError):
    """A place in which nothing can be made: where, why, the remedy."""

    def __str__(self) -> str:
        return str(self.strerror)


# ---- writing


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path that becomes `path` when all went well: no reader sees half a file.

    Data first, then the name: both are on the disk when the block has ended.

    Raises:
        DiskFull: there is no room for it.
        Unwritable: it must not be written there.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with told_if_full(path.parent):
            make_folder(path.parent)
            with _told_if_unwritable(path, CLOSED, by=partial):
                yield partial
            sync(partial)
            _place(partial, path)
            sync(path.parent)
    finally:
        with suppress(OSError):  # what was raised says more
            partial.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that becomes `path`, which must not be there, when all went well."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with told_if_full(path.parent):
            make_folder(partial)
            yield partial
            sync_tree(partial)
            partial.rename(path)
            sync(path.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def forget_partial(path: Path) -> None:
    """Drop what processes that were killed while they wrote `path` have left beside it."""
    for partial in path.parent.glob(f".{path.name}.*.tmp"):
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """A folder with those above it, whose names are on the disk as well.

    Raises:
        Unwritable: it cannot be made.
    """
    if not path.is_dir():
        make_folder(path.parent)
        with _told_if_unwritable(path, NO_FOLDER):
            path.mkdir(exist_ok=True)
            sync(path.parent)


@contextmanager
def _told_if_unwritable(
    path: Path, codes: Sequence[int], *, by: Path | None = None
) -> Iterator[None]:
    """What fails within since nothing can be made at `path` says so.

    Args:
        by: the file whose errors count; None: any.

    Raises:
        Unwritable: in place of an error with one of the codes.
    """
    try:
        yield
    except OSError as error:
        code, is_other = error.errno, by is not None and str(error.filename) != str(by)
        if isinstance(error, Unwritable) or code is None or code not in codes or is_other:
            raise
        why = f"cannot be written ({os.strerror(code)})"
        raise Unwritable(code, f"{path}: {why}; see to its rights, or name another") from error


def _place(partial: Path, path: Path) -> None:
    """Give a whole file its name."""
    try:
        partial.replace(path)
    except IsADirectoryError as error:
        raise Unwritable(error.errno, f"{path}: is a folder, not a file; move it away") from None


def write_json(path: Path, values: Any) -> None:
    """Write JSON, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", "utf-8")


def write_lines(path: Path, values: list[Any]) -> None:
    """Write lines of JSON, all of them or none."""
    with replacing(path) as partial:
        partial.write_text("".join(map(_line, values)), "utf-8")


def append_line(path: Path, values: Any) -> None:
    """Add a line of JSON, which is on the disk at the end; a kill leaves at most half a line, and
    the next line takes its place.

    On the disk, since what is written later counts on it: a checkpoint is of no use without the
    measurements before it, and an arm's number must not be given twice.
    """
    with told_if_full(path.parent):
        make_folder(path.parent)
        drop_half_line(path)
        is_new = not path.exists()
        with path.open("a", encoding="utf-8") as file:
            file.write(_line(values))
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync(path.parent)


def _line(values: Any) -> str:
    return json.dumps(values, ensure_ascii=False) + "\n"


def drop_half_line(path: Path) -> None:
    """Forget what a kill in the middle of a write has left at the end.

    Raises:
        Damaged: what is at the end is no beginning of a line.
    """
    if not path.exists() or ends_whole(path):
        return
    lines = whole_lines(path)
    with replacing(path) as partial:
        partial.write_bytes(b"".join(line + b"\n" for line in lines))


def ends_whole(path: Path) -> bool:
    """Whether the last line of a file is a whole one."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


@contextmanager
def told_if_full(folder: Path) -> Iterator[None]:
    """What fails within because a disk is full says so, and where.

    Raises:
        DiskFull: in place of what was raised; torch and safetensors have errors of their own, which
            say no cause: they are named beside it.
    """
    try:
        yield
    except (DiskFull, *NEVER_FULL):
        raise
    except Exception as error:
        code = error.errno if isinstance(error, OSError) else None
        if code in FULL:
            raise _full(folder) from error
        if code is None and _free(folder) < LEAST_FREE_BYTES:
            raise _full(folder, f" ({_quoted(error)})") from error
        raise


def disk_full(cause: str) -> DiskFull | None:
    """The full disk that a trial's failure was, as it is noted; None where it was another."""
    _, found, line = cause.partition(f"{DiskFull.__name__}: ")
    return DiskFull(errno.ENOSPC, line) if found else None


def _full(folder: Path, cause: str = "") -> DiskFull:
    remedy = "free some space and run the same command again, which goes on from what is there"
    return DiskFull(errno.ENOSPC, f"{folder}: the disk is full; {remedy}{cause}")


def _quoted(error: Exception) -> str:
    """Another's error, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:MOST_LETTERS]


def _free(folder: Path) -> int:
    """Bytes on its disk, whether or not the folder is there yet."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free


def sync_tree(folder: Path) -> None:
    """Have the disk hold a folder with all that lies in it."""
    for path in folder.rglob("*"):
        sync(path)
    sync(folder)


def sync(path: Path) -> None:
    """Have the disk hold a file's content, or a folder's names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# ---- reading


def read_bytes(path: Path) -> bytes:
    """What a file holds.

    Raises:
        Damaged: it is a folder, or one above it is a file.
        FileNotFoundError: there is none.
    """
    try:
        return path.read_bytes()
    except IsADirectoryError:
        raise Damaged(path, "is a folder, not a file") from None
    except NotADirectoryError:
        raise Damaged(path.parent, "is a file, not a folder") from None


def read_json(path: Path) -> Any:
    """What `write_json` wrote."""
    return from_json(path.read_bytes())


def read_lines(path: Path) -> list[Any]:
    """All whole lines of JSON; none where there is no file. Half a line at the end is no line.

    Raises:
        Damaged: another line is no JSON.
    """
    found = []
    for number, line in enumerate(whole_lines(path), 1):
        try:
            found.append(from_json(line))
        except ValueError as error:
            raise Damaged(path, f"line {number}: {error}") from None
    return found


def whole_lines(path: Path) -> list[bytes]:
    """The whole lines of a file; none where there is no file.

    Raises:
        Damaged: what is at the end is no beginning of a line of JSON.
    """
    if not path.exists():
        return []
    *lines, half = read_bytes(path).split(b"\n")
    if half and half[:1] not in (b"{", b"["):
        raise Damaged(path, "ends in what is no line")
    return lines


# ---- setting aside


def set_aside(path: Path) -> Path:
    """Rename what is damaged, so that its place is free and nothing is lost; returns where it
    is."""
    names = itertools.chain(["damaged"], (f"damaged-{number}" for number in itertools.count(2)))
    places = (path.with_name(f"{path.name}.{name}") for name in names)
    aside = next(place for place in places if not os.path.lexists(place))
    path.rename(aside)
    sync(path.parent)
    return aside


# ---- locking


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on a file; it dies with its holder.

    Raises:
        BlockingIOError: another process holds it, and `wait` is false.
        Damaged: it is a symbolic link, which is not followed.
        Unwritable: it must not be written there.
    """
    with told_if_full(path.parent):
        make_folder(path.parent)
        file = _opened(path)
    with file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


def _opened(path: Path) -> TextIO:
    """A file to lock, made if need be; what it holds is left alone, and so is what a link points
    to."""

    def itself(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW, 0o666)

    try:
        with _told_if_unwritable(path, CLOSED):
            return open(path, "a", encoding="utf-8", opener=itself)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise Damaged(path, "is a symbolic link, not a file", "remove it") from None
