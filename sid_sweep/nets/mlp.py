"""Networks over points, or over pictures as vectors: a stack of layers, and a residual one."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


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
