"""The deviation of pictures from their mean picture, exact in whole numbers: σ_data (Karras et al.
2022, Table 1), the same for any order of the sums."""

import numpy as np

from .contents import Pixels

HALF_RANGE = 127.5  # bytes for a distance of 1, at pixels in [-1, 1]


class Moments:
    """Sums over pictures of one shape."""

    def __init__(self) -> None:
        self._num, self._squares = 0, 0
        self._sum: np.ndarray = np.zeros(1, dtype=np.int64)

    def add(self, picture: Pixels) -> None:
        """One more."""
        self._num += 1
        self._sum = self._sum + picture
        self._squares += int(np.square(picture, dtype=np.int64).sum())

    @property
    def deviation(self) -> float:
        """√ of the mean over pixels and channels of each one's variance."""
        num, total = self._num, self._num * self._sum.size
        spread = num * self._squares - int(np.square(self._sum).sum())  # whole: no cancellation
        return (spread / (num * total)) ** 0.5 / HALF_RANGE


def deviation(images: np.ndarray) -> float:
    """That of an array [N, C, H, W] of bytes."""
    moments = Moments()
    for picture in images:
        moments.add(picture)
    return moments.deviation
