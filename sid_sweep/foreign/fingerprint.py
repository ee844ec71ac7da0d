"""A file or a folder is known by what it holds, not by where it lies."""

import functools
import hashlib
from pathlib import Path


def locate(path: str) -> Path:
    """Where a file or a folder lies that a specification names, relative to where the command runs.

    Raises:
        ValueError: there is none.
    """
    found = Path(path).expanduser()
    if not found.exists():
        raise ValueError(f"{path}: there is no such file or folder")
    return found.resolve()


def fingerprint(path: str) -> str:
    """SHA-256, in hex, of a file's bytes; of a folder, of its files' names and fingerprints.

    Raises:
        ValueError: there is none.
    """
    found = locate(path)
    if found.is_file():
        return _of_file(found, *_stamp(found))
    own = hashlib.sha256()
    for file in sorted(file for file in found.rglob("*") if file.is_file()):
        own.update(f"{file.relative_to(found)}\0{_of_file(file, *_stamp(file))}\n".encode())
    return own.hexdigest()


def _stamp(file: Path) -> tuple[int, int]:
    """What changes when a file does."""
    status = file.stat()
    return status.st_size, status.st_mtime_ns


@functools.lru_cache(maxsize=1_000_000)
def _of_file(file: Path, size: int, modified_ns: int) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
