"""How a student is judged: when, on how many samples, in which features and against what.

A Fréchet distance is called FID where its features are Inception's, and nowhere else.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from .base import Count, ForeignPath, Positive, Spec
from .constraints import START, Constraint, parse

if TYPE_CHECKING:
    from .trial import Trial

INCEPTION_DIMENSIONS = 2048
CLASSIFIER_DIMENSIONS = 32

_NEIGHBOURS = {
    "precision": "share of the samples that are as near to a real image as its 3rd real neighbour",
    "recall": "share of the real images that are as near to a sample as its 3rd neighbour sample",
}

# ---- features


class _Features(Spec):
    metrics: ClassVar[dict[str, str]]
    """What students are judged by in these features, and what that means."""
    positive: ClassVar[tuple[str, ...]]
    """Metrics that are above zero whatever the student; arms are compared by their ratio."""
    most: ClassVar[dict[str, float]] = {"precision": 1.0, "recall": 1.0}
    """The largest value that a metric can have, where it has one."""
    columns: ClassVar[tuple[str, ...]]
    """Metrics that a table shows beside the objective."""
    dimensions: ClassVar[int | None] = None
    """Of one image; None where the net decides."""

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        if trial.data.judged_as != "images":
            yield (
                f"{path}.kind = {self.kind} is for images, and data.kind = {trial.data.kind} "  # type: ignore[attr-defined]
                f"is judged as {trial.data.judged_as}; leave it out"
            )


class Inception(_Features):
    """The network of the published FID: Inception v3 of 2015-12-05 (Heusel et al. 2017)."""

    metrics: ClassVar[dict[str, str]] = {
        "fid": "Fréchet distance to the reference in Inception's features (Heusel et al. 2017)",
        "kid": "squared MMD, cubic kernel, of Inception's features; unbiased, so also below 0",
        "inception_score": "exp of the mutual information of sample and Inception's class",
        **_NEIGHBOURS,
    }
    positive: ClassVar[tuple[str, ...]] = ("fid", "inception_score")
    columns: ClassVar[tuple[str, ...]] = ("kid", "precision", "recall")
    dimensions: ClassVar[int | None] = INCEPTION_DIMENSIONS

    kind: Literal["inception"]
    path: ForeignPath
    """Its weights: pytorch-fid's pt_inception-2015-12-05-6726825d.pth, or safetensors."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{8,64}$")] = "6726825d"
    """With what the file's SHA-256 begins, in hex; another file must be named so."""


class ClassifierFeatures(_Features):
    """The last layer but one of a small classifier, trained on the labels of the data."""

    metrics: ClassVar[dict[str, str]] = {
        "fd": "Fréchet distance to the reference in the features of a classifier of the data",
        "mmd": "squared MMD, cubic kernel, of these features; unbiased, so also below 0",
        "class_score": "exp of the mutual information of sample and predicted class",
        **_NEIGHBOURS,
    }
    positive: ClassVar[tuple[str, ...]] = ("fd", "class_score")
    columns: ClassVar[tuple[str, ...]] = ("class_score", "precision", "recall")
    dimensions: ClassVar[int | None] = CLASSIFIER_DIMENSIONS

    kind: Literal["classifier"] = "classifier"


class TeacherFeatures(_Features):
    """The teacher's own activations at its lowest resolution, averaged over positions."""

    metrics: ClassVar[dict[str, str]] = {
        "fd": "Fréchet distance to the reference in the teacher's own features",
        "mmd": "squared MMD, cubic kernel, of these features; unbiased, so also below 0",
        **_NEIGHBOURS,
    }
    positive: ClassVar[tuple[str, ...]] = ("fd",)
    columns: ClassVar[tuple[str, ...]] = ("mmd", "precision", "recall")

    kind: Literal["teacher"] = "teacher"
    sigma: Positive = 0.2
    """Noise level that the teacher is told of the clean image (noise.kind = fixed has its own)."""


Features = Annotated[Inception | ClassifierFeatures | TeacherFeatures, Field(discriminator="kind")]

# ---- reference


class DataReference(Spec):
    """The images of the data: all for the Fréchet distance, as many as samples for the others."""

    kind: Literal["data"] = "data"

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        if trial.data.kind == "none":
            yield (
                f"{path}.kind = data needs data, and data.kind = none; use {path}.kind = "
                "statistics with evaluation.features.kind = inception"
            )


class Statistics(Spec):
    """Mean and covariance of Inception's features, from a file that someone published."""

    lacks: ClassVar[tuple[str, ...]] = ("kid", "precision", "recall")  # they compare with images

    kind: Literal["statistics"]
    path: ForeignPath
    """An .npz with `mu` [2048] and `sigma` [2048, 2048], as EDM publishes them."""

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        features = trial.evaluation.features
        if not isinstance(features, Inception):
            kind = "none" if features is None else features.kind
            yield (
                f"{path}.kind = statistics holds Inception's features, and "
                f"evaluation.features.kind = {kind}; use inception, or {path}.kind = data"
            )


Reference = Annotated[DataReference | Statistics, Field(discriminator="kind")]


class Evaluation(Spec):
    """When and how a student is judged: on latents of its seed, the same for all arms."""

    times: Count = 8
    """Evaluations, evenly over the budget, the last at its end; the start is judged too."""
    samples: Annotated[int, Field(ge=16)] = 8192
    """Student samples of one evaluation, where the data do not fix their number (digits do); a
    published FID has 50,000, and fewer read higher."""
    noise_bins: Count = 4
    """Bins of equal probability of the generator's noise levels, for its diagnostics."""
    features: Features | None = None
    """In what images are compared; null: a classifier's where the data have classes by their kind,
    else the teacher's own."""
    reference: Reference = DataReference()
    """With what images are compared."""
    keeps: tuple[str, ...] = Field(default=(), strict=False)
    """What a student must keep, or its trial ends at once as collapsed: METRIC <= NUMBER, METRIC >=
    NUMBER, or so many times what it had at the start, such as modes >= 6 or js <= 1.5 * start."""
    keeps_from: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """From which part of the budget on: until then it may be anything."""

    @field_validator("keeps")
    @classmethod
    def _said_in_one_way(cls, keeps: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(parse(own, reference=START).text for own in keeps)

    @property
    def bounds(self) -> list[Constraint]:
        """What a student must keep."""
        return [parse(own, reference=START) for own in self.keeps]

    @property
    def kept(self) -> str:
        """That in words."""
        return f"{', '.join(self.keeps)} from {self.keeps_from:.0%} of the budget on"

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        for own in self.bounds:
            known = [name for name in trial.metrics if not name.startswith("cost/")]
            if own.metric not in known:
                yield f"{path}.keeps: {own.text}: a student is judged by {', '.join(known)}"
        least = trial.features.dimensions if trial.features else None
        if least is not None and self.samples < least:
            yield (
                f"{path}.samples = {self.samples}: fewer than the {least:,} dimensions of the "
                "features, whose covariance is singular then; raise it, or use other features"
            )
