"""What has been sent where: a file of additions, read once, never rewritten."""

from pathlib import Path
from typing import Any

from sid_sweep.files import Damaged, append_line
from sid_sweep.trials.checked import NOTE, read_each

FORGOTTEN = "forgotten"


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
                self._change(key, changes)
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
        self._change(key, changes)

    def forget(self, key: str) -> None:
        """Empty the note of `key`: what was sent is no longer there."""
        self.note(key, **{FORGOTTEN: True})

    def clear(self) -> None:
        """Forget everything: the store is another one."""
        self._notes = {}
        self.path.unlink(missing_ok=True)

    def _change(self, key: str, changes: dict[str, Any]) -> None:
        if FORGOTTEN in changes:
            self._notes.pop(key, None)
        else:
            self._notes.setdefault(key, {}).update(changes)
