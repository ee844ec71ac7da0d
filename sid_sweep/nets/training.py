"""How networks are made ready for training: layout, compilation, recomputation, dropout, and
which of them learn."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from sid_sweep import spec

from .blocks import Block
from .denoiser import Denoiser
from .recompute import Recomputable


def apply_globally(compute: spec.Compute) -> None:
    """What torch knows for a whole process: set before each trial, so that none inherits it."""
    torch.backends.cuda.matmul.allow_tf32 = compute.tf32
    torch.backends.cudnn.allow_tf32 = compute.tf32
    torch.backends.cudnn.benchmark = compute.cudnn_benchmark


def prepare(network: Denoiser, compute: spec.Compute) -> Denoiser:
    """Have a network computed in a way; its weights keep their names. Returns the network."""
    if compute.channels_last:
        network.net.to(memory_format=torch.channels_last)  # pyright: ignore
    if compute.checkpoint_activations:
        blocks = [own for own in network.modules() if isinstance(own, Recomputable)]
        for block in blocks:
            block.recompute = True
        network.recompute = not blocks  # as a whole, where its parts are not known
    if compute.compile:
        network.net.compile()
    return network


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Within, nothing of a network learns that others learn through, way back included.

    No gradient reaches its weights in any case; but the way back of a compiled network is made as a
    whole, and would compute them in vain.
    """
    learning = [weight for weight in network.parameters() if weight.requires_grad]
    for weight in learning:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in learning:
            weight.requires_grad_(True)


def set_dropout(network: nn.Module, share: float) -> None:
    """The share of activations that dropout takes away once the network is in training mode.

    Raises:
        ValueError: the network has no place for it.
    """
    places = [own for own in network.modules() if isinstance(own, Block | nn.Dropout)]
    if share and not places:
        raise ValueError(
            f"dropout = {share}: the network has no layer of dropout; set it to 0, or take another"
        )
    for place in places:
        match place:
            case Block():
                place.dropout = share
            case nn.Dropout():
                place.p = share
