"""scikit-learn's handwritten digits (Alpaydin & Kaynak 1998, UCI): real images that come
installed."""

import functools

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

NUM_CLASSES = 10
SHAPE = (1, 8, 8)


@functools.cache
def digits() -> tuple[Float[Tensor, "1797 1 8 8"], Int[Tensor, " 1797"]]:
    """Images in [-1, 1] and their classes."""
    from sklearn.datasets import load_digits

    pixels, classes = load_digits(return_X_y=True)
    images = torch.tensor(pixels, dtype=torch.float32).view(-1, *SHAPE) / 8 - 1
    return images, torch.tensor(classes)


def halves(num: int, *, split: int) -> tuple[Int[Tensor, " half"], Int[Tensor, " half"]]:
    """Two disjoint random halves of `num` indices, equally long; `split` chooses which."""
    order = torch.from_numpy(np.random.default_rng(split).permutation(num))
    half = num // 2
    return order[:half], order[half : 2 * half]
