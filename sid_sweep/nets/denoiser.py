"""A raw network F becomes a denoiser by EDM's preconditioning (Karras et al. 2022, Table 1).

For x̃ = x_t/ᾱ = x_0 + σ ε the denoised sample is D = c_skip x̃ + c_out F(c_in x̃; c_noise). The ε
form, ε = (x̃ - D)/σ, is written out so that nothing cancels at small σ:

    ε = c_in (σ c_in x̃ - σ_d F),   c_in = 1/√(σ² + σ_d²).
"""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sid_sweep import spec
from sid_sweep.diffusion.noise import Level

from .unet import UNet


class Denoiser(nn.Module):
    """A network with three faces: ε(x_t), D(x_t), and the one-step generator.

    `precision` is what the raw network computes in; what surrounds it stays in the input's type.
    """

    def __init__(self, net: nn.Module, *, sigma_data: float) -> None:
        super().__init__()
        self.net = net
        self.sigma_data = sigma_data
        self.precision: torch.dtype | None = None

    def compute_in(self, precision: Literal["float32", "bfloat16"]) -> "Denoiser":
        """Have the raw network compute in a precision; returns the denoiser."""
        self.precision = torch.bfloat16 if precision == "bfloat16" else None
        return self

    def forward(self, xt: Float[Tensor, "B ..."], level: Level) -> Float[Tensor, "B ..."]:
        """ε(x_t)."""
        sigma, c_in = self._scales(level)
        x = xt / level.alpha
        return c_in * (sigma * c_in * x - self.sigma_data * self._raw(c_in * x, sigma))

    def denoise(self, xt: Float[Tensor, "B ..."], level: Level) -> Float[Tensor, "B ..."]:
        """D(x_t), the estimate of x_0."""
        sigma, c_in = self._scales(level)
        x = xt / level.alpha
        skip = (self.sigma_data * c_in).square() * x
        return skip + sigma * self.sigma_data * c_in * self._raw(c_in * x, sigma)

    def generate(
        self, latents: Float[Tensor, "B ..."], *, sigma_init: float
    ) -> Float[Tensor, "B ..."]:
        """g(z) = D(σ_init z; σ_init) (Zhou et al. 2024, Alg. 1)."""
        sigma = latents.new_full((1,) * latents.ndim, sigma_init)  # one level for the whole batch
        return self.denoise(sigma * latents, Level(torch.ones_like(sigma), sigma))

    def _raw(self, x: Float[Tensor, "B ..."], sigma: Tensor) -> Float[Tensor, "B ..."]:
        """F(x; c_noise)."""
        if self.precision is None:
            return self.net(x, _c_noise(sigma))
        with torch.autocast(x.device.type, self.precision):
            return self.net(x, _c_noise(sigma)).to(x.dtype)

    def _scales(self, level: Level) -> tuple[Tensor, Tensor]:
        sigma = level.sigma
        return sigma, torch.rsqrt(sigma.square() + self.sigma_data**2)


def _c_noise(sigma: Float[Tensor, "B ..."]) -> Float[Tensor, " B"]:
    return sigma.flatten().log() / 4


class Fourier(nn.Module):
    """cos and sin of fixed frequencies of c_noise = ln(σ)/4, spaced so that ln σ is resolved."""

    frequencies: Tensor

    def __init__(self, num: int, *, max_frequency: float = 16.0) -> None:
        super().__init__()
        frequencies = torch.logspace(math.log10(0.25), math.log10(max_frequency), num)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, c_noise: Float[Tensor, " B"]) -> Float[Tensor, "B F"]:
        angles = c_noise[:, None] * self.frequencies
        return torch.cat([angles.cos(), angles.sin()], 1)


INWARD_GAIN = 3.0  # a few kinks of the first layer within the deviation of the data
HIDDEN_GAIN = 1.5  # about the gain of SiLU at unit variance, 1/√E silu(z)² = 1.68
OUTWARD_GAIN = 0.3


