"""Arms that a file names by some of their knobs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError

from .arm import Arm, Scalar, value_text
from .base import plain
from .domain import Cases
from .paths import lookup

if TYPE_CHECKING:
    from .sweep import Sweep


def named_arm(sweep: "Sweep", values: Mapping[str, Scalar]) -> Arm:
    """The arm with these values; a knob that is not named has the value that a trial has where
    nobody sets it.

    Raises:
        ValueError: a knob has no such value, or is not there beside the others; the reason and the
            way out.
    """
    kept: dict[str, Scalar] = {}
    for knob, domain in sweep.domains.items():
        if not sweep.applies(knob, kept):
            if knob in values:
                needed = ", ".join(f"{path} = {value_text(v)}" for path, v in domain.when.items())
                raise ValueError(f"{knob} is there only where {needed}; leave it out")
            continue
        value = values.get(knob)
        if value is None:
            value = None if isinstance(domain, Cases) else _usual(sweep, kept, knob)
            if value is None or not domain.holds(value):
                known = "has no usual value"
                if value is not None:
                    known = f"is usually {value_text(value)}, outside its domain"
                raise ValueError(f"{knob} is not named, and {known}; name it")
        elif not domain.holds(value):
            raise ValueError(f"{knob} = {value!r} is outside the domain of the knob")
        kept[knob] = value
    return Arm(kept)


def _usual(sweep: "Sweep", kept: Mapping[str, Scalar], knob: str) -> Scalar | None:
    """What a knob is in a trial that has only these values besides the fixed ones."""
    try:
        return lookup(plain(sweep.trial(Arm(kept), 0)), knob)
    except ValidationError:
        return None
