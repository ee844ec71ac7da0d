"""The Nth thing that a process does to the disk fails, or is the last that it does.

Counted are opening a file for writing, each write, sync, rename, removal and new folder below a
place; of the many small writes into one open file, the first, second, fourth, eighth and so on. A
write that fails leaves half of what was to be written. What torch and safetensors write past Python
counts as one write for each file.
"""

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

DIED = 77  # exit status of a process that ended at its Nth point


class Faults:
    """Counts what is done below a place, and lets the Nth go wrong."""

    def __init__(self, place: Path, *, nth: int = 0, kind: str = "die") -> None:
        """
        Args:
            nth: from 1; 0: nothing goes wrong.
            kind: an error's name (ENOSPC, EIO), or "die".
        """
        self.place, self.nth, self.kind = str(place), nth, kind
        self.seen: list[str] = []

    def point(self, what: str, path: Any, *, torn: Callable[[], object] = lambda: None) -> None:
        """One more; `torn` is done where it goes wrong."""
        if not str(path).startswith(self.place):
            return
        self.seen.append(f"{what} {Path(str(path)).name}")
        if len(self.seen) == self.nth:
            torn()
            if self.kind == "die":
                os._exit(DIED)
            code = getattr(errno, self.kind)
            raise OSError(code, os.strerror(code), str(path))

    @contextmanager
    def installed(self) -> Iterator["Faults"]:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("mkdir", "unlink", "rmdir"):
                patch.setattr(os, name, self._told(name, getattr(os, name)))
            for name in ("rename", "replace"):
                patch.setattr(os, name, self._told(name, getattr(os, name), which=1))
            patch.setattr(os, "fsync", self._fsync(os.fsync))
            opened = self._open(io.open)
            for module in (builtins, io):
                patch.setattr(module, "open", opened)
            for module, name in ((torch, "save"), (safetensors.torch, "save_file")):
                patch.setattr(module, name, self._saved(getattr(module, name)))
            patch.setattr("sid_sweep.tensors.save_file", safetensors.torch.save_file)
            yield self

    def _told(self, name: str, act: Callable, *, which: int = 0) -> Callable:
        def told(*arguments: Any, **options: Any) -> Any:
            self.point(name, arguments[which])
            return act(*arguments, **options)

        return told

    def _fsync(self, act: Callable) -> Callable:
        def fsync(handle: int) -> None:
            self.point("fsync", os.readlink(f"/proc/self/fd/{handle}"))
            act(handle)

        return fsync

    def _open(self, act: Callable) -> Callable:
        def opened(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if isinstance(file, int) or not set(mode) & set("wax+"):
                return act(file, mode, *arguments, **options)
            self.point("open", file)
            made = act(file, mode, *arguments, **options)
            if str(file).startswith(self.place):
                made.write = self._written(made, made.write, file)
            return made

        return opened

    def _written(self, file: Any, act: Callable, path: Any) -> Callable:
        count = 0

        def write(content: Any) -> int:
            nonlocal count
            count += 1

            def torn() -> None:
                act(content[: len(content) // 2])
                file.flush()

            if count & (count - 1) == 0:
                self.point("write", path, torn=torn)
            return act(content)

        return write

    def _saved(self, act: Callable) -> Callable:
        def saved(contents: Any, path: Any, *arguments: Any, **options: Any) -> None:
            def torn() -> None:
                act(contents, path, *arguments, **options)
                os.truncate(path, os.path.getsize(path) // 2)

            self.point("write", path, torn=torn)
            act(contents, path, *arguments, **options)

        return saved
