"""Colour patches of scikit-learn's two photographs: real colours that come installed."""

import numpy as np
from jaxtyping import Int64, UInt8

from sid_sweep import spec

CLASSES = ("china", "flower")


def patches(
    data: spec.data.Patches,
) -> tuple[UInt8[np.ndarray, "N 3 size size"], Int64[np.ndarray, " N"]]:
    """All patches that a specification cuts, and which photograph each is of."""
    from sklearn.datasets import load_sample_image

    photographs = [shrunk(load_sample_image(f"{name}.jpg"), data.shrink) for name in CLASSES]
    cut = [tiles(own, size=data.size, stride=data.stride) for own in photographs]
    labels = np.repeat(np.arange(len(cut)), [len(own) for own in cut])
    return np.concatenate(cut), labels


def shrunk(photograph: UInt8[np.ndarray, "H W C"], times: int) -> UInt8[np.ndarray, "h w C"]:
    """Means of `times` x `times` pixels; what is left over at the right and below is cut off."""
    height, width = (side // times for side in photograph.shape[:2])
    whole = photograph[: height * times, : width * times].astype(np.float64)
    return whole.reshape(height, times, width, times, -1).mean((1, 3)).round().astype(np.uint8)


def tiles(
    photograph: UInt8[np.ndarray, "H W C"], *, size: int, stride: int
) -> UInt8[np.ndarray, "N C size size"]:
    """All patches whose corners lie on a grid, row by row."""
    windows = np.lib.stride_tricks.sliding_window_view(photograph, (size, size), axis=(0, 1))
    cut = windows[::stride, ::stride]  # [rows, columns, C, size, size]
    return np.ascontiguousarray(cut.reshape(-1, *cut.shape[2:]))
