"""A replica: the sweep's folder once more, at any place that fsspec knows, such as a bucket.

The folder here stays the truth. Its replica follows it from a tracker's thread, as MLflow does;
where the folder is gone with its machine, a command takes it from there and goes on. Every file is
replaced as a whole, and a trial's result comes last, so what is there is what a kill might have
left here, and is mended as that is.
"""

import math
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import fsspec
from fsspec.implementations.local import LocalFileSystem

from sid_sweep.files import DiskFull, Unwritable, replacing, replacing_folder
from sid_sweep.spec import SpecError
from sid_sweep.trials import Entry, Result, SweepFolder, TrialFolder

from .client import reason, redact
from .identity import IDENTITY, identity
from .tracker import Tracker

CACHE = "cache"  # whose files never change
CACHED = ("teachers", "classifiers", "judges")  # pictures and what a hub keeps are made again
TOP_SECONDS = 60.0  # what grows with every trial, such as the journal, is not sent with every one


class Stamp(NamedTuple):
    """By which a file is known to be as it was."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> "Stamp":
        found = path.stat()
        return cls(found.st_size, found.st_mtime_ns)


class Place:
    """Where files are kept by name, below a URI."""

    def __init__(self, uri: str) -> None:
        self.files, self._root = fsspec.core.url_to_fs(uri)

    def sizes(self, below: str) -> dict[str, int]:
        """Of all files in a folder, by their names."""
        self.files.invalidate_cache()
        root = self._path("")
        found = self.files.find(self._path(below), detail=True)
        return {path.removeprefix(root): info["size"] for path, info in found.items()}

    def put(self, source: Path, name: str) -> None:
        """A file, whole or not at all."""
        path = self._path(name)
        self.files.makedirs(path.rpartition("/")[0], exist_ok=True)
        with (
            source.open("rb") as read,
            self.files.transaction,
            self.files.open(path, "wb") as written,
        ):
            shutil.copyfileobj(read, written, 2**24)

    def get(self, name: str, target: Path) -> None:
        with self.files.open(self._path(name), "rb") as read, target.open("wb") as written:
            shutil.copyfileobj(read, written, 2**24)

    def text(self, name: str) -> str:
        """Of a file; "" where there is none."""
        path = self._path(name)
        return self.files.cat_file(path).decode() if self.files.exists(path) else ""

    def remove(self, name: str) -> None:
        self.files.rm_file(self._path(name))

    def is_at(self, path: Path) -> bool:
        """Whether its files are those in a folder of this machine."""
        is_here = isinstance(self.files, LocalFileSystem)
        return is_here and Path(self._root).resolve() == path.resolve()

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"


class Replica:
    """Follows a sweep's folder: a tracker's mirror."""

    def __init__(self, folder: SweepFolder, uri: str) -> None:
        self.hint = hint(folder, uri)
        self.is_drawing = False
        """A file is on its way, and may be large."""
        self._storage, self._folder = folder.path.parent, folder
        self._place = Place(uri)
        self._there = self._place.sizes(folder.path.name) | self._place.sizes(CACHE)
        self._sent: dict[str, Stamp] = {}
        self._followed = -math.inf
        identity(folder)

    def show(self, entry: Entry) -> None:
        self._follow([self._folder.record, self._folder.numbering])  # which its trials count on
        if time.monotonic() - self._followed >= TOP_SECONDS:
            self._follow_top()
        self._follow_trial(entry.folder)

    def end(self, entry: Entry, result: Result) -> None:
        self.show(entry)

    def interrupt(self, why: str = "") -> None:
        self._follow_top()
        for trial in self._folder.trials_like(""):
            self._follow_trial(trial)

    def conclude(self, report: str, *, failed: bool) -> None:
        self.interrupt()

    def _follow_top(self) -> None:
        self._follow([*_top(self._folder), *_cached(self._folder)])
        self._followed = time.monotonic()

    def _follow_trial(self, trial: TrialFolder) -> None:
        """Its files, then what is no longer there goes. Its result, which is written last, is sent
        last, and only if it was there before the others were read."""
        files = sorted(_whole(trial.path.rglob("*")), key=lambda path: path == trial.ending)
        self._follow(files, are_final=files[-1:] == [trial.ending])
        kept, own = set(map(self._name, files)), f"{self._name(trial.path)}/"
        for name in [name for name in self._there if name.startswith(own) and name not in kept]:
            self._place.remove(name)
            del self._there[name]
            self._sent.pop(name, None)

    def _follow(self, files: Iterable[Path], *, are_final: bool = False) -> None:
        """Copy what has changed.

        Args:
            are_final: nothing is written there any more, so what has its size is there already.
        """
        for path in files:
            name = self._name(path)
            try:
                stamp = Stamp.of(path)
            except FileNotFoundError:  # since a moment ago
                continue
            is_final = are_final or name.startswith(f"{CACHE}/")
            is_there = is_final and self._there.get(name) == stamp.size
            if self._sent.get(name) == stamp or (name not in self._sent and is_there):
                continue
            self.is_drawing = True
            try:
                self._place.put(path, name)
            finally:
                self.is_drawing = False
            self._sent[name], self._there[name] = stamp, stamp.size

    def _name(self, path: Path) -> str:
        return path.relative_to(self._storage).as_posix()


def replicate(folder: SweepFolder, uri: str) -> Tracker:
    """A tracker that has a replica follow a sweep's folder."""
    name = f"the replica at {redact(uri)}"
    return Tracker(lambda: Replica(folder, uri), store=name, hint=hint(folder, uri))


