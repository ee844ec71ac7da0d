"""Teachers: where the frozen denoiser of the data comes from."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .base import Count, Foreign, ForeignFunction, ForeignPath, Positive, Spec
from .nets import EMA, Adam, Net, ResidualMLP
from .noise import EDMWeight, LogNormalTimes, Times, Weight
from .outside import Argument

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


class _Loaded(_Teacher):
    """A denoiser that someone else trained: loaded, and asked at the levels of any noise process,
    since they differ by a scale alone."""

    lacks: ClassVar[tuple[str, ...]] = ("cost/of_teacher",)  # what was spent on it is not known


COMMIT = r"^hf://[\w.-]+/[\w.-]+@[0-9a-f]{40}$"
NO_COMMIT = (
    "must be hf://owner/name@<commit>, with the 40 hex digits that the hub lists under History: a "
    "branch or a tag may move, and then the same words name another teacher"
)


FACTORY = r"^[^:]+:[A-Za-z_]\w*$"


class EdmTeacher(_Loaded):
    """A network that NVlabs' EDM or the official SiD wrote, a .pkl, in which nothing is run."""

    kind: Literal["edm"]
    path: ForeignPath
    """The file, such as edm-cifar10-32x32-uncond-vp.pkl."""


class DiffusersTeacher(_Loaded):
    """An unconditional or class-conditional UNet2DModel as diffusers saves it, with its β."""

    kind: Literal["diffusers"]
    path: Annotated[str | None, Field(min_length=1), Foreign()] = None
    """Folder that DDPMPipeline.save_pretrained wrote, or UNet2DModel's with scheduler_config.json
    beside its config.json."""
    hf: str | None = None
    """In place of `path`: hf://owner/name@<commit>, fetched once from the hub into the cache."""
    sigma_data: Positive = 0.5
    """Deviation of the data for EDM weights and fresh networks (EDM, images in [-1, 1]: 0.5)."""

    @model_validator(mode="after")
    def _one_place(self) -> "DiffusersTeacher":
        if (self.path is None) == (self.hf is None):
            raise ValueError("kind = diffusers needs either path, a folder, or hf")
        if self.path is not None and self.path.startswith("hf://"):
            raise ValueError(f"path = {self.path} is no folder; write it under hf")
        if self.hf is not None and not re.match(COMMIT, self.hf):
            raise ValueError(f"hf = {self.hf} {NO_COMMIT}")
        return self


class CheckpointTeacher(_Loaded):
    """A denoiser that this program wrote: a trained teacher out of a cache, or the exported student
    of method.kind = teacher. A one-step student denoises at one level alone, so it is refused."""

    kind: Literal["checkpoint"]
    path: ForeignPath
    """Its .safetensors file."""


class PythonTeacher(_Loaded):
    """A denoiser of the user's own code, D(x; σ) of x = x_0 + σ ε."""

    kind: Literal["python"]
    factory: ForeignFunction
    """What makes it: module:function, or path/to/file.py:function."""
    arguments: dict[str, Argument] = Field(default={})
    """What the function is called with."""

    @model_validator(mode="after")
    def _names_a_function(self) -> "PythonTeacher":
        if not re.match(FACTORY, self.factory):
            raise ValueError(
                f"factory = {self.factory} must be module:function or path/to/file.py:function"
            )
        return self


Loaded = EdmTeacher | DiffusersTeacher | CheckpointTeacher | PythonTeacher
Teacher = Annotated[ExactTeacher | TrainedTeacher | Loaded, Field(discriminator="kind")]
