"""What is read from a sweep's folder is what was written there, type by type, or is named in one
line: nothing that is not finite passes, and no key that nobody wrote."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from sid_sweep.files import Damaged, read_bytes, whole_lines

T = TypeVar("T")

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
"""Of a record that is written as a dataclass."""


NOTE: TypeAdapter[tuple[str, dict[str, Any]]] = TypeAdapter(tuple[str, dict[str, Any]])
"""A line of what a tracker has sent: a key, and what was noted of it."""


def words(kind: Any) -> TypeAdapter[Any]:
    """Of plain values."""
    return TypeAdapter(kind, config=STRICT)


def read(kind: TypeAdapter[T], path: Path) -> T:
    """A file of JSON.

    Raises:
        Damaged: it holds something else.
        FileNotFoundError: there is none.
    """
    return parsed(kind, read_bytes(path), path)


def read_each(kind: TypeAdapter[T], path: Path) -> list[T]:
    """A file of lines of JSON; none where there is no file.

    Raises:
        Damaged: a line holds something else.
    """
    lines = enumerate(whole_lines(path), 1)
    return [parsed(kind, line, path, place=f"line {number}: ") for number, line in lines]


def parsed(kind: TypeAdapter[T], content: bytes, path: Path, *, place: str = "") -> T:
    """A file, or a line at its place, by its meaning."""
    try:
        return kind.validate_json(content)
    except ValidationError as error:
        if not content.strip():
            raise Damaged(path, f"{place}is empty") from None
        raise Damaged(path, place + first_line(error)) from None


def first_line(error: ValidationError) -> str:
    """`metrics.js: Input should be a finite number`."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else first["msg"]
