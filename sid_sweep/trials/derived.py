"""What trials tell of their sweep, where the list of its arms is lost."""

from collections.abc import Sequence
from itertools import product

from pydantic import ValidationError

from sid_sweep.files import Damaged
from sid_sweep.spec import Arm, Sweep, digest
from sid_sweep.spec.domain import Cases
from sid_sweep.spec.paths import lookup

from .folder import TrialFolder
from .sweep_folder import Entry


def arm_of(trial: TrialFolder, sweep: Sweep) -> Arm | None:
    """The arm that comes to a trial; None where the trial is not of this sweep.

    Raises:
        Damaged: its specification cannot be read.
        FileNotFoundError: it has none.
    """
    values = trial.values()
    options = [
        domain.corners() if isinstance(domain, Cases) else [lookup(values, knob)]
        for knob, domain in sweep.domains.items()
    ]
    for choice in product(*options):
        arm = sweep.trimmed(dict(zip(sweep.domains, choice, strict=True)))
        try:
            if digest(sweep.trial(arm, values["seed"])) == trial.path.name:
                return arm
        except (ValidationError, ValueError, KeyError):
            continue
    return None


def unlisted(begun: Sequence[TrialFolder], entries: Sequence[Entry], sweep: Sweep) -> list[Arm]:
    """Arms of trials that are no sweep's entries: an arm is listed before its first trial begins.

    Args:
        begun: found before the entries, since a sweep that runs adds to both.
    """
    known, places = {own.arm for own in entries}, {own.folder.path.name for own in entries}
    found: dict[Arm, None] = {}
    for trial in begun:
        if trial.path.name in places:
            continue
        try:
            arm = arm_of(trial, sweep)
        except (Damaged, FileNotFoundError):
            continue
        if arm is not None and arm not in known:
            found[arm] = None
    return list(found)