class MLP(nn.Module):
    """A stack of linear layers on the flattened sample; the level's features enter the first.

    The initial weights keep every layer's input at unit size and bend it visibly. Torch's own are
    several times smaller: the network starts almost linear and tears a Gaussian into modes too
    slowly.
    """

    def __init__(self, dim: int, *, width: int, depth: int, num_features: int = 8) -> None:
        super().__init__()
        self.features = Fourier(num_features)
        self.inward = nn.Linear(dim + 2 * num_features, width)
        hidden = [nn.Linear(width, width) for _ in range(depth - 1)]
        self.hidden = nn.ModuleList(hidden)
        self.outward = nn.Linear(width, dim)
        nn.init.normal_(self.inward.weight[:, :dim], std=INWARD_GAIN / math.sqrt(dim))
        nn.init.normal_(self.inward.weight[:, dim:], std=1 / math.sqrt(num_features))
        nn.init.uniform_(self.inward.bias, -1, 1)
        for layer in hidden:
            _normal(layer, gain=HIDDEN_GAIN)
        _normal(self.outward, gain=OUTWARD_GAIN)

    def forward(
        self, x: Float[Tensor, "B ..."], c_noise: Float[Tensor, " #B"]
    ) -> Float[Tensor, "B ..."]:
        features = self.features(c_noise).expand(len(x), -1)
        h = nn.functional.silu(self.inward(torch.cat([x.flatten(1), features], 1)))
        for layer in self.hidden:
            h = nn.functional.silu(layer(h))
        return self.outward(h).view_as(x)


class ResidualMLP(nn.Module):
    """Pre-normalised residual blocks; the level shifts and scales each block's normalised input.

    A level is one number, so a narrow embedding holds it; at the stream's width, half of all
    multiplications would go into the modulation.
    """

    def __init__(
        self, dim: int, *, width: int, depth: int, num_features: int = 16, num_embedded: int = 64
    ) -> None:
        super().__init__()
        self.features = Fourier(num_features)
        self.embed = nn.Linear(2 * num_features, num_embedded)
        self.inward = nn.Linear(dim, width)
        self.blocks = nn.ModuleList(_Block(width, num_embedded) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.outward = nn.Linear(width, dim)

    def forward(
        self, x: Float[Tensor, "B ..."], c_noise: Float[Tensor, " #B"]
    ) -> Float[Tensor, "B ..."]:
        embedding = nn.functional.silu(self.embed(self.features(c_noise)))
        h = self.inward(x.flatten(1))
        for block in self.blocks:
            h = block(h, embedding)
        return self.outward(nn.functional.silu(self.norm(h))).view_as(x)


class _Block(nn.Module):
    def __init__(self, width: int, num_embedded: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulate = nn.Linear(num_embedded, 2 * width)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        nn.init.zeros_(self.second.weight)  # each block starts as the identity
        nn.init.zeros_(self.second.bias)

    def forward(
        self, h: Float[Tensor, "B W"], embedding: Float[Tensor, "#B E"]
    ) -> Float[Tensor, "B W"]:
        scale, shift = self.modulate(embedding).chunk(2, 1)
        inner = self.norm(h) * (1 + scale) + shift
        return h + self.second(nn.functional.silu(self.first(inner)))


def _normal(layer: nn.Linear, *, gain: float) -> None:
    """Weights N(0, gain²/fan-in), no bias (He et al. 2015)."""
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.in_features))
    nn.init.zeros_(layer.bias)


def raw(net: spec.Net, shape: tuple[int, ...]) -> nn.Module:
    """A fresh network for samples of `shape`, initialised from torch's global random state."""
    dim = math.prod(shape)
    match net:
        case spec.nets.MLP():
            return MLP(dim, width=net.width, depth=net.depth)
        case spec.nets.ResidualMLP():
            return ResidualMLP(dim, width=net.width, depth=net.depth)
        case spec.nets.UNet():
            return UNet(
                shape,
                channels=net.channels,
                channel_mult=net.channel_mult,
                num_blocks=net.blocks,
                attn_resolutions=net.attention_resolutions,
                dropout=0.0,
            )


def build(net: spec.Net, shape: tuple[int, ...], *, sigma_data: float) -> Denoiser:
    """A fresh denoiser, as `raw`."""
    return Denoiser(raw(net, shape), sigma_data=sigma_data)
