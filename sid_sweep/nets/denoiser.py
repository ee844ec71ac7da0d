"""A raw network F becomes a denoiser with three faces: ε(x_t), D(x_t) and the one-step generator.

A denoiser knows its blueprint, from which a like one can be built anywhere.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sid_sweep import spec
from sid_sweep.diffusion.noise import Level

from . import outside
from .adm import ADM
from .mlp import MLP, ResidualMLP
from .preconditioning import preconditioning
from .unet import UNet

Labels = Int[Tensor, " #B"] | None
Precision = Literal["float32", "bfloat16", "float16"]
DTYPES = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Denoiser(nn.Module):
    """F and what surrounds it.

    `precision` is what the raw network computes in; what surrounds it stays in the input's type.
    Where the blueprint has classes, every call needs labels, and nowhere else.
    """

    def __init__(self, net: nn.Module, blueprint: spec.nets.Blueprint) -> None:
        super().__init__()
        self.net = net
        self.blueprint = blueprint
        self.precision: torch.dtype | None = None
        self.recompute = False
        self._around = preconditioning(blueprint.preconditioning, sigma_data=blueprint.sigma_data)

    @property
    def sigma_data(self) -> float:
        """Deviation of the data."""
        return self.blueprint.sigma_data

    @property
    def num_classes(self) -> int:
        """Classes that it is conditional on; 0: unconditional."""
        return self.blueprint.num_classes

    def compute_in(self, precision: Precision) -> "Denoiser":
        """Have the raw network compute in a precision; returns the denoiser."""
        self.precision = DTYPES[precision]
        return self

    def forward(
        self,
        xt: Float[Tensor, "B ..."],
        level: Level,
        labels: Labels = None,
        augment: Float[Tensor, "#B A"] | None = None,
    ) -> Float[Tensor, "B ..."]:
        """ε(x_t); `augment` tells a network that wants to know how training images were moved."""
        x, sigma = xt / level.alpha, level.sigma
        return self._around.epsilon(x, self._raw(x, sigma, labels, augment), sigma)

    def denoise(
        self, xt: Float[Tensor, "B ..."], level: Level, labels: Labels = None
    ) -> Float[Tensor, "B ..."]:
        """D(x_t), the estimate of x_0."""
        x, sigma = xt / level.alpha, level.sigma
        return self._around.denoised(x, self._raw(x, sigma, labels), sigma)

    def generate(
        self, latents: Float[Tensor, "B ..."], *, sigma_init: float, labels: Labels = None
    ) -> Float[Tensor, "B ..."]:
        """g(z) = D(σ_init z; σ_init) (Zhou et al. 2024, Alg. 1)."""
        sigma = latents.new_full((1,) * latents.ndim, sigma_init)  # one level for the whole batch
        return self.denoise(sigma * latents, Level(torch.ones_like(sigma), sigma), labels)

    def _raw(
        self,
        x: Float[Tensor, "B ..."],
        sigma: Tensor,
        labels: Labels,
        augment: Float[Tensor, "#B A"] | None = None,
    ) -> Float[Tensor, "B ..."]:
        """F(c_in x̃; c_noise), of as many channels as the samples have."""
        if labels is not None and not self.num_classes:
            raise ValueError("the network is unconditional: give it no labels")
        told: tuple[Tensor | None, ...] = () if labels is None else (labels,)
        if augment is not None:
            told = (labels, augment)
        seen, c_noise = self._around.c_in(sigma) * x, self._around.c_noise(sigma.flatten())
        net: Callable[..., Tensor] = self.net
        if self.recompute and torch.is_grad_enabled():
            net = functools.partial(checkpoint, self.net, use_reentrant=False)
        if self.precision is None:
            answer = net(seen, c_noise, *told)
        else:
            with torch.autocast(x.device.type, self.precision):
                answer = net(seen, c_noise, *told).to(x.dtype)
        return answer if answer.shape == x.shape else answer[:, : x.shape[1]]


def raw(
    net: spec.Net,
    shape: tuple[int, ...],
    *,
    num_classes: int = 0,
    num_augment: int = 0,
    num_out: int | None = None,
) -> nn.Module:
    """A fresh network for samples of `shape`, initialised from torch's global random state.

    Args:
        num_out: colours of its answer; None: those of the sample.

    Raises:
        ValueError: it cannot take samples of that shape, or their classes.
    """
    told = {"num_classes": num_classes, "num_augment": num_augment, "num_out": num_out}
    match net:
        case spec.nets.MLP() | spec.nets.ResidualMLP():
            if num_classes:
                raise ValueError(
                    f"net.kind = {net.kind} knows no classes, and there are {num_classes}; "
                    "use net.kind = unet or adm"
                )
            made = MLP if net.kind == "mlp" else ResidualMLP
            return made(math.prod(shape), width=net.width, depth=net.depth)
        case spec.nets.UNet():
            return UNet(
                shape,
                **_size(net),
                **told,
                features_mult=net.features_mult,
                embedding=net.embedding,
                encoder=net.encoder,
                decoder=net.decoder,
                taps=net.resample_filter,
            )
        case spec.nets.ADM():
            return ADM(shape, **_size(net), **told)


def _size(net: spec.nets.UNet | spec.nets.ADM) -> dict[str, Any]:
    """What both families of U-Nets are given."""
    return {
        "channels": net.channels,
        "channel_mult": net.channel_mult,
        "num_blocks": net.blocks,
        "attn_resolutions": net.attention_resolutions,
        "dropout": net.dropout,
        "embedding_mult": net.embedding_mult,
    }


def build(blueprint: spec.nets.Blueprint) -> Denoiser:
    """A fresh denoiser, as `raw`; dropout sleeps until who trains it calls `train`.

    iDDPM's networks say a variance beside ε, which is not used.
    """
    match blueprint.net:
        case spec.outside.DiffusersNet() as library:
            return Denoiser(outside.unet(library), blueprint).eval()
        case spec.outside.PythonNet() as code:
            return Denoiser(outside.user_net(code)[0], blueprint).eval()
        case ours:
            return Denoiser(_ours(ours, blueprint), blueprint).eval()


def _ours(net: spec.Net, own: spec.nets.Blueprint) -> nn.Module:
    colours = own.shape[0]
    variances = isinstance(own.preconditioning, spec.nets.IDDPMPreconditioning)
    return raw(
        net,
        tuple(own.shape),
        num_classes=own.num_classes,
        num_augment=own.num_augment,
        num_out=2 * colours if variances else colours,
    )
