"""Dotted paths: `generator.optim.lr` names one value in nested groups."""

from collections.abc import Iterator, Sequence
from typing import Any


def dotted(path: Sequence[str | int]) -> str:
    """`a.b.c`."""
    return ".".join(str(part) for part in path)


def lookup(values: dict[str, Any], path: str) -> Any:
    """The value at a dotted path, or None."""
    node: Any = values
    for part in path.split("."):
        if not isinstance(node, dict) or part not in node:
            return None
        node = node[part]
    return node


def assign(values: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set the value at a path, given by its parts, making the groups on the way.

    Raises:
        ValueError: a part of the path is a value already.
    """
    *groups, last = path
    for part in groups:
        node = values.setdefault(part, {})
        if not isinstance(node, dict):
            raise ValueError(f"{part} is a value, not a group, so {dotted(path)} cannot be set")
        values = node
    values[last] = value


def leaves(values: Any, prefix: str = "", *, whole: str = "") -> Iterator[tuple[str, Any]]:
    """All values below groups, by their dotted paths; nothing where there is no group.

    Args:
        whole: groups whose own path ends so are given as they are, not their leaves.
    """
    for key, value in values.items() if isinstance(values, dict) else ():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and not (whole and prefix.endswith(whole)):
            yield from leaves(value, f"{path}.", whole=whole)
        else:
            yield path, value
