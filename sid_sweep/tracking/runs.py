"""Which of MLflow's runs is whose: every key of a sweep's folder has one, made once, found again.

What was made is noted in a cursor beside the folder, after the fact. A kill in between, or an
answer that was lost, is made good by asking: runs carry the folder's identity and their key in it,
so that one that was made and not noted is found.
"""

from collections.abc import Mapping

from .cursor import Cursor
from .identity import IDENTITY
from .store import TAG, Status, Store, is_bare

SWEEP = "sweep"  # key of the run that holds all others


def arm_key(number: int) -> str:
    """Of an arm's run; that of a trial is `Entry.key`."""
    return f"arm {number}"


class Runs:
    """The runs of one sweep's folder in one store."""

    def __init__(self, store: Store, cursor: Cursor, *, identity: str) -> None:
        self.store, self.cursor = store, cursor
        self.blank: set[str] = set()
        """Whose run was made just now, and has no point yet."""
        self._identity = identity
        self._met: set[str] = set()
        """Whose run the store is known to have."""
        self._asked: set[str] = set()
        """For which a run was asked for; whether one was made is known once it is noted."""
        self._is_late = False
        """Whether one may still be made that was asked for twice."""

    def __getitem__(self, key: str) -> str:
        """The run of `key`; "" where none is known."""
        return self.cursor[key].get("run_id", "")

    def open_sweep(self, name: str) -> None:
        """The sweep's own run: found, opened again or made."""
        self.store.restore(self._identity)
        if self[SWEEP] and not self.store.reopen(self[SWEEP]):
            self.cursor.clear()  # the store was deleted or replaced: everything is sent anew
        if not self.cursor[IDENTITY]:
            self.cursor.note(IDENTITY, value=self._identity, **self.store.place)
        known = self[SWEEP]
        self._adopt()
        if not self[SWEEP]:
            self.make(SWEEP, name, {"level": "sweep"}, parent="")
        elif self[SWEEP] != known:
            self.store.reopen(self[SWEEP])

    def make(self, key: str, name: str, tags: Mapping[str, str], *, parent: str) -> None:
        """A new run for `key`, unless one was made that nobody noted."""
        if key in self._asked:
            self._is_late = True
            self._adopt()
        if self[key]:
            return
        self._asked.add(key)
        own = {**tags, "key": key, IDENTITY: self._identity}
        run_id = self.store.create(name, own, parent=parent)
        self.cursor.note(key, run_id=run_id, open=True)
        self.blank.add(key)
        self._met.add(key)
        self._asked.discard(key)

    def reopened(self, key: str) -> bool:
        """Open the run that is noted for `key`; False where there is none, or where the store has
        lost it for ever, as `mlflow gc` does."""
        note = self.cursor[key]
        if not self[key] or (note.get("open") and self.has_met(key)):
            return bool(self[key])
        if not self.store.reopen(self[key]):
            self.cursor.forget(key)
            return False
        if not note.get("open"):
            self.cursor.note(key, open=True)
        self._met.add(key)
        return True

    def has_met(self, key: str) -> bool:
        """Whether the store is known to have the run of `key`."""
        return key in self._met

    def end(self, key: str, status: Status, **noted: object) -> None:
        """Let a run be over, and note so."""
        self.store.end(self[key], status)
        self.cursor.note(key, open=False, **noted)

    def kill(self) -> None:
        """All that are open, to be opened again by the next run of the sweep."""
        for key, note in self.cursor.items():
            if note.get("open") and key != SWEEP:
                self.end(key, "KILLED")
        self.store.end(self[SWEEP], "KILLED")

    def settle(self) -> None:
        """Before the end: look for what was made late, where that can be."""
        if self._is_late:
            self._adopt()

    def _adopt(self) -> None:
        """Note the runs of this folder that no note names, and disown those that stand twice: a
        server that hung may have made one long after nobody waited for it any more."""
        known = {note["run_id"] for _, note in self.cursor.items() if "run_id" in note}
        for run in self.store.unknown(self._identity, known):
            key, is_open = run.data.tags[f"{TAG}key"], run.info.status == "RUNNING"
            if not self[key]:
                self.cursor.note(key, run_id=run.info.run_id, open=is_open)
            elif is_bare(run):
                self.store.disown(run.info.run_id)
