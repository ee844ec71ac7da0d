"""Mends a whole sweep's folder, in order: what one file lost, those before it may have.

The journal holds nothing that arms and results do not: where it is damaged, a new one begins with
the arms that are known, and finds their results. The arms' numbers are derived from the journal,
else from the trials.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from sid_sweep.files import Damaged, drop_half_line, set_aside, whole_lines, write_lines
from sid_sweep.spec import Arm, SpecError, Sweep
from sid_sweep.trials import SweepFolder
from sid_sweep.trials.checked import parsed
from sid_sweep.trials.derived import arm_of
from sid_sweep.trials.mend import mend_spending, mend_sweep, mend_trials
from sid_sweep.trials.sweep_folder import ARM

from .study import arms_asked

BEGUN_AGAIN = "made again from the arms and their results"


def mend(folder: SweepFolder, sweep: Sweep) -> list[str]:
    """Set aside what is damaged, and derive what it held; a line for each file. For the command
    that holds the folder, before it reads it.

    Raises:
        SpecError: what is damaged cannot be derived.
    """
    lines = [*mend_sweep(folder, sweep), *_mend_ledger(folder, sweep)]
    return [*lines, *mend_trials(folder, sweep), *mend_spending(folder)]


def _mend_ledger(folder: SweepFolder, sweep: Sweep) -> Iterator[str]:
    """Journal and arms. A kill leaves at most one arm that the journal alone knows."""
    path, journal = folder.numbering, folder.journal
    found, what = _numbered(path, sweep)
    asked: list[Arm] = []
    try:
        asked = arms_asked(journal, sweep)
        if any(found) and not asked:
            raise Damaged(journal, "knows of no arm")
    except Damaged as damaged:
        if journal.exists():
            place = set_aside(journal)
            yield f"{journal}: {damaged.what}; set aside as {place.name}, {BEGUN_AGAIN}"
    known = [*asked, *_arms_begun(folder, sweep)] if what or len(found) < len(asked) - 1 else []
    missing = [arm for arm in dict.fromkeys(known) if arm not in found]
    if not what and not missing:
        return
    arms = [own or (missing.pop(0) if missing else None) for own in found]
    while arms and arms[-1] is None:
        arms.pop()
    what = what or f"lacks {len(missing)} arms that were asked for"
    if None in arms:
        raise SpecError(
            f"{path}: {what}, and nothing else says which arm stood there; restore the file, or "
            "begin a new sweep with --name"
        )
    place = set_aside(path).name if path.exists() else "nothing"
    write_lines(path, [dict(arm) for arm in (*arms, *missing) if arm is not None])
    yield f"{path}: {what}; set aside as {place}, derived from the journal and the trials"


def _numbered(path: Path, sweep: Sweep) -> tuple[list[Arm | None], str]:
    """The arms by their numbers, None for what is none, and what is wrong first."""
    found: list[Arm | None] = []
    trouble: list[str] = []
    try:
        lines = whole_lines(path)
        drop_half_line(path)
    except Damaged as damaged:
        return [], damaged.what
    for number, line in enumerate(lines, 1):
        try:
            arm = Arm(parsed(ARM, line, path))
            if arm in found or not _is_arm(arm, sweep):
                raise Damaged(path, "is no arm of this sweep, or stands twice")
            found.append(arm)
        except Damaged as damaged:
            found.append(None)
            trouble.append(f"line {number}: {damaged.what}")
    return found, trouble[0] if trouble else ""


def _is_arm(arm: Arm, sweep: Sweep) -> bool:
    try:
        return set(arm) <= set(sweep.domains) and bool(sweep.trials(arm))
    except (ValidationError, ValueError):
        return False


def _arms_begun(folder: SweepFolder, sweep: Sweep) -> list[Arm]:
    """The arms of all trials there, in the order in which these were first evaluated."""
    found: list[tuple[int, Arm]] = []
    for own in folder.trials_like(""):
        try:
            measured, arm = own.measurements(), arm_of(own, sweep)
        except (Damaged, FileNotFoundError):
            continue
        if arm is not None:
            found.append((measured[0].timestamp_ms if measured else 2**63, arm))
    return [arm for _, arm in sorted(found, key=lambda pair: pair[0])]
