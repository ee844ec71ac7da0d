"""Files as EDM's code writes them, by stand-ins for its classes: the same names, tables and order
of calls, and weights of a network of ours under the names that theirs has."""

import pickle
import sys
import types
from contextlib import contextmanager

import torch
from torch import nn

from sid_sweep import spec
from sid_sweep.nets.denoiser import raw

NET = {"channels": 8, "channel_mult": [1, 2], "blocks": 1, "attention_resolutions": [4]}
SHAPE = (1, 8, 8)
KWARGS = {
    "img_resolution": 8, "in_channels": 1, "out_channels": 1, "label_dim": 0, "augment_dim": 0,
    "model_channels": 8, "channel_mult": [1, 2], "num_blocks": 1, "attn_resolutions": [4],
    "dropout": 0.13, "embedding_type": "positional", "encoder_type": "standard",
    "decoder_type": "standard", "channel_mult_noise": 1, "resample_filter": [1, 1],
}  # fmt: skip
NAMES = {  # of a U-Net of 8 pixels and two levels of one block
    "inward": "enc.8x8_conv",
    "encoder.0": "enc.8x8_block0",
    "encoder.1": "enc.4x4_down",
    "inlets.0.conv": "enc.4x4_aux_residual",
    "encoder.2": "enc.4x4_block0",
    "decoder.0": "dec.4x4_in0",
    "decoder.1": "dec.4x4_in1",
    "decoder.2": "dec.4x4_block0",
    "decoder.3": "dec.4x4_block1",
    "outlets.0.norm": "dec.4x4_aux_norm",
    "outlets.0.conv": "dec.4x4_aux_conv",
    "decoder.4": "dec.8x8_up",
    "decoder.5": "dec.8x8_block0",
    "decoder.6": "dec.8x8_block1",
    "norm": "dec.8x8_aux_norm",
    "outward": "dec.8x8_aux_conv",
    "embed.frequencies": "map_noise.freqs",
    "embed.layer0": "map_layer0",
    "embed.layer1": "map_layer1",
    "embed.label": "map_label",
    "embed.augment": "map_augment",
}
ADM_NAMES = NAMES | {"norm": "out_norm", "outward": "out_conv"}
INSIDE = {"attention.norm": "norm2", "attention.qkv": "qkv", "attention.proj": "proj"}


class Persistent(nn.Module):
    """Pickled as a description: class name, source, state."""

    def __init__(self, name, kwargs=None):
        super().__init__()
        self._name = name
        self._init_args = ()
        self._init_kwargs = kwargs or {}

    def __reduce__(self):
        meta = {
            "type": "class",
            "version": 6,
            "module_src": "raise SystemExit('this source was run')",
            "class_name": self._name,
            "state": {k: v for k, v in self.__dict__.items() if k != "_name"},
        }
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


@contextmanager
def their_modules():
    """Within, the names can be pickled that EDM's files ask for."""

    def _reconstruct_persistent_obj(meta):
        raise AssertionError("an object of the file was made")

    class EasyDict(dict):
        pass

    made = {name: types.ModuleType(name) for name in ("torch_utils", "torch_utils.persistence")}
    made |= {name: types.ModuleType(name) for name in ("dnnlib", "dnnlib.util")}
    for module, own in (
        ("torch_utils.persistence", _reconstruct_persistent_obj),
        ("dnnlib.util", EasyDict),
    ):
        own.__module__, own.__qualname__ = module, own.__name__
        setattr(made[module], own.__name__, own)
    sys.modules.update(made)
    try:
        yield
    finally:
        for name in made:
            del sys.modules[name]


def stirred(net, **told):
    """A network of ours with no weight at 0."""
    made, random = raw(net, SHAPE, **told).requires_grad_(False), torch.Generator().manual_seed(1)
    for weights in made.state_dict().values():
        weights += 0.2 * torch.randn(weights.shape, generator=random)
    return made


def network(weights, kwargs, *, name="SongUNet"):
    """Their network of those weights of ours."""
    names, root = NAMES if name == "SongUNet" else ADM_NAMES, Persistent(name, kwargs)
    for ours, tensor in weights.items():
        prefix = next(p for p in names if ours.startswith(p) and ours[len(p) : len(p) + 1] in ".")
        inside, _, kind = ours[len(prefix) :].lstrip(".").rpartition(".")
        path = [*names[prefix].split("."), *filter(None, [INSIDE.get(inside, inside)])]
        if prefix == "embed.frequencies":
            path, kind = ["map_noise"], "freqs"
        here = root
        for step in path:
            if step not in here._modules:
                table = step in ("enc", "dec")
                here.add_module(step, nn.ModuleDict() if table else Persistent("Part"))
            here = here._modules[step]
        if kind == "freqs":
            here.register_buffer(kind, tensor)
        else:
            here.register_parameter(kind, nn.Parameter(tensor, requires_grad=False))
    return root


def denoiser(model, *, name="EDMPrecond", **kwargs):
    """What surrounds it."""
    around = Persistent(name, {"img_resolution": 8, "img_channels": 1, **kwargs})
    around.add_module("model", model)
    return around


def write(path, content):
    """As their training loop does."""
    with their_modules(), path.open("wb") as file:
        pickle.dump(content, file)
    return path


def digits(*, kwargs=None, around=None, **told):
    """Weights of a small DDPM++ of ours, and their denoiser of them."""
    net = spec.nets.UNet.model_validate({"kind": "unet", **NET, **told.pop("net", {})})
    weights = stirred(net, **told).state_dict()
    return weights, denoiser(network(weights, KWARGS | (kwargs or {})), **(around or {}))
