"""When a sweep gives an arm up before its budget is spent: by what others came to at as many images
on the same seeds.

Evaluations are counted from 1; the last of `times` is never looked at: nothing is saved there.
"""

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .base import Spec

Part = Annotated[float, Field(gt=0, lt=1)]


class _Pruning(Spec):
    called: ClassVar[str]
    """In a sentence."""

    def looks(self, times: int) -> list[int]:
        """The evaluations, of so many, after which an arm may be given up."""
        raise NotImplementedError

    def spares(self, num_better: int, num: int) -> bool:
        """Whether an arm goes on when so many of `num` arms, itself among them, are better."""
        raise NotImplementedError


class Halving(_Pruning):
    """Asynchronous successive halving (Li et al. 2020), as it is without resuming arms: at `least`
    of the budget, and each time that it has been multiplied by `eta`, an arm goes on that is among
    the best 1/eta of those that have come as far; while these are fewer than eta, only the best."""

    called: ClassVar[str] = "asynchronous successive halving"

    kind: Literal["halving"]
    eta: Annotated[float, Field(gt=1)] = 3.0
    """Of so many arms one goes on."""
    least: Part = 1 / 3
    """Part of the budget that every arm spends; who wins may start slowly."""

    def looks(self, times: int) -> list[int]:
        found, part = [], self.least
        while (turn := math.ceil(part * times - 1e-9)) < times:
            found.append(turn)
            part *= self.eta
        return sorted(set(found))

    def spares(self, num_better: int, num: int) -> bool:
        return num_better < max(1, int(num / self.eta))


class Median(_Pruning):
    """The median rule (Golovin et al. 2017, there of running averages): from `least` of the budget
    on, an arm goes on that is no worse than the median of the others that have come as far."""

    called: ClassVar[str] = "the median rule"

    kind: Literal["median"]
    least: Part = 0.5
    """Part of the budget that every arm spends."""
    others: Annotated[int, Field(ge=2)] = 4
    """Arms that must have come as far before another is given up."""

    def looks(self, times: int) -> list[int]:
        return list(range(math.ceil(self.least * times - 1e-9), times))

    def spares(self, num_better: int, num: int) -> bool:
        return num - 1 < self.others or 2 * num_better <= num - 1


Pruning = Annotated[Halving | Median, Field(discriminator="kind")]
