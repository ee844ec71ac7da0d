"""What a sweep's folder is known by in a store, wherever it is moved or copied to."""

import uuid
from pathlib import Path

from sid_sweep.files import read_json, write_json
from sid_sweep.trials import SweepFolder

from .cursor import Cursor

IDENTITY = "identity"  # also the key of its note in a cursor


def identity(folder: SweepFolder) -> str:
    """A name that no other sweep has, drawn once; from a cursor's note where its file is lost."""
    path = folder.path / f"{IDENTITY}.json"
    if not (own := _read(path)):
        noted = (Cursor(cursor)[IDENTITY].get("value", "") for cursor in folder.cursors())
        own = next(filter(None, noted), "") or uuid.uuid4().hex
        write_json(path, {IDENTITY: own})
    return own


def _read(path: Path) -> str:
    """What the file says; "" where there is none, or one that somebody has damaged."""
    try:
        return str(read_json(path)[IDENTITY])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
