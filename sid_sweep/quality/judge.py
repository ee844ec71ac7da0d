"""The judge of a trial: built once for its data, then asked at every evaluation."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from sid_sweep import spec
from sid_sweep.teachers import Teacher

from .images import digits_judge
from .points import points_judge


@runtime_checkable
class Judge(Protocol):
    """Metrics of a student's samples."""

    @property
    def num_samples(self) -> int:
        """Samples that `measure` wants."""
        ...

    @property
    def references(self) -> dict[str, float]:
        """What the metrics are relative to."""
        ...

    def measure(self, samples: Float[Tensor, "N ..."]) -> dict[str, float]:
        """Exactly the metrics that the data's specification lists."""
        ...


def judge(trial: spec.Trial, teacher: Teacher, *, cache: Path) -> Judge:
    """The judge for a trial; what costs seconds to make is kept, in the process or in `cache`."""
    match trial.data.judged_as:
        case "points":
            return points_judge(trial.data, trial.evaluation.samples)  # pyright: ignore
        case "digits":
            return digits_judge(trial.noise, trial.teacher, teacher, cache=cache)
