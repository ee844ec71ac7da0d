"""Whether a new reading of the YAML agrees with what a sweep's folder says that it is.

A sweep may grow (arms, seeds, choices), how its seeds are handed out and its words may change.
Anything else would mix answers to two questions in one table, and is refused with the difference.
"""

from typing import Any

from sid_sweep.files import write_json
from sid_sweep.foreign.fingerprint import fingerprint
from sid_sweep.spec import SpecError, Sweep, plain
from sid_sweep.spec.paths import leaves
from sid_sweep.spec.seeds import Seeds
from sid_sweep.spec.trial import JUDGE_VERSION

from .sweep_folder import DRAWN, FOREIGN, SweepFolder

WORDS = (
    *("question", "expect", "found", "resources", "limits"),
    *("baseline", "columns", "constraints"),
)
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
    if found := differences(folder.recorded()[1], recorded(sweep)):
        raise SpecError(
            f"{folder.record}: this sweep was begun with other values: {'; '.join(found)}. "
            "Restore them, or begin a new sweep with --name"
        )


def recorded(sweep: Sweep) -> dict[str, Any]:
    """The sweep, a trial with the defaults filled in, how trials are judged, and what the files
    hold that someone else made: all of these can change."""
    first = sweep.trial(sweep.first_arm(), 0)
    return {
        **plain(sweep),
        DRAWN: {**plain(first), "judge": JUDGE_VERSION},
        FOREIGN: {path: _sha256(path) for path in sweep.foreign()},
    }


def _sha256(path: str) -> str:
    try:
        return fingerprint(path)
    except ValueError as error:
        raise SpecError(str(error)) from None


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """`path: recorded x, now y` for all that contradicts; growth does not."""
    a, b = _compared(old), _compared(new)
    changed = [
        f"{path}: recorded {a.get(path, 'nothing')}, now {b.get(path, 'nothing')}"
        for path in dict.fromkeys([*a, *b])
        if a.get(path) != b.get(path) and not _grown(path, a.get(path), b.get(path))
    ]
    seeds = (Seeds.model_validate(values["seeds"]) for values in (old, new))
    return [
        *_seed_differences(*seeds),
        *_file_differences(old.get(FOREIGN, {}), new[FOREIGN]),
        *changed,
    ]


def _file_differences(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Files that were changed or exchanged; others may come and go with the arms."""
    return [
        f"{path}: held {old[path][:12]}, now {new[path][:12]} (SHA-256)"
        for path in sorted(set(old) & set(new))
        if old[path] != new[path]
    ]


def _seed_differences(old: Seeds, new: Seeds) -> list[str]:
    """Seeds that are gone or no longer fresh. How they are handed out is not among them: it decides
    which trials run, and none of their results."""
    if seen := sorted(set(old.screen) & set(new.confirm)):
        return [
            f"seeds.confirm: {seen[0]} has screened arms here, so it is not fresh; confirm on "
            "seeds that no arm has run on"
        ]
    lists = {"screen": (old.screen, new.screen), "confirm": (old.confirm, new.confirm)}
    return [
        f"seeds.{name}: recorded {before}, now {now or 'nothing'}"
        for name, (before, now) in lists.items()
        if not set(before) <= set(now)
    ]


def _compared(values: dict[str, Any]) -> dict[str, Any]:
    """All values by their paths but words, seeds, and the fixed ones, which the trial holds in
    full."""
    apart = (*WORDS, "fixed", "seeds", FOREIGN)
    deciding = {key: value for key, value in values.items() if key not in apart}
    return dict(leaves(deciding, whole=".cases."))  # a case is one arm, whole


def _grown(path: str, old: Any, new: Any) -> bool:
    if path.endswith(".choice"):
        return old is not None and new is not None and all(value in new for value in old)
    if ".cases." in path:
        return old is None
    if path == "search.try":
        return all(arm in (new or []) for arm in old or [])
    if path == "search.arms":
        return old is not None and new is not None and new >= old
    return False
