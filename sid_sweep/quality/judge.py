"""The judge of a trial: built once for its data and its seed, then asked at every evaluation."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from sid_sweep import spec
from sid_sweep.teachers import Teacher

from .gallery import images_judge
from .images import digits_judge
from .points import points_judge


@runtime_checkable
class Judge(Protocol):
    """Metrics of a student's samples."""

    @property
    def latents(self) -> Float[Tensor, "N ..."]:
        """What the student makes its samples of, on the CPU: a function of the seed alone."""
        ...

    @property
    def labels(self) -> Int[Tensor, " N"] | None:
        """The class of each sample, where the teacher knows classes."""
        ...

    @property
    def references(self) -> dict[str, float]:
        """What the metrics are relative to, or should be compared with."""
        ...

    def measure(self, samples: Float[Tensor, "N ..."]) -> dict[str, float]:
        """Exactly the metrics that the trial's specification lists, its costs aside."""
        ...


def judge(trial: spec.Trial, teacher: Teacher, *, cache: Path) -> Judge:
    """The judge for a trial; what costs seconds to make is kept, in the process or in `cache`."""
    match trial.data.judged_as:
        case "points":
            num = trial.evaluation.samples
            return points_judge(trial.data, num, seed=trial.seed)  # pyright: ignore
        case "digits":
            own = (trial.noise, trial.teacher, teacher)
            return digits_judge(*own, seed=trial.seed, cache=cache)
        case "images":
            return images_judge(trial, teacher, cache=cache)
