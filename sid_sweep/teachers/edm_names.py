"""What EDM's networks are in this program's words: the blueprint from the arguments that a file
records, and each weight's name."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from sid_sweep import spec

SIGMA_DATA = 0.5  # EDM's, which losses assume where a preconditioning has none
HALF = {"norm2": "attention.norm", "qkv": "attention.qkv", "proj": "attention.proj"}
EMBEDDING = {
    "map_layer0": "embed.layer0",
    "map_layer1": "embed.layer1",
    "map_label": "embed.label",
    "map_augment": "embed.augment",
}
SIZE = {
    "model_channels": "channels",
    "channel_mult": "channel_mult",
    "channel_mult_emb": "embedding_mult",
    "num_blocks": "blocks",
    "attn_resolutions": "attention_resolutions",
    "dropout": "dropout",
}
KINDS = {
    "embedding_type": "embedding",
    "channel_mult_noise": "features_mult",
    "encoder_type": "encoder",
    "decoder_type": "decoder",
    "resample_filter": "resample_filter",
}
ABOUT = ("img_resolution", "in_channels", "out_channels", "label_dim", "augment_dim")
TRAINING = ("label_dropout",)  # of its own training; it changes no answer
Values = dict[str, Any]

NETS: dict[str, tuple[str, dict[str, str], Values]] = {  # kind, names, the official defaults
    "SongUNet": (
        "unet",
        SIZE | KINDS,
        {
            "channels": 128,
            "channel_mult": [1, 2, 2, 2],
            "blocks": 4,
            "attention_resolutions": [16],
            "dropout": 0.1,
        },
    ),
    "DhariwalUNet": (
        "adm",
        SIZE,
        {
            "channels": 192,
            "channel_mult": [1, 2, 3, 4],
            "blocks": 3,
            "attention_resolutions": [32, 16, 8],
            "dropout": 0.1,
        },
    ),
}
AROUND: dict[str, tuple[str, dict[str, str]]] = {
    "EDMPrecond": ("edm", {}),
    "VPPrecond": ("vp", {"beta_d": "beta_d", "beta_min": "beta_min", "M": "steps"}),
    "VEPrecond": ("ve", {}),
    "iDDPMPrecond": ("iddpm", {"C_1": "least_ratio", "C_2": "shift", "M": "steps"}),
}


def blueprint(around: str, outer: Values, network: str, inner: Values) -> spec.nets.Blueprint:
    """Of a denoiser, from the names of its two classes and the arguments that each was made with.

    Raises:
        ValueError: this program has no such network; one line.
    """
    if around not in AROUND:
        raise ValueError(f"its preconditioning is {around}; known are {', '.join(AROUND)}")
    if network not in NETS:
        raise ValueError(f"its network is {network}; known are {', '.join(NETS)}")
    kind, names = AROUND[around]
    net, own, defaults = NETS[network]
    if unknown := sorted(set(inner) - set(own) - set(ABOUT) - set(TRAINING)):
        raise ValueError(f"its {network} was made with {unknown[0]}, which this program lacks")
    if missing := [name for name in ABOUT[:2] if name not in inner]:
        raise ValueError(f"its {network} does not say its {missing[0]}")
    renamed = {own[name]: value for name, value in inner.items() if name in own}
    side = inner["img_resolution"]
    values = {
        "net": defaults | renamed | {"kind": net},
        "shape": [inner["in_channels"], side, side],
        "sigma_data": outer.get("sigma_data", SIGMA_DATA),
        "num_classes": inner.get("label_dim", 0),
        "num_augment": inner.get("augment_dim", 0),
        "preconditioning": {names[k]: v for k, v in outer.items() if k in names} | {"kind": kind},
    }
    try:
        return spec.nets.Blueprint.model_validate(_written(values))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{network}: {place} = {first['input']!r}: {first['msg']}") from None


def _written(values: Any) -> Any:
    """As a specification has it: lists for tuples."""
    if isinstance(values, dict):
        return {name: _written(value) for name, value in values.items()}
    return [_written(value) for value in values] if isinstance(values, list | tuple) else values


def prefixes(own: spec.nets.Blueprint) -> dict[str, str]:
    """By their prefix, what the modules of the official network are called here."""
    assert isinstance(own.net, spec.nets.UNet | spec.nets.ADM)
    levels = [f"{own.shape[1] >> level}x{own.shape[1] >> level}" for level in _levels(own.net)]
    names = EMBEDDING | {f"enc.{levels[0]}_conv": "inward"}
    names |= _numbered(_encoder(own.net, levels), "encoder")
    names |= _numbered(_decoder(own.net, levels), "decoder")
    if isinstance(own.net, spec.nets.ADM):
        return names | {"out_norm": "norm", "out_conv": "outward"}
    top, below = levels[0], levels[:0:-1]
    names |= {f"enc.{at}_aux_residual": f"inlets.{i}.conv" for i, at in enumerate(levels[1:])}
    for part in ("norm", "conv"):
        names |= {f"dec.{at}_aux_{part}": f"outlets.{i}.{part}" for i, at in enumerate(below)}
    return names | {f"dec.{top}_aux_norm": "norm", f"dec.{top}_aux_conv": "outward"}


def _levels(net: spec.nets.UNet | spec.nets.ADM) -> range:
    return range(len(net.channel_mult))


def _encoder(net: spec.nets.UNet | spec.nets.ADM, levels: list[str]) -> Iterator[str]:
    for index, level in enumerate(levels):
        if index:
            yield f"enc.{level}_down"
        yield from (f"enc.{level}_block{block}" for block in range(net.blocks))


def _decoder(net: spec.nets.UNet | spec.nets.ADM, levels: list[str]) -> Iterator[str]:
    for level in reversed(levels):
        yield from (
            [f"dec.{level}_in0", f"dec.{level}_in1"] if level == levels[-1] else [f"dec.{level}_up"]
        )
        yield from (f"dec.{level}_block{block}" for block in range(net.blocks + 1))


def _numbered(names: Iterator[str], table: str) -> dict[str, str]:
    return {name: f"{table}.{index}" for index, name in enumerate(names)}


def renamed(name: str, known: dict[str, str]) -> str | None:
    """What the weight `name` is called here; None: it follows from the blueprint.

    Raises:
        ValueError: the network has no such weight.
    """
    if name == "map_noise.freqs":
        return "embed.frequencies"
    if name.endswith("resample_filter"):
        return None
    for prefix, ours in known.items():
        if name.startswith(f"{prefix}."):
            module, _, rest = name[len(prefix) + 1 :].rpartition(".")
            inside = ".".join(part for part in (HALF.get(module, module), rest) if part)
            return f"{ours}.{inside}"
    raise ValueError(f"it has a weight {name}, which its arguments do not account for")
