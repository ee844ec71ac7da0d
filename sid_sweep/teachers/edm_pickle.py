"""A pickle of EDM's, or of a SiD student, read without running anything of it.

Such a file asks for a dozen names. Each stands here for an inert record that keeps what the file
says; the source code that it holds is text and stays text. Only afterwards are records turned into
tensors, whose bytes torch reads with `weights_only=True` (its own `_load_from_bytes` reads them
without). Any other name is refused before anything is made of it.
"""

import io
import math
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

DEPTH = 16  # of modules in modules; networks have four


class Refused(ValueError):
    """The file asks for a name that networks do not hold."""


class Record:
    """What the file would have called, with what, and the state that it would have set.

    A record answers to nothing else: as a class it has no state to set, and calling one again
    makes another record.
    """

    __slots__ = ("args", "state")

    def __init__(self, *args: Any) -> None:
        self.args = args
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Persistent(Record):
    """An object of a class whose source the file holds: (meta,)."""


class Container(Record):
    """A torch.nn list or table of modules."""


class Weights(Record):
    """A tensor: (storage, offset, size, stride, ...)."""


class Parameter(Record):
    """A parameter: (tensor, requires_grad, hooks)."""


class Storage(Record):
    """A tensor's numbers: (bytes as torch.save wrote them,)."""


class Aside(Record):
    """A set, or a scalar, array or type of NumPy: modules hold them beside what is needed."""


class Table(dict):
    """An empty table that the file then fills, entry by entry."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        """It has no state but its entries."""


ALLOWED: dict[tuple[str, str], type] = {
    ("collections", "OrderedDict"): Table,
    ("builtins", "set"): Aside,
    ("dnnlib.util", "EasyDict"): Table,
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): Persistent,
    **{
        ("torch.nn.modules.container", name): Container
        for name in ("ModuleDict", "ModuleList", "Sequential")
    },
    ("torch._utils", "_rebuild_tensor_v2"): Weights,
    ("torch._utils", "_rebuild_parameter"): Parameter,
    ("torch.storage", "_load_from_bytes"): Storage,
    ("numpy", "dtype"): Aside,
    ("numpy", "ndarray"): Aside,
    **{
        (f"numpy.{core}.multiarray", name): Aside
        for core in ("core", "_core")
        for name in ("scalar", "_reconstruct")
    },
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type:
        found = ALLOWED.get((module, name))
        if found is None:
            raise Refused(f"it asks for {module}.{name}, which no network holds; nothing was run")
        return found

    def persistent_load(self, pid: Any) -> Any:
        raise Refused("it asks for objects outside the file; nothing was run")


def read(path: Path) -> Any:
    """What a file holds, as plain values and records.

    Raises:
        ValueError: it is no pickle, not whole, or asks for a name that networks do not hold.
    """
    try:
        with path.open("rb") as file:
            return _Reader(file).load()
    except Refused as error:
        raise ValueError(f"{path}: {error}") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except MemoryError:
        raise ValueError(f"{path}: is larger than the memory, or damaged") from None
    except Exception as error:  # damaged bytes raise whatever they happen to mean
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path}: is no pickle, or not a whole one ({reason})") from None


def tensors(module: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Weights and buffers of a module and of those in it, by their dotted names.

    Raises:
        ValueError: it is no module, or a tensor is damaged.
    """
    if prefix.count(".") > DEPTH:
        raise ValueError(f"{prefix} lies deeper than any network goes")
    state = attributes(module, where=prefix or "the network")
    for table in ("_parameters", "_buffers"):
        for name, own in _entries(state, table, prefix):
            yield f"{prefix}{name}", _tensor(own, f"{prefix}{name}")
    for name, inner in _entries(state, "_modules", prefix):
        yield from tensors(inner, f"{prefix}{name}.")


def attributes(module: Any, *, where: str) -> dict[str, Any]:
    """What a module keeps under its names."""
    state = module.state if isinstance(module, Container) else None
    if isinstance(module, Persistent):
        state = described(module).get("state")
    if not isinstance(state, dict):
        raise ValueError(f"{where.rstrip('.')} is no module of torch")
    return state


def described(record: Persistent) -> dict[str, Any]:
    """What the file says about an object: class_name, state and more."""
    meta = record.args[0] if len(record.args) == 1 else None
    if not isinstance(meta, dict):
        raise ValueError("an object's description is no table")
    return meta


def _entries(state: dict[str, Any], table: str, prefix: str) -> Iterator[tuple[str, Any]]:
    own = state.get(table) or {}
    if not isinstance(own, dict) or not all(isinstance(name, str) for name in own):
        raise ValueError(f"{prefix}{table} is no table of names")
    return ((name, value) for name, value in own.items() if value is not None)


def _tensor(record: Any, where: str) -> Tensor:
    if isinstance(record, Parameter) and record.args:
        record = record.args[0]
    try:
        storage, offset, size, stride, *_ = record.args
        assert isinstance(record, Weights)
        assert isinstance(storage, Storage)
        (content,) = storage.args
        numbers = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        flat = torch.tensor([], dtype=numbers.dtype).set_(numbers._untyped_storage)
        assert math.prod(size) <= flat.numel()  # a stride of 0 makes much of little
        return flat.as_strided(size, stride, offset).clone()
    except Exception:  # whatever damaged bytes and sizes happen to mean
        raise ValueError(f"{where} is no whole tensor") from None
