"""What a part of a specification means, whatever its files are called."""

from typing import Any

from sid_sweep.spec import Spec, plain
from sid_sweep.spec.base import foreign_paths
from sid_sweep.spec.paths import assign

from .fingerprint import fingerprint


def identity(part: Spec) -> dict[str, Any]:
    """Its values, where a path is replaced by the fingerprint of what lies there.

    Raises:
        ValueError: there is none.
    """
    values = plain(part)
    for path, name in foreign_paths(part).items():
        assign(values, path.split("."), fingerprint(name))
    return values
