"""Pictures of someone else's, whatever their format: what they are, and their bytes.

They are decoded once, into a folder of the cache that is named by what the files hold: `images.npy`
[N, C, H, W], `labels.npy`, `facts.json`. It is whole or absent, is mapped into memory and holds
nothing but numbers; where it is damaged, it is set aside and they are decoded again.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8
from pydantic import ConfigDict, TypeAdapter, with_config

from sid_sweep.cache import whole_or_made
from sid_sweep.files import Damaged, read_bytes, replacing_folder, write_json

from . import arrays, parquet, trees
from .contents import Contents, Load
from .decode import SUFFIXES, CorruptPicture
from .fingerprint import fingerprint, locate
from .moments import Moments

PICTURES_VERSION = 2  # raise it when files are read otherwise
IMAGES, CLASSES, FACTS = "images.npy", "labels.npy", "facts.json"
BLOCK = 64  # pictures that are decoded at a time, by so many threads:
THREADS = 4
SKIP = "restore it, or leave such pictures out with data.skip_corrupt: true"

Report = Callable[[int, int], None]
"""Called with how many pictures are decoded, and of how many."""


def silent(done: int, total: int) -> None:
    """No progress report."""


@dataclass(frozen=True)
class Facts:
    """What can be said of pictures after a look at the first."""

    num: int
    height: int
    width: int
    channels: int
    num_classes: int
    ignored: int = 0

    def __str__(self) -> str:
        colour = "grey" if self.channels == 1 else "colour"
        classes = f", {self.num_classes:,} classes" if self.num_classes else ""
        ignored = f"; {self.ignored:,} other files are ignored" if self.ignored else ""
        size = f"{self.height} x {self.width}"
        return f"{self.num:,} pictures of {size}, {colour}{classes}{ignored}"


@dataclass(frozen=True)
class Pictures:
    """Decoded pictures."""

    images: UInt8[np.ndarray, "N C H W"]
    labels: Int64[np.ndarray, " N"] | None
    sigma_data: float
    """Their deviation from their mean, at pixels in [-1, 1]."""
    num_classes: int
    classes: list[str]
    skipped: list[str]
    """What was wrong with those that were left out."""


@with_config(ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
@dataclass(frozen=True, kw_only=True)
class _Facts:
    """What `facts.json` says."""

    sigma_data: float
    num_classes: int
    classes: list[str]
    skipped: list[str]
    sha256: str
    """Of all that the folder holds."""


_FACTS = TypeAdapter(_Facts)


def contents(path: str) -> Contents:
    """What lies at a path, by its suffix.

    Raises:
        ValueError: nothing that is taken.
    """
    found = locate(path)
    match found.suffix.lower():
        case _ if found.is_dir():
            shards = sorted(found.rglob("*.parquet"))
            return parquet.table(shards, path) if shards else trees.folder(found, path)
        case ".zip":
            return trees.archive(found, path)
        case ".npy":
            return arrays.lone(found, path)
        case ".npz":
            return arrays.zipped(found, path)
        case ".parquet":
            return parquet.table([found], path)
    taken = f"a folder of {', '.join(SUFFIXES)}, or a .zip, .npy, .npz or .parquet"
    raise ValueError(f"{path}: is nothing that pictures are read from; it takes {taken}")


def facts(path: str, *, skip_corrupt: bool = False) -> Facts:
    """A look at the names and at the first picture: light enough for a plan.

    Raises:
        ValueError: nothing that is taken lies there.
    """
    found = contents(path)
    for _, load in found.pictures():
        try:
            channels, height, width = load().shape
        except CorruptPicture as error:
            if not skip_corrupt:
                raise ValueError(f"{error}; {SKIP}") from None
            continue
        return Facts(found.num, height, width, channels, found.num_classes, found.ignored)
    raise ValueError(f"{path}: not one of its {found.num:,} pictures can be decoded")


def pictures(
    path: str,
    *,
    cache: Path,
    skip_corrupt: bool = False,
    report: Report = silent,
    sum_too: bool = False,
) -> Pictures:
    """The pictures at a path, from the cache or decoded now while others wait.

    Args:
        sum_too: read all of the cache, and see whether its sum is that of what was decoded.

    Raises:
        ValueError: one is not like the others, or is corrupt; the message names it.
    """
    folder = folder_of(path, cache=cache)

    def read() -> Pictures:
        return _read(folder, sum_too=sum_too)

    def make() -> None:
        with replacing_folder(folder) as partial:
            _decode(path, partial, skip_corrupt=skip_corrupt, report=report)

    try:
        found = read()
    except (Damaged, FileNotFoundError):
        found = whole_or_made(folder, read=read, make=make)
    if found.skipped and not skip_corrupt:
        raise ValueError(f"{path}: {found.skipped[0]}; {SKIP}")
    return found


def _read(folder: Path, *, sum_too: bool) -> Pictures:
    """What `_decode` wrote.

    Raises:
        Damaged: it is not there any more.
        FileNotFoundError: there is no such folder.
    """
    folder.lstat()
    try:
        known = _FACTS.validate_json(read_bytes(folder / FACTS))
        images = np.load(folder / IMAGES, mmap_mode="r")
        labels = np.load(folder / CLASSES) if known.num_classes else None
    except (ValueError, OSError, EOFError) as error:
        raise Damaged(folder, f"holds no pictures as they were decoded ({error})") from None
    words = asdict(known)
    expected = words.pop("sha256")
    is_whole = images.dtype == np.uint8 and images.ndim == 4 and 0 not in images.shape
    is_told = labels is None or (labels.dtype == np.int64 and labels.shape == images.shape[:1])
    if not (is_whole and is_told) or (sum_too and expected != _sum(folder, words)):
        raise Damaged(folder, "does not hold the pictures that were decoded")
    return Pictures(images, labels, **words)


def _sum(folder: Path, words: dict[str, Any]) -> str:
    """SHA-256 of what is said of pictures, and of the files that hold them."""
    found = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
    for name in (IMAGES, CLASSES) if words["num_classes"] else (IMAGES,):
        with (folder / name).open("rb") as file:
            hashlib.file_digest(file, lambda: found)
    return found.hexdigest()


def folder_of(path: str, *, cache: Path) -> Path:
    """Where the pictures at a path lie once they are decoded."""
    return cache / "pictures" / f"{fingerprint(path)[:32]}-v{PICTURES_VERSION}"


def _decode(path: str, folder: Path, *, skip_corrupt: bool, report: Report) -> None:
    found = contents(path)
    kept: list[int] = []
    skipped: list[str] = []
    first, moments = "", Moments()
    with (folder / IMAGES).open("wb") as file:
        for row, (name, own) in enumerate(_decoded(found)):
            report(row, found.num)
            if isinstance(own, CorruptPicture):
                if not skip_corrupt:
                    raise ValueError(f"{own}; {SKIP}")
                skipped.append(str(own).removeprefix(f"{path}: "))
                continue
            if not kept:
                first, shape = name, own.shape
                file.write(_header((found.num, *shape)))
            elif own.shape != shape:
                raise ValueError(f"{path}: {_unlike(name, own.shape, first, shape)}")
            file.write(own.tobytes())
            moments.add(own)
            kept.append(row)
        if not kept:
            raise ValueError(f"{path}: not one of its {found.num:,} pictures can be decoded")
        file.seek(0)
        file.write(_header((len(kept), *shape)))
    if moments.deviation == 0:
        raise ValueError(
            f"{path}: all its pictures are one, bit for bit; there is nothing to learn"
        )
    if found.labels is not None:
        np.save(folder / CLASSES, found.labels[kept])
    known = {"sigma_data": moments.deviation, "num_classes": found.num_classes}
    known |= {"classes": found.classes, "skipped": skipped}
    write_json(folder / FACTS, {**known, "sha256": _sum(folder, known)})
    report(found.num, found.num)


def _decoded(found: Contents) -> Iterator[tuple[str, np.ndarray | CorruptPicture]]:
    """All pictures in order, some decoded at a time; what is corrupt is given, not raised."""
    left = found.pictures()
    with ThreadPoolExecutor(THREADS) as threads:
        while block := list(islice(left, BLOCK)):
            yield from zip(
                (name for name, _ in block),
                threads.map(_tried, (load for _, load in block)),
                strict=True,
            )


def _tried(load: Load) -> np.ndarray | CorruptPicture:
    try:
        return load()
    except CorruptPicture as error:
        return error


def _header(shape: tuple[int, ...]) -> bytes:
    """The first bytes of a .npy; as long for any number of pictures, since NumPy leaves room for a
    first dimension that grows."""
    header = BytesIO()
    values = {"shape": shape, "fortran_order": False, "descr": "|u1"}
    np.lib.format.write_array_header_1_0(header, values)
    return header.getvalue()


def _unlike(name: str, shape: tuple[int, ...], first: str, expected: tuple[int, ...]) -> str:
    """Why a picture cannot stand beside the first."""
    if shape[1:] != expected[1:]:
        sizes = [f"{width} x {height}" for _, height, width in (shape, expected)]
        return f"{name}: is {sizes[0]}, and {first} is {sizes[1]}; crop or resize them to one size"
    kinds = ["grey" if channels == 1 else "colour" for channels, *_ in (shape, expected)]
    return f"{name}: is {kinds[0]}, and {first} is {kinds[1]}; convert all to one of them"
