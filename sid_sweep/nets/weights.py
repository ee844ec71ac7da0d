"""A denoiser in one safetensors file: its weights and, in the header, its blueprint."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sid_sweep import spec
from sid_sweep.files import replacing

from .denoiser import Denoiser, build

HEADER = "sid_sweep"


def save(denoiser: Denoiser, path: Path) -> None:
    """Write the file, whole or not at all."""
    write(path, denoiser.state_dict(), {"blueprint": spec.plain(denoiser.blueprint)})


def write(path: Path, weights: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Write weights under a header that holds more than the blueprint."""
    tensors = {name: w.detach().contiguous().cpu() for name, w in weights.items()}
    with replacing(path) as partial:
        save_file(tensors, partial, metadata={HEADER: json.dumps(header, ensure_ascii=False)})


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header and the weights of such a file.

    Raises:
        ValueError: it is none; one line.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(HEADER)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or 'no such file'})") from None
    except SafetensorError:
        raise ValueError(f"{path}: is no safetensors file, or not a whole one") from None
    if header is None:
        raise ValueError(f"{path}: holds nothing of sid_sweep (its header does not say so)")
    return json.loads(header), weights


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
