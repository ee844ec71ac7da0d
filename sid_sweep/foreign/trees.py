"""Trees of picture files, in a folder or in a zip, and what classes they are of.

Where a `dataset.json` lies at the root, as EDM's dataset tool writes it, its `labels` say the
classes, and the folders are none (the tool's folders only keep each from growing large). Elsewhere
the folders below the pictures' common one are classes, in the order of their names.
"""

import functools
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Int64
from pydantic_core import from_json

from .contents import Contents, Load, numbered
from .decode import LARGEST_BYTES, SUFFIXES, CorruptPicture, decode

INDEX = "dataset.json"
LITTER = "__MACOSX"


def folder(found: Path, where: str) -> Contents:
    """The pictures below a folder.

    Raises:
        ValueError: there are none, or their classes are not clear.
    """
    files = {p.relative_to(found).as_posix(): p for p in found.rglob("*") if p.is_file()}

    def read(name: str) -> bytes:
        if files[name].stat().st_size > LARGEST_BYTES:
            raise ValueError(f"{where}/{name}: has more than {LARGEST_BYTES} bytes")
        return files[name].read_bytes()

    return _tree(list(files), read, where)


def archive(found: Path, where: str) -> Contents:
    """The pictures in a zip, which is read in place: nothing is written under its names.

    Raises:
        ValueError: it is no whole zip, or holds no pictures, or their classes are not clear.
    """
    try:
        opened = zipfile.ZipFile(found)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ValueError(f"{where}: is no whole zip ({error})") from None
    infos = {info.filename: info for info in opened.infolist() if not info.is_dir()}

    def read(name: str) -> bytes:
        info = infos[name]
        if info.flag_bits & 1:
            raise ValueError(f"{where}: {name} is encrypted; zip it without a password")
        if name != INDEX and info.file_size > LARGEST_BYTES:
            raise ValueError(f"{where}: {name} unpacks to more than {LARGEST_BYTES} bytes")
        try:
            return opened.read(info)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise CorruptPicture(f"{where}: {name} cannot be unpacked ({error})") from None
        except NotImplementedError as error:
            raise ValueError(
                f"{where}: {name} is packed in a way that is not read: {error}"
            ) from None

    return _tree(list(infos), read, where)


def _tree(names: Sequence[str], read: Callable[[str], bytes], where: str) -> Contents:
    visible = [name for name in names if not _is_litter(name)]
    pictures = sorted(name for name in visible if name.lower().endswith(SUFFIXES))
    if not pictures:
        raise ValueError(
            f"{where}: holds no pictures; it takes {', '.join(SUFFIXES)} in it or in its folders"
        )
    has_index = INDEX in visible
    if has_index:
        classes, labels = (), _indexed(read(INDEX), pictures, where)
    else:
        classes, labels = _by_folder(pictures, where)

    def walk() -> Iterator[tuple[str, Load]]:
        for name in pictures:
            yield name, functools.partial(_load, read, name, where)

    ignored = len(visible) - len(pictures) - has_index
    return Contents(len(pictures), walk, labels, classes, ignored)


def _load(read: Callable[[str], bytes], name: str, where: str) -> np.ndarray:
    return decode(read(name), f"{where}: {name}")


def _is_litter(name: str) -> bool:
    """Files that systems leave about, which no one put there."""
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") or part == LITTER for part in parts)


def _by_folder(
    pictures: Sequence[str], where: str
) -> tuple[tuple[str, ...], Int64[np.ndarray, " N"] | None]:
    """Classes by the folders below the pictures' common one; none where all lie in that."""
    parents = [PurePosixPath(name).parent for name in pictures]
    depth = len(PurePosixPath(os.path.commonpath(parents)).parts)
    own = [parent.parts[depth] if len(parent.parts) > depth else "" for parent in parents]
    classes = tuple(sorted(set(own)))
    if classes == ("",):
        return (), None
    if "" in classes:
        raise ValueError(
            f"{where}: {pictures[own.index('')]} lies beside the folders of classes and has none; "
            "every picture or none has a class, so move it into a folder"
        )
    number = {name: label for label, name in enumerate(classes)}
    return classes, np.array([number[name] for name in own], dtype=np.int64)


def _indexed(content: bytes, pictures: Sequence[str], where: str) -> Int64[np.ndarray, " N"] | None:
    """The labels that a dataset.json gives; none where it gives null.

    Raises:
        ValueError: they are not those of the pictures.
    """
    labels = _pairs(content, where)
    if labels is None:
        return None
    where = f"{where}: {INDEX}"
    if unknown := sorted(set(labels) - set(pictures)):
        raise ValueError(f"{where} has a label for {unknown[0]}, and there is no such picture")
    if missing := next((name for name in pictures if name not in labels), None):
        raise ValueError(f"{where} has no label for {missing}; every picture or none has one")
    return numbered([labels[name] for name in pictures], pictures, where=where)


def _pairs(content: bytes, where: str) -> dict[str, Any] | None:
    try:
        labels = from_json(content)["labels"]
        return None if labels is None else {n.replace("\\", "/"): own for n, own in labels}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError(
            f"{where}: {INDEX} is not as EDM's dataset tool writes it; "
            'it holds {"labels": [[name, class], ...]} or {"labels": null}'
        ) from None
