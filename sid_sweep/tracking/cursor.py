"""What has been sent where: a file of additions, read once, never rewritten."""

from pathlib import Path
from typing import Any

from sid_sweep.files import append_line
from sid_sweep.trials.checked import NOTE, read_each


class Cursor:
    """Notes by key, each a few values, noted after the fact: a kill in between sends again what the
    store already has."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._notes: dict[str, dict[str, Any]] = {}
        for key, changes in read_each(NOTE, path):
            self._notes.setdefault(key, {}).update(changes)

    def __getitem__(self, key: str) -> dict[str, Any]:
        """What was noted of `key`; empty if nothing was."""
        return self._notes.get(key, {})

    def items(self) -> list[tuple[str, dict[str, Any]]]:
        """All notes."""
        return list(self._notes.items())

    def note(self, key: str, **changes: Any) -> None:
        """Change some values of `key`."""
        self._notes.setdefault(key, {}).update(changes)
        append_line(self._path, [key, changes])

    def clear(self) -> None:
        """Forget everything: the store is another one."""
        self._notes = {}
        self._path.unlink(missing_ok=True)
