"""Whether a new reading of the YAML agrees with what a sweep's folder says that it is.

A sweep may grow (arms, seeds, choices) and its words may change. Anything else would mix answers to
two questions in one table, and is refused with the difference.
"""

from typing import Any

from sid_sweep.files import read_json, write_json
from sid_sweep.spec import SpecError, Sweep, plain
from sid_sweep.spec.paths import leaves

from .sweep_folder import DRAWN, SweepFolder

WORDS = ("question", "expect", "found", "resources", "baseline", "columns")
"""What may change without changing any result."""


def agree(folder: SweepFolder, sweep: Sweep) -> None:
    """Refuse a sweep that contradicts the recorded one, else record it.

    Raises:
        SpecError: with every difference, and what to do.
    """
    check(folder, sweep)
    write_json(folder.record, recorded(sweep))


def check(folder: SweepFolder, sweep: Sweep) -> None:
    """As `agree`, writing nothing."""
    if not folder.exists():
        return
    if found := differences(read_json(folder.record), recorded(sweep)):
        raise SpecError(
            f"{folder.record}: this sweep was begun with other values: {'; '.join(found)}. "
            "Restore them, or begin a new sweep with --name"
        )


def recorded(sweep: Sweep) -> dict[str, Any]:
    """The sweep, and a trial with the defaults filled in: defaults can change too."""
    first = sweep.trial(sweep.first_arm(), 0)
    return {**plain(sweep), DRAWN: plain(first)}


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """`path: recorded x, now y` for all that contradicts; growth does not."""
    a, b = _compared(old), _compared(new)
    return [
        f"{path}: recorded {a.get(path, 'nothing')}, now {b.get(path, 'nothing')}"
        for path in dict.fromkeys([*a, *b])
        if a.get(path) != b.get(path) and not _grown(path, a.get(path), b.get(path))
    ]


def _compared(values: dict[str, Any]) -> dict[str, Any]:
    """All values by their paths but words, and the fixed ones, which the trial holds in full."""
    deciding = {key: value for key, value in values.items() if key not in (*WORDS, "fixed")}
    return dict(leaves(deciding, whole=".cases."))  # a case is one arm, whole


def _grown(path: str, old: Any, new: Any) -> bool:
    if path == "seeds" or path.endswith(".choice"):
        return old is not None and new is not None and all(value in new for value in old)
    if ".cases." in path:
        return old is None
    if path == "search.arms":
        return old is not None and new is not None and new >= old
    return False
