"""What a file or a folder of pictures holds: how many, their names and classes, and the way to the
pixels of each. Whatever the format, the rest of the room reads this."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8

Pixels = UInt8[np.ndarray, "C H W"]
Load = Callable[[], np.ndarray]
"""Reads one picture's Pixels, in any thread."""


@dataclass(frozen=True)
class Contents:
    """Pictures that are not read yet."""

    num: int
    pictures: Callable[[], Iterator[tuple[str, Load]]]
    """Each with its short name, in an order that is the same on every machine."""
    labels: Int64[np.ndarray, " N"] | None = None
    """Their classes, where they have some: 0, 1, ..."""
    classes: tuple[str, ...] = ()
    """The names of the classes; empty where only their numbers are known."""
    ignored: int = 0
    """Files beside them that are no pictures by their names."""

    @property
    def num_classes(self) -> int:
        """0 where pictures have no classes."""
        if self.labels is None:
            return 0
        return len(self.classes) or int(self.labels.max()) + 1


def numbered(
    labels: Sequence[object], names: Sequence[str], *, where: str, classes: Sequence[str] = ()
) -> Int64[np.ndarray, " N"]:
    """Labels as whole numbers that each stand for a class.

    Raises:
        ValueError: one does not; the message names its picture.
    """
    for name, label in zip(names, labels, strict=True):
        if not isinstance(label, int) or isinstance(label, bool) or label < 0:
            raise ValueError(
                f"{where}: {name} has the label {label!r}; a label is the whole number of a class, "
                "from 0, and every picture or none has one"
            )
        if classes and label >= len(classes):
            raise ValueError(
                f"{where}: {name} has the label {label}, and there are {len(classes)} classes"
            )
    return np.array(labels, dtype=np.int64)
