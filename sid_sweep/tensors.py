"""Tensors in a safetensors file: whole or not at all, under a sum of all that it holds."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic_core import from_json
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .files import Damaged, replacing
from .sums import HEADER, SUM, begun


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any] | None = None
) -> None:
    """Write them, and a header of plain values. The same always gives the same bytes."""
    own = {name: x.detach().contiguous().cpu() for name, x in tensors.items()}
    words = dict(header or {})
    words[SUM] = sum_of(own, words)
    with replacing(path) as partial:
        save_file(own, partial, metadata={HEADER: json.dumps(words, ensure_ascii=False)})


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header, and the tensors.

    Raises:
        Damaged: it does not hold what was written.
        FileNotFoundError: there is no such file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            words = from_json((file.metadata() or {}).get(HEADER, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError, ValueError) as error:
        raise Damaged(path, f"is no safetensors file, or not a whole one ({error})") from None
    if SUM not in words:
        raise Damaged(path, "holds nothing of sid_sweep (its header has no sum)")
    if words.pop(SUM) != sum_of(tensors, words):
        raise Damaged(path, "does not hold the tensors that were written")
    return words, tensors


def sum_of(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> str:
    """Of header, names, types, shapes and bytes, in the order of the names."""
    layout = {name: [str(x.dtype), list(x.shape)] for name, x in tensors.items()}
    found = begun(header, layout)
    for name in sorted(tensors):
        found.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
