"""Settings that someone published, by name: `preset: sid_cifar10` begins with them.

| preset | source |
|---|---|
| `sid_cifar10`, `sid_imagenet64`, `sid_ffhq64`, `sid_afhqv2` | Zhou et al. 2024, official code |
| `fgm` | Flow Generator Matching, Huang et al. 2024: 2 (L2 - L1/2), the exact gradient |
| `diff_instruct` | Diff-Instruct, Luo et al. 2023: reverse KL |
| `sim` | Score Implicit Matching, Luo et al. 2024: 2 (L2 - L1) |

Architecture, data and budget are the sweep's own. What the official code calls `batch` is drawn
twice, once for each network, so `batch.latents` is twice as many.

One thing differs from the official code (run_sid.sh, sid_train.py), where it runs float16, in all
but CIFAR-10: losses are scaled, and a gradient that overflows costs its step and is counted. There
it is set to a number.
"""

from typing import Any

from .base import fill

Values = dict[str, Any]


def _sid(
    *,
    lam: float,
    lr: float,
    batch: int,
    half_life_images: float,
    dropout: float,
    augment: float,
    precision: str = "float16",
    generator_beta1: float = 0.0,
) -> Values:
    """The official training loop; gradients that are not finite end a trial here, and are set to
    zero there."""
    eps = 1e-8 if precision == "float32" else 1e-6
    constant = {"warmup_images": 0, "decay": "constant"}
    optim = {"lr": lr, "beta1": 0.0, "beta2": 0.999, "eps": eps, **constant}
    return {
        "noise": {"kind": "edm"},
        "method": {"kind": "sid"},
        "loss": {"kind": "sid", "lambda": lam},
        "generator": {
            "init": {"kind": "teacher"},
            "sigma_init": 2.5,
            "times": {"kind": "karras", "low": 0.0, "high": 0.8},
            "weight": {"kind": "sid_legacy"},
            "loss_scale": 100.0,
            "optim": optim | {"beta1": generator_beta1},
            "ema": {"half_life_images": half_life_images, "ramp_up": 0.05},
            "dropout": dropout,
        },
        "fake_score": {
            "init": {"kind": "teacher"},
            "steps": 1,
            "times": {"kind": "log_normal", "mean": -1.2, "deviation": 1.2},
            "weight": {"kind": "edm"},
            "optim": optim,
            "dropout": dropout,
            "augment": augment,
        },
        "batch": {"latents": 2 * batch, "generator_fraction": 0.5},
        "precision": precision,
    }


PRESETS: dict[str, Values] = {
    "sid_cifar10": _sid(
        lam=1.2,
        lr=1e-5,
        batch=256,
        half_life_images=500_000.0,
        dropout=0.13,
        augment=0.12,
        precision="float32",
    ),
    "sid_imagenet64": _sid(
        lam=1.2, lr=4e-6, batch=8192, half_life_images=2_000_000.0, dropout=0.1, augment=0.0
    ),
    "sid_ffhq64": _sid(
        lam=1.2,
        lr=1e-5,
        batch=512,
        half_life_images=500_000.0,
        dropout=0.05,
        augment=0.15,
        generator_beta1=0.9,
    ),
    "sid_afhqv2": _sid(
        lam=1.0, lr=5e-6, batch=512, half_life_images=500_000.0, dropout=0.05, augment=0.15
    ),
    "diff_instruct": {"loss": {"kind": "reverse_kl"}},
    "fgm": {"loss": {"kind": "sid", "lambda": 0.5}, "generator": {"loss_scale": 2.0}},
    "sim": {"loss": {"kind": "sid", "lambda": 1.0}, "generator": {"loss_scale": 2.0}},
}


def with_preset(values: Values) -> Values:
    """`values` over those of the preset that they name, if they name one.

    Raises:
        ValueError: there is no such preset.
    """
    if "preset" not in values:
        return values
    name = values["preset"]
    if not isinstance(name, str) or name not in PRESETS:
        raise ValueError(f"preset = {name!r}: it is one of {', '.join(PRESETS)}")
    own = {key: value for key, value in values.items() if key != "preset"}
    return fill(PRESETS[name], own)
