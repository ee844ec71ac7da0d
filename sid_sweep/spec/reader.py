"""Strict YAML: what is written is what is meant, and every message knows its line.

PyYAML silently reads `1e-5` as text, `012` as 10, keeps the last of two equal keys and unfolds
aliases without bound. Here those are errors that say what to write. Scalars follow the YAML 1.2
core schema, with `_` allowed between digits.
"""

import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from .base import SpecError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_SHOWN = 40  # characters of a number in a message
MAX_WHOLE = 2**63 - 1  # what tables, trackers and random streams hold

_INT = re.compile(r"[-+]?(0|[1-9](_?[0-9])*)")
_FLOAT = re.compile(r"[-+]?(0|[1-9](_?[0-9])*)?\.[0-9]*([eE][-+]?[0-9]+)?")
_SPECIAL_FLOAT = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+(\.[0-9]*)?")
_EXPONENT_WITHOUT_POINT = re.compile(r"([-+]?[0-9]+)([eE][-+]?[0-9]+)")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}

Path_ = tuple[str | int, ...]


class Document(NamedTuple):
    """Plain values, and where each of them was written (`file:line` by its path)."""

    values: dict[str, Any]
    places: dict[Path_, str]

    def place(self, path: Path_) -> str:
        """Where `path`, or the nearest thing that encloses it, was written."""
        while path not in self.places and path:
            path = path[:-1]
        return self.places[path]


def read(path: Path) -> Document:
    """The mapping in a YAML file.

    Raises:
        SpecError: the file is missing, too large, not UTF-8, not YAML, or says something ambiguous.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise SpecError(f"{path}: {size:,} bytes; a search space has at most {MAX_BYTES:,}")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 text (byte {error.start})") from None
    values, places = _parse(text, source=str(path))
    if not isinstance(values, dict):
        raise SpecError(f"{path}:1: a search space is a mapping of keys to values")
    return Document(values, places)


def stated_cost(path: Path) -> str:
    """What the comments at the head of a file say that it costs, in one line; "" if nothing."""
    head = takewhile(lambda line: line.startswith("#"), path.read_text("utf-8").splitlines())
    text = " ".join(line.removeprefix("#").strip() for line in head)
    return text.partition("Cost: ")[2]


def read_value(text: str, *, source: str) -> Any:
    """One YAML value, as in `--set path=value`.

    Raises:
        SpecError: as `read`.
    """
    try:
        return _parse(text, source=source)[0]
    except SpecError as error:
        raise SpecError(str(error).replace(f"{source}:1: ", f"{source}: ", 1)) from None


def _parse(text: str, *, source: str) -> tuple[Any, dict[Path_, str]]:
    try:
        _refuse_references(text, source)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", "not readable")
        raise SpecError(f"{source}{line}: not YAML: {' '.join(str(problem).split())}") from None
    except RecursionError:
        raise SpecError(f"{source}: nested deeper than {MAX_DEPTH} levels") from None
    places: dict[Path_, str] = {(): source}
    values = None if node is None else _construct(node, (), places, source)
    return values, places


def _refuse_references(text: str, source: str) -> None:
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        here = f"{source}:{event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise SpecError(
                f"{here}: anchors and aliases (& and *) are not allowed; repeat the value"
            )
        if getattr(event, "tag", None):
            raise SpecError(f"{here}: tags (!) are not allowed; write a plain value")


def _construct(node: yaml.Node, path: Path_, places: dict[Path_, str], source: str) -> Any:
    here = f"{source}:{node.start_mark.line + 1}"
    places[path] = here
    if len(path) > MAX_DEPTH:
        raise SpecError(f"{here}: nested deeper than {MAX_DEPTH} levels")
    if isinstance(node, yaml.MappingNode):
        return dict(_pairs(node, path, places, source))
    if isinstance(node, yaml.SequenceNode):
        return [
            _construct(item, (*path, index), places, source)
            for index, item in enumerate(node.value)
        ]
    assert isinstance(node, yaml.ScalarNode)
    return node.value if node.style else _scalar(node.value, here)


def _pairs(
    node: yaml.MappingNode, path: Path_, places: dict[Path_, str], source: str
) -> Iterator[tuple[str, Any]]:
    seen: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise SpecError(f"{source}:{line}: a key must be a word")
        key = key_node.value
        if key in seen:
            raise SpecError(
                f"{source}:{line}: key {key!r} stands twice (first in line {seen[key]}); remove one"
            )
        seen[key] = line
        yield key, _construct(value_node, (*path, key), places, source)
        places[(*path, key)] = f"{source}:{line}"


def _whole(text: str, here: str) -> int:
    digits = text.replace("_", "")
    if len(digits) > len(str(-MAX_WHOLE)) or abs(int(digits)) > MAX_WHOLE:
        shown = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
        raise SpecError(
            f"{here}: {shown} is beyond 2^63 - 1, the largest whole number; write a smaller one, "
            "or a real one with a point"
        )
    return int(digits)


def _scalar(text: str, here: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return _whole(text, here)
    if text != "." and _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    if _SPECIAL_FLOAT.fullmatch(text):
        return float(text.replace(".", "", 1))
    if match := _EXPONENT_WITHOUT_POINT.fullmatch(text):
        raise SpecError(
            f"{here}: {text} is text to some YAML readers and a number to others; "
            f"write {match[1]}.0{match[2]}, or quote it if you mean text"
        )
    if _LEADING_ZERO.fullmatch(text):
        raise SpecError(
            f"{here}: {text} has a leading zero, octal to some YAML readers; "
            "write it without, or quote it if you mean text"
        )
    return text
