"""Low-rank adaptation (Hu et al. 2022): W x becomes W x + scale · B A x, and only A and B learn.

W is not copied: teacher, fake score and generator share one set of frozen weights, which is what
saves memory. A starts random and B at zero, so that an adapted network begins as the teacher.
"""

import copy
import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .denoiser import Denoiser


class Adapted(nn.Module):
    """A linear or convolutional layer with an addition of low rank."""

    def __init__(self, base: nn.Linear | nn.Conv2d, *, rank: int, scale: float) -> None:
        super().__init__()
        self.base = base
        self.scale = scale
        if isinstance(base, nn.Linear):
            self.down: nn.Module = nn.Linear(base.in_features, rank, bias=False)
            self.up: nn.Module = nn.Linear(rank, base.out_features, bias=False)
        else:
            size: Any = {"kernel_size": base.kernel_size, "stride": base.stride}
            self.down = nn.Conv2d(base.in_channels, rank, padding=base.padding, bias=False, **size)  # pyright: ignore
            self.up = nn.Conv2d(rank, base.out_channels, 1, bias=False)
        fan_in = base.weight[0].numel()
        nn.init.normal_(self.down.weight, std=1 / math.sqrt(fan_in))  # pyright: ignore
        nn.init.zeros_(self.up.weight)  # pyright: ignore

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return self.base(x) + self.scale * self.up(self.down(x))

    def addition(self) -> Float[Tensor, "..."]:
        """scale · B A, in the shape of W."""
        up, down = self.up.weight, self.down.weight  # pyright: ignore
        product = up.flatten(1) @ down.flatten(1)  # pyright: ignore
        return self.scale * product.view_as(self.base.weight)


def adapt(teacher: Denoiser, *, rank: int, scale: float) -> Denoiser:
    """A denoiser that shares the teacher's weights, frozen, and learns additions to its layers.

    The additions' initial weights come from torch's global random state, on the CPU.

    Raises:
        ValueError: a layer of the teacher's takes none.
    """
    device = next(teacher.parameters()).device
    adapted = twin(teacher.requires_grad_(False))
    for parent in list(adapted.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Linear | nn.Conv2d):
                _check(name, layer)
                setattr(parent, name, Adapted(layer, rank=rank, scale=scale).to(device))
    return adapted


def _check(name: str, layer: nn.Linear | nn.Conv2d) -> None:
    """An addition B A has the form of a plain layer's weights."""
    if isinstance(layer, nn.Conv2d):
        plain = layer.groups == 1 and layer.dilation == (1, 1) and layer.padding_mode == "zeros"
        if not plain:
            raise ValueError(
                f"the convolution {name} is in groups, dilated or padded by other than zeros, and "
                "takes no low-rank additions; use init.lora = null"
            )


def twin(network: Denoiser) -> Denoiser:
    """A copy with weights of its own where they learn, and the same tensors where they do not."""
    frozen = {id(p): p for p in network.parameters() if not p.requires_grad}
    return copy.deepcopy(network, memo=dict(frozen))


@torch.no_grad()
def merged(network: Denoiser) -> Denoiser:
    """The plain network of the same function: W + scale · B A in every layer."""
    plain = copy.deepcopy(network)
    for parent in list(plain.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, Adapted):
                layer.base.weight += layer.addition()
                setattr(parent, name, layer.base)
    return plain
