"""The sum of all that a safetensors file holds, found block by block and without torch.

safetensors looks at the layout of a file and no more: weights whose bits have changed on the disk
would be loaded like any others. So a file of this program has words of its own in the header, and
among them the sum.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pydantic_core import from_json
from safetensors import SafetensorError, safe_open

from .files import Damaged

HEADER = "sid_sweep"  # the one entry of the file's own, whose order would be left to chance
SUM = "blake2b"  # in the header, beside what else is written there
CHUNK_BYTES = 2**20
LENGTH_BYTES = 8  # before the header of JSON, of which they say how long it is
TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64",
    "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
"""Torch's names of the format's types."""


def begun(words: Mapping[str, Any], layout: Mapping[str, Any]) -> hashlib.blake2b:
    """The sum of the words and of each tensor's type and shape; the bytes of all tensors follow, in
    the order of their names."""
    return hashlib.blake2b(json.dumps([words, layout], sort_keys=True).encode())


def checked_words(path: Path) -> dict[str, Any]:
    """The words of a file that holds what was written; its tensors are read and not kept.

    Raises:
        Damaged: it does not.
    """
    try:
        with safe_open(path, framework="np"):
            pass  # its layout is whole
        with path.open("rb") as file:
            size = int.from_bytes(file.read(LENGTH_BYTES), "little")
            places = from_json(file.read(size))
            words = from_json(places.pop("__metadata__", {}).get(HEADER, "{}"))
            layout = {
                name: [f"torch.{TYPES[own['dtype']]}", own["shape"]] for name, own in places.items()
            }
            expected = words.pop(SUM, None)
            found = begun(words, layout)
            for name in sorted(places):
                for block in _blocks(file, places[name]["data_offsets"], LENGTH_BYTES + size):
                    found.update(block)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise Damaged(path, f"is no safetensors file, or not a whole one ({error})") from None
    if expected is None:
        raise Damaged(path, "holds nothing of sid_sweep (its header has no sum)")
    if found.hexdigest() != expected:
        raise Damaged(path, "does not hold the tensors that were written")
    return words


def _blocks(file: BinaryIO, place: tuple[int, int], start: int) -> Iterator[bytes]:
    """The bytes of a tensor."""
    first, end = place
    file.seek(start + first)
    for done in range(first, end, CHUNK_BYTES):
        yield file.read(min(CHUNK_BYTES, end - done))
