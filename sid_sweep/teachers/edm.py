"""A network that NVlabs' EDM or the official SiD wrote: read once, then from the cache.

The cache holds weights and blueprint under the fingerprint of the file, in which nothing is ever
run (`edm_pickle`).
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sid_sweep import spec
from sid_sweep.files import Damaged, set_aside
from sid_sweep.foreign.fingerprint import fingerprint, locate
from sid_sweep.nets.denoiser import Denoiser, build
from sid_sweep.tensors import read_tensors, write_tensors

from . import edm_names, edm_pickle

READER_VERSION = 1  # raise it when names or blueprints change
KEY = "ema"  # under which both programs keep the network that is used


def load(path: str, *, cache: Path) -> Denoiser:
    """The denoiser in a file.

    Raises:
        ValueError: there is no such file, or it holds no network of EDM's; one line.
    """
    found = locate(path)
    if not found.is_file():
        raise ValueError(f"{path}: is a folder, and EDM's networks are files (.pkl)")
    kept = cache / "teachers" / f"edm-{fingerprint(path)}-{READER_VERSION}.safetensors"
    try:
        return _kept(kept)
    except FileNotFoundError:
        pass
    except Damaged:
        set_aside(kept)
    own, weights = read(found)  # all of it, before anything is created
    write_tensors(kept, weights, {"blueprint": spec.plain(own)})
    return _kept(kept)


def _kept(path: Path) -> Denoiser:
    header, weights = read_tensors(path)
    denoiser = build(spec.nets.Blueprint.model_validate(header["blueprint"]))
    denoiser.net.load_state_dict(weights)
    return denoiser.requires_grad_(False)


def read(path: Path) -> tuple[spec.nets.Blueprint, dict[str, Tensor]]:
    """Blueprint and weights of the raw network, by our names.

    Raises:
        ValueError: it holds no network of EDM's, or not a whole one; one line.
    """
    content = edm_pickle.read(path)
    try:
        own, model = _described(content)
        known = edm_names.prefixes(own)
        named = ((edm_names.renamed(n, known), w) for n, w in edm_pickle.tensors(model))
        weights = {name: weight for name, weight in named if name is not None}
        _fits(own, weights)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return own, {name: weight.float().contiguous() for name, weight in weights.items()}


def _described(content: Any) -> tuple[spec.nets.Blueprint, Any]:
    """The blueprint, and the record of the raw network."""
    denoiser = content.get(KEY) if isinstance(content, dict) else content
    if not isinstance(denoiser, edm_pickle.Persistent):
        raise ValueError(f"holds no network of EDM's, neither by itself nor under {KEY!r}")
    around, outer = _made(denoiser)
    modules = edm_pickle.attributes(denoiser, where=around).get("_modules")
    model = modules.get("model") if isinstance(modules, dict) else None
    if not isinstance(model, edm_pickle.Persistent):
        raise ValueError(f"its {around} surrounds no network")
    network, inner = _made(model)
    return edm_names.blueprint(around, outer, network, inner), model


def _made(record: edm_pickle.Persistent) -> tuple[str, dict[str, Any]]:
    """The name of a class, and the arguments by name that the object was made with."""
    name = record.args and edm_pickle.described(record).get("class_name")
    arguments = edm_pickle.attributes(record, where=str(name)).get("_init_kwargs")
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise ValueError("an object in it does not say what it was made with")
    return name, arguments


def _fits(own: spec.nets.Blueprint, weights: dict[str, Tensor]) -> None:
    """Whether the weights are those of the blueprint, all and in their shapes."""
    with torch.device("meta"):
        wanted = build(own).net.state_dict()
    if missing := sorted(set(wanted) - set(weights)):
        raise ValueError(f"{len(missing)} weights are missing, such as {missing[0]}")
    if beyond := sorted(set(weights) - set(wanted)):
        raise ValueError(f"{len(beyond)} weights too many, such as {beyond[0]}")
    for name, weight in weights.items():
        if weight.shape != wanted[name].shape:
            raise ValueError(
                f"{name} has shape {tuple(weight.shape)}, and its arguments say "
                f"{tuple(wanted[name].shape)}"
            )
