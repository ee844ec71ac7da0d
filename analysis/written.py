"""Files of a report: each is whole or as it was before, and what fails is named."""

from collections.abc import Callable
from pathlib import Path

from sid_sweep.files import replacing


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Have a file written under another name, and then give it its own.

    Raises:
        OSError: it cannot be written; one line that names it.
    """
    try:
        with replacing(path) as partial:
            write(partial)
    except OSError as error:
        if str(error).startswith(f"{path}: "):
            raise
        raise OSError(f"{path}: cannot be written ({error})") from error
    return path


def write_text(path: Path, text: str) -> Path:
    """The same of a text."""
    return write_whole(path, lambda partial: partial.write_text(text, "utf-8", newline="\n"))


def write_bytes(path: Path, content: bytes) -> Path:
    """The same of bytes."""
    return write_whole(path, lambda partial: partial.write_bytes(content))
