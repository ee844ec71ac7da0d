"""Caches of files: whole, or made again."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic_core import from_json

from sid_sweep.files import Damaged, forget_partial, locked, read_bytes, set_aside, write_json

T = TypeVar("T")


def whole_or_made(
    path: Path, *, read: Callable[[], T], make: Callable[[], None], others: tuple[Path, ...] = ()
) -> T:
    """What a file of a cache holds; it is made first if need be, while others wait. One that is
    damaged is set aside and made again.

    Args:
        read: raises Damaged, or FileNotFoundError where there is none.
        make: writes it.
        others: files that are made with it.
    """
    with locked(path.with_suffix(".lock")):
        try:
            return read()
        except FileNotFoundError:
            pass
        except Damaged:
            for own in (path, *others):
                if os.path.lexists(own):
                    set_aside(own)
        for own in (path, *others):
            forget_partial(own)
        make()
        return read()


def kept_figure(path: Path, name: str, measure: Callable[[], float]) -> float:
    """A number of a cache, measured first if need be."""
    read, make = (lambda: figure(path, name)), (lambda: write_json(path, {name: measure()}))
    return whole_or_made(path, read=read, make=make)


def figure(path: Path, name: str) -> float:
    """A number in a file of JSON.

    Raises:
        Damaged: there is the file, and no finite number in it.
        FileNotFoundError: there is no file.
    """
    try:
        value = float(from_json(read_bytes(path))[name])
    except (ValueError, TypeError, LookupError) as error:
        raise Damaged(path, f"holds no {name} ({error})") from None
    if not math.isfinite(value):
        raise Damaged(path, f"its {name} is not finite")
    return value