def hint(folder: SweepFolder, uri: str) -> str:
    """Where a replica lies."""
    return f"{redact(uri).rstrip('/')}/{folder.path.name}"


def restore(
    folder: SweepFolder, uri: str, *, show: Callable[[int, int], None] = lambda done, total: None
) -> int:
    """Take a sweep's folder from its replica, where it is not here; how many files that were.

    Args:
        show: called with the files that have come, and with all.

    Raises:
        SpecError: the replica cannot be reached, or is another sweep's.
    """
    try:
        return _restored(folder, Place(uri), show)
    except (DiskFull, Unwritable):
        raise
    except SpecError as error:
        raise SpecError(f"--replica {redact(uri)}: {error}") from None
    except Exception as error:  # whatever a library of some store can raise
        raise SpecError(f"--replica {redact(uri)}: {reason(error)}") from None


def _restored(folder: SweepFolder, place: Place, show: Callable[[int, int], None]) -> int:
    storage, name = folder.path.parent, folder.path.name
    if place.is_at(storage):
        raise SpecError("is where the sweep lies; name another place")
    theirs = place.text(f"{name}/{IDENTITY}.json")
    if folder.path.exists():
        own = folder.path / f"{IDENTITY}.json"
        if theirs and (not own.exists() or own.read_text() != theirs):
            raise SpecError(
                f"holds another sweep called {name} than {folder.path}; name another place, or "
                f"move {folder.path} away to go on with the one there"
            )
        return 0
    files = [*place.sizes(name), *(f for f in place.sizes(CACHE) if not (storage / f).exists())]
    if outside := next((file for file in files if ".." in file.split("/")), None):
        raise SpecError(f"holds {outside}, which leads out of the folder; it is none of ours")
    done = 0
    if theirs:
        with replacing_folder(folder.path) as partial:
            for file in files:
                show(done, len(files))
                if file.startswith(f"{CACHE}/"):
                    with replacing(storage / file) as whole:
                        place.get(file, whole)
                else:
                    target = partial / file.removeprefix(f"{name}/")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    place.get(file, target)
                done += 1
    return done


def _top(folder: SweepFolder) -> Iterator[Path]:
    """What lies in a sweep's folder beside its trials."""
    yield from _whole(folder.path.glob("*"))


def _cached(folder: SweepFolder) -> Iterator[Path]:
    """What was trained once for all sweeps."""
    for kind in CACHED:
        yield from _whole((folder.cache / kind).glob("*"))


def _whole(paths: Iterable[Path]) -> Iterator[Path]:
    """Files that hold something: no locks, and nothing that is just being written."""
    for path in sorted(paths):
        if path.is_file() and path.suffix != ".lock" and not path.name.startswith("."):
            yield path
