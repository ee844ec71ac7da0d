"""Teachers: where the frozen denoiser of the data comes from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from .base import Count, Spec
from .nets import EMA, Adam, Net, ResidualMLP
from .noise import EDMWeight, LogNormalTimes, Times, Weight

if TYPE_CHECKING:
    from .trial import Trial


class _Teacher(Spec):
    has_weights: ClassVar[bool] = True
    """A network that a student can begin with."""


class ExactTeacher(_Teacher):
    """The closed-form denoiser of a mixture."""

    lacks: ClassVar[tuple[str, ...]] = ("cost/of_teacher",)  # nothing was spent on it
    has_weights: ClassVar[bool] = False

    kind: Literal["exact"] = "exact"

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        if not trial.data.closed_form:
            yield (
                f"{path}.kind = exact needs data.kind = mixture, not {trial.data.kind}: "
                "only a mixture has a closed-form score; use teacher.kind = trained"
            )


class TrainedTeacher(_Teacher):
    """A denoiser trained on the data at first use, then cached under a digest of what made it."""

    kind: Literal["trained"]
    net: Net = ResidualMLP(kind="residual_mlp")
    """Its architecture."""
    images: Count = 2_000_000
    """Training images, with repetition."""
    batch: Count = 256
    """Images a step."""
    optim: Adam = Adam(beta1=0.9, decay="cosine")
    """Its optimiser."""
    ema: EMA = EMA(half_life_images=50_000.0)
    """Average of its weights; the average is the teacher."""
    times: Times = LogNormalTimes(kind="log_normal")
    """Noise levels it is trained on."""
    weight: Weight = EDMWeight(kind="edm")
    """How much each level counts."""
    seed: int = 0
    """Of its initialisation and training."""


Teacher = Annotated[ExactTeacher | TrainedTeacher, Field(discriminator="kind")]
