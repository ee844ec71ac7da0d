"""What a sweep's folder says that it is, and whether a new reading of the YAML agrees with it.

A sweep may grow (arms, seeds, choices) and its words may change. Anything else would mix answers to
two questions in one table, and is refused with the difference.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sid_sweep.spec import SpecError, Sweep, plain

from .folder import write_json

Flat = dict[str, Any]
_WORDS = ("question", "expect", "found", "resources", "baseline", "columns")


def agree(folder: Path, sweep: Sweep) -> None:
    """Refuse a sweep that contradicts the recorded one, else record the union.

    Raises:
        SpecError: with every difference, and what to do.
    """
    check(folder, sweep)
    write_json(folder / "sweep.json", _record(sweep))


def check(folder: Path, sweep: Sweep) -> None:
    """As `agree`, writing nothing."""
    path = folder / "sweep.json"
    if not path.exists():
        return
    recorded = json.loads(path.read_text("utf-8"))
    if found := differences(recorded, _record(sweep)):
        raise SpecError(
            f"{path}: this sweep was begun with other values: {'; '.join(found)}. "
            "Restore them, or begin a new sweep with --name"
        )


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """`path: recorded x, now y` for all that contradicts; growth does not."""
    a, b = _flat(old), _flat(new)
    return [
        f"{path}: recorded {a.get(path, 'nothing')}, now {b.get(path, 'nothing')}"
        for path in dict.fromkeys([*a, *b])
        if a.get(path) != b.get(path) and not _grown(path, a.get(path), b.get(path))
    ]


def _grown(path: str, old: Any, new: Any) -> bool:
    if path == "seeds" or path.endswith(".choice"):
        return old is not None and new is not None and all(value in new for value in old)
    if ".cases." in path:
        return old is None  # a case that is there is one arm, whole
    if path == "search.arms":
        return old is not None and new is not None and new >= old
    return False


def _record(sweep: Sweep) -> dict[str, Any]:
    """The sweep, and its fixed values with the defaults filled in: defaults can change too."""
    first = {knob: domain.examples()[0] for knob, domain in sweep.domains.items()}
    trial = plain(sweep.trial(sweep.prune(first), 0))
    values = {key: value for key, value in plain(sweep).items() if key not in (*_WORDS, "fixed")}
    return {**values, "trial": trial}


def _flat(values: Any, prefix: str = "") -> Flat:
    if not isinstance(values, dict):
        return {prefix: values}
    flat: Flat = {}
    for key, value in values.items():
        path = f"{prefix}.{key}" if prefix else key
        flat |= {path: value} if prefix.endswith(".cases") else _flat(value, path)
    return flat


@contextmanager
def sole_driver(folder: Path) -> Iterator[None]:
    """Hold the sweep's folder: two drivers would run the same trials.

    Raises:
        SpecError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "driver.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SpecError(
                f"{folder}: this sweep is being run by another process; wait for it, or use --name"
            ) from None
        yield
