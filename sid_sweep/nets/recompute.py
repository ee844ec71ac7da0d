"""Activations computed again on the way back, instead of kept (Chen et al. 2016)."""

from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Recomputable(nn.Module):
    """A module that keeps its inputs alone if `recompute` is set; dropout falls as it fell."""

    recompute: bool = False

    def __call__(self, *inputs: Any) -> Any:
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(super().__call__, *inputs, use_reentrant=False)
        return super().__call__(*inputs)
