"""Data: what the teacher knows and the student should come to know."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .base import Count, Positive, Spec

NUM_MODES = {"ring8": 8, "grid25": 25, "spirals": 48, "checkerboard": 128}
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
    pixels: ClassVar[int | None] = None
    """Height and width of its images; None where a sample is a point."""
    num_classes: ClassVar[int] = 0
    """Of its images; 0 where there are none, or where only the images say so."""
    closed_form: ClassVar[bool] = False
    """Its score is known at every noise level."""

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


class Digits(_Data):
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
    pixels: ClassVar[int | None] = 8

    kind: Literal["digits"]


Data = Annotated[Mixture | Digits, Field(discriminator="kind")]
