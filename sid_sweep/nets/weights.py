"""A denoiser in one safetensors file: its weights and, in the header, its blueprint."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from sid_sweep import spec
from sid_sweep.files import Damaged
from sid_sweep.tensors import read_tensors, write_tensors

from .denoiser import Denoiser, build


def save(denoiser: Denoiser, path: Path) -> None:
    """Write the file, whole or not at all."""
    write_tensors(path, denoiser.state_dict(), {"blueprint": spec.plain(denoiser.blueprint)})


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header and the weights of such a file.

    Raises:
        ValueError: it is none; one line.
    """
    try:
        return read_tensors(path)
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file") from None
    except Damaged as damaged:
        raise ValueError(f"{path}: {damaged.what}") from None


def restore(
    header: dict[str, Any], weights: dict[str, Tensor], path: Path, *, trust_code: bool = False
) -> Denoiser:
    """The denoiser of a file that was read.

    Args:
        trust_code: import what the header names, if its network is of someone's own code.

    Raises:
        ValueError: its blueprint is not of this version, or its weights are not of the blueprint.
    """
    try:
        blueprint = spec.nets.Blueprint.model_validate(header["blueprint"])
    except ValidationError as error:
        reason = str(error.errors()[0]["msg"])
        raise ValueError(f"{path}: its blueprint is not of this version: {reason}") from None
    if isinstance(blueprint.net, spec.outside.PythonNet) and not trust_code:
        raise ValueError(
            f"{path}: its network is code, {blueprint.net.factory}, which is imported only where "
            "its reader says so: trust_code=True"
        )
    denoiser = build(blueprint)
    try:
        denoiser.load_state_dict(weights)
    except RuntimeError:
        raise ValueError(f"{path}: its weights are not those of its blueprint") from None
    return denoiser
