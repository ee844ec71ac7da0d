"""Pictures in one array: .npy, or .npz with `labels` beside it. Nothing in them is unpickled."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from .contents import Contents, Load, numbered

CHANNELS = (1, 3)
LABELS = "labels"


class Header(NamedTuple):
    """What an array's file says of it before its numbers."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def lone(found: Path, where: str) -> Contents:
    """The pictures of a .npy, which is mapped into memory, not read.

    Raises:
        ValueError: it holds no pictures.
    """
    with _whole(where, ".npy"), found.open("rb") as file:
        header = _header(file)
    _check(header, where)
    with _whole(where, ".npy"):
        array = np.load(found, mmap_mode="r", allow_pickle=False)
    return _contents(array, None, where)


def zipped(found: Path, where: str) -> Contents:
    """The pictures of a .npz: its one array of three or four dimensions.

    Raises:
        ValueError: there is none, or more than one.
    """
    with _whole(where, ".npz"), zipfile.ZipFile(found) as file:
        names = [name for name in file.namelist() if name.endswith(".npy")]
        headers = {name.removesuffix(".npy"): _header(file.open(name)) for name in names}
    name = _pictured(headers, where)
    with _whole(where, ".npz"), np.load(found, allow_pickle=False) as arrays:
        array, labels = arrays[name], arrays[LABELS] if LABELS in headers else None
    return _contents(array, labels, where)


@contextmanager
def _whole(where: str, suffix: str) -> Iterator[None]:
    """Within, whatever NumPy says of a file is that it is not whole."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{where}: is no whole {suffix} ({reason})") from None


def _pictured(headers: dict[str, Header], where: str) -> str:
    found = [name for name, header in headers.items() if len(header.shape) in (3, 4)]
    if len(found) != 1:
        shapes = ", ".join(f"{name} {list(header.shape)}" for name, header in headers.items())
        raise ValueError(
            f"{where}: holds {shapes or 'nothing'}; it takes one array of pictures, "
            "[N, H, W, C] or [N, C, H, W], and labels [N]"
        )
    _check(headers[found[0]], f"{where}: {found[0]}")
    if LABELS in headers and headers[LABELS].dtype.hasobject:
        raise ValueError(f"{where}: labels are Python objects; save whole numbers")
    return found[0]


def _header(file: IO[bytes]) -> Header:
    """The first lines of the format: read by NumPy as literals, without running anything."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    return Header(shape, dtype)


def _check(header: Header, where: str) -> None:
    if header.dtype.hasobject:
        raise ValueError(
            f"{where}: holds Python objects, which only unpickling could read; save bytes (uint8)"
        )
    if header.dtype != np.uint8:
        raise ValueError(
            f"{where}: holds {header.dtype}; pictures are bytes from 0 to 255 (uint8), so scale "
            "and round them"
        )
    if len(header.shape) not in (3, 4) or 0 in header.shape:
        raise ValueError(
            f"{where}: has the shape {list(header.shape)}; pictures are [N, H, W, C], [N, C, H, W] "
            "or grey [N, H, W]"
        )


def _contents(array: np.ndarray, labels: np.ndarray | None, where: str) -> Contents:
    first = _channels_first(array, where)
    if first.shape[2] != first.shape[3]:
        size = f"{first.shape[3]} x {first.shape[2]}"
        raise ValueError(f"{where}: holds pictures of {size}; pictures are square, so crop them")

    def walk() -> Iterator[tuple[str, Load]]:
        for row in range(len(first)):
            yield f"picture {row}", lambda row=row: np.array(first[row])

    if labels is None:
        return Contents(len(first), walk)
    if labels.shape != (len(first),):
        raise ValueError(
            f"{where}: has labels {list(labels.shape)} for {len(first)} pictures; give one each"
        )
    names = [f"picture {row}" for row in range(len(first))]
    return Contents(len(first), walk, numbered(labels.tolist(), names, where=where))


def _channels_first(array: np.ndarray, where: str) -> np.ndarray:
    """[N, C, H, W], without a copy."""
    if array.ndim == 3:
        return array[:, None]
    _, second, _, last = array.shape
    if second in CHANNELS and last in CHANNELS:
        raise ValueError(f"{where}: has the shape {list(array.shape)}; which of them are channels?")
    if last in CHANNELS:
        return array.transpose(0, 3, 1, 2)
    if second in CHANNELS:
        return array
    remedy = "drop the alpha channel" if 4 in (second, last) else "one for grey, three for RGB"
    raise ValueError(
        f"{where}: has the shape {list(array.shape)}, none of which is 1 or 3 channels; {remedy}"
    )
