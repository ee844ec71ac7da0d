"""A raw network F becomes a denoiser with three faces: ε(x_t), D(x_t) and the one-step generator.

A denoiser knows its blueprint, from which a like one can be built anywhere.
"""

import math
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sid_sweep import spec
from sid_sweep.diffusion.noise import Level

from .adm import ADM
from .mlp import MLP, ResidualMLP
from .preconditioning import preconditioning
from .unet import UNet

Labels = Int[Tensor, " #B"] | None


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
        self._around = preconditioning(blueprint.preconditioning, sigma_data=blueprint.sigma_data)

    @property
    def sigma_data(self) -> float:
        """Deviation of the data."""
        return self.blueprint.sigma_data

    @property
    def num_classes(self) -> int:
        """Classes that it is conditional on; 0: unconditional."""
        return self.blueprint.num_classes

    def compute_in(self, precision: Literal["float32", "bfloat16"]) -> "Denoiser":
        """Have the raw network compute in a precision; returns the denoiser."""
        self.precision = torch.bfloat16 if precision == "bfloat16" else None
        return self

    def forward(
        self, xt: Float[Tensor, "B ..."], level: Level, labels: Labels = None
    ) -> Float[Tensor, "B ..."]:
        """ε(x_t)."""
        x, sigma = xt / level.alpha, level.sigma
        return self._around.epsilon(x, self._raw(x, sigma, labels), sigma)

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
        self, x: Float[Tensor, "B ..."], sigma: Tensor, labels: Labels
    ) -> Float[Tensor, "B ..."]:
        """F(c_in x̃; c_noise), of as many channels as the samples have."""
        if labels is not None and not self.num_classes:
            raise ValueError("the network is unconditional: give it no labels")
        told = () if labels is None else (labels,)
        seen, c_noise = self._around.c_in(sigma) * x, self._around.c_noise(sigma.flatten())
        if self.precision is None:
            answer = self.net(seen, c_noise, *told)
        else:
            with torch.autocast(x.device.type, self.precision):
                answer = self.net(seen, c_noise, *told).to(x.dtype)
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
    own, colours = blueprint, blueprint.shape[0]
    variances = isinstance(own.preconditioning, spec.nets.IDDPMPreconditioning)
    net = raw(
        own.net,
        tuple(own.shape),
        num_classes=own.num_classes,
        num_augment=own.num_augment,
        num_out=2 * colours if variances else colours,
    )
    return Denoiser(net, own).eval()
