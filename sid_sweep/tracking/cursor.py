"""What has been sent where: a file of additions, read once, never rewritten."""

from pathlib import Path
from typing import Any

from sid_sweep.files import Damaged, append_line
from sid_sweep.trials.checked import NOTE, read_each


class Cursor:
    """Notes by key, each a few values, noted after the fact: a kill in between sends again what the
    store already has. Lost notes cost time and nothing else."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_damaged = False
        """Whether somebody else has written into it: nothing that it says is believed."""
        self._notes: dict[str, dict[str, Any]] = {}
        try:
            for key, changes in read_each(NOTE, path):
                self._notes.setdefault(key, {}).update(changes)
        except Damaged:
            self._notes, self.is_damaged = {}, True

    def __getitem__(self, key: str) -> dict[str, Any]:
        """What was noted of `key`; empty if nothing was."""
        return self._notes.get(key, {})

    def items(self) -> list[tuple[str, dict[str, Any]]]:
        """All notes."""
        return list(self._notes.items())

    def note(self, key: str, **changes: Any) -> None:
        """Change some values of `key`; on the disk first, so that what failed is not believed."""
        append_line(self.path, [key, changes])
        self._notes.setdefault(key, {}).update(changes)

    def clear(self) -> None:
        """Forget everything: the store is another one."""
        self._notes = {}
        self.path.unlink(missing_ok=True)
