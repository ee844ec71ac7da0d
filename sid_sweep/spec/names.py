"""Names that become folders: of a sweep, wherever it was read, and of a trial."""

import re
from typing import Annotated

from pydantic import Field

from .base import SpecError

SWEEP = r"^[a-z0-9][a-z0-9_-]{0,63}$"
TRIAL = r"^[0-9a-f]{12}$"
RULE = "only a-z, 0-9, _ and -, at most 64, beginning with a letter or digit"

Name = Annotated[str, Field(pattern=SWEEP)]


def sweep_name(text: str) -> str:
    """`text`, which names a sweep: a folder of that name lies where sweeps and reports lie.

    Raises:
        SpecError: it could name another place, such as `../x`.
    """
    if not isinstance(text, str) or not re.fullmatch(SWEEP, text.replace("\n", "/")):
        raise SpecError(f"{text!r} is no name of a sweep: {RULE}")
    return text


def trial_name(text: str) -> str:
    """`text`, which is the digest of a trial and the name of its folder.

    Raises:
        SpecError: it could name another place.
    """
    if not re.fullmatch(TRIAL, text.replace("\n", "/")):
        raise SpecError(f"{text!r} is no digest of a trial: 12 of 0-9 and a-f")
    return text
