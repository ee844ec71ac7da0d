"""Judging images as the field does: by distances of features, precision, recall, and classes.

Samples are rounded to bytes first, as published figures were. Every figure depends on the number of
samples: a Fréchet distance is too large by a bias that falls as 1/n, so that figures compare at one
n alone; the kernel distance has no bias. What as many real images read is among the references.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from sid_sweep import spec
from sid_sweep.data import Source, source
from sid_sweep.foreign.identity import identity
from sid_sweep.foreign.moments import HALF_RANGE
from sid_sweep.foreign.statistics import gaussian_fit
from sid_sweep.spec import digest
from sid_sweep.spec.evaluation import DataReference, Statistics
from sid_sweep.streams import stream
from sid_sweep.teachers import Teacher

from . import latents
from .distances import class_score
from .kept import kept_tensors
from .kernel import kernel_distance
from .moments import Moments, frechet, scaling, whitening
from .neighbours import covered, radii
from .sight import Gathered, Sight, sight

REFERENCE_VERSION = 1  # raise it when a reference is measured otherwise
NUM_SPLITS = 10  # of the samples for the Inception score (Salimans et al. 2016)
BLOCK = 4096  # images that are read at a time


@dataclass(frozen=True)
class Reference:
    """What the samples' features are compared with."""

    mean: Float[Tensor, " F"]
    covariance: Float[Tensor, "F F"]
    features: Float[Tensor, "M F"] | None = None
    """Of as many images as there are samples, at most; None of published statistics."""
    read: float | None = None
    """The Fréchet distance of as many real images, drawn with repetition: what no student is
    expected to go below."""
    map: Float[Tensor, "F F"] | None = None
    """By which raw features, less their `origin`, become what is compared; None: they are it."""
    origin: Float[Tensor, " F"] | None = None

    @cached_property
    def radii(self) -> Float[Tensor, " M"]:
        """Squared, of the balls that hold the data."""
        assert self.features is not None
        return radii(self.features)

    def mapped(self, features: Float[Tensor, "N F"]) -> Float[Tensor, "N F"]:
        """What is compared of raw features."""
        if self.map is None or self.origin is None:
            return features
        return (features.double() - self.origin) @ self.map


@dataclass(frozen=True)
class ImagesJudge:
    """Metrics of images in one network's features."""

    sight: Sight
    reference: Reference
    latents: Float[Tensor, "N C H W"]
    labels: Int[Tensor, " N"] | None
    metrics: tuple[str, ...]
    """Their names, in order."""
    seed: int

    @property
    def references(self) -> dict[str, float]:
        read = self.reference.read
        return self.sight.accuracy | ({} if read is None else {f"{self.metrics[0]}_of_data": read})

    def measure(self, samples: Float[Tensor, "N C H W"]) -> dict[str, float]:
        """All metrics; all are NaN if a pixel is not finite."""
        if not bool(samples.isfinite().all()):
            return dict.fromkeys(self.metrics, math.nan)
        return self.score(self.sight.gather(as_bytes(samples)))

    def score(self, own: Gathered) -> dict[str, float]:
        """Of samples that have been looked at."""
        ref = self.reference
        features = ref.mapped(own.features)
        moments = moments_of(features)
        distance = frechet(ref.mean, ref.covariance, moments.mean, moments.covariance)
        found = {self.metrics[0]: distance}
        for name in ("inception_score", "class_score"):
            if name in self.metrics:
                assert own.logits is not None  # a network whose classes are scored has some
                found[name] = split_score(own.logits)
        if ref.features is not None:
            found |= self._by_images(features, ref.features)
        return {name: found[name] for name in self.metrics}

    def _by_images(self, own: Float[Tensor, "N F"], real: Float[Tensor, "M F"]) -> dict[str, float]:
        subsets = stream("evaluation", self.seed, "subsets")
        return {
            self.metrics[1]: kernel_distance(own, real, generator=subsets),
            "precision": covered(own, real, self.reference.radii),
            "recall": covered(real, own, radii(own)),
        }


def images_judge(trial: spec.Trial, teacher: Teacher, *, cache: Path) -> ImagesJudge:
    """The judge of images for a trial; networks and references come from the cache.

    Raises:
        ValueError: what it needs is missing, or too few samples or images for the features.
    """
    assert trial.features is not None  # what is judged as images has some
    own = source(trial.data, cache=cache)
    eyes = sight(trial, teacher, own, cache=cache)
    num, seed = trial.evaluation.samples, trial.seed
    reference = _reference(trial, eyes, own, cache=cache)
    _require_enough(num, len(reference.mean), "evaluation.samples", "raise it")
    return ImagesJudge(
        eyes,
        reference,
        latents.normal(num, teacher.shape, seed=seed),
        latents.labels(num, teacher.num_classes, seed=seed),
        tuple(name for name in trial.features.metrics if name in trial.metrics),
        seed,
    )


def as_bytes(samples: Float[Tensor, "N C H W"]) -> UInt8[Tensor, "N C H W"]:
    """[-1, 1] to the nearest of 0 to 255."""
    return (samples * HALF_RANGE + HALF_RANGE).round().clamp(0, 255).to(torch.uint8)


def split_score(logits: Float[Tensor, "N K"]) -> float:
    """Mean over ten parts of exp E KL(p(y|x) ‖ p(y)) (Salimans et al. 2016)."""
    parts = logits.double().softmax(1).chunk(min(NUM_SPLITS, len(logits)))
    return float(np.mean([class_score(part) for part in parts]))


# ---- the reference


def _reference(trial: spec.Trial, eyes: Sight, own: Source, *, cache: Path) -> Reference:
    match trial.evaluation.reference:
        case Statistics(path=path):
            fit = gaussian_fit(path)
            mean, covariance = map(torch.from_numpy, (fit.mean, fit.covariance))
            return Reference(mean.to(eyes.device), covariance.to(eyes.device))
        case DataReference():
            return _of_data(trial, eyes, own, cache=cache)


def _of_data(trial: spec.Trial, eyes: Sight, own: Source, *, cache: Path) -> Reference:
    """From the cache, or looked at now."""
    assert own.images is not None  # the specification refuses data without images
    num = trial.evaluation.samples
    key = {
        "data": identity(trial.data),
        "features": eyes.identity,
        "samples": num,
        "code": REFERENCE_VERSION,
    }
    path = cache / "judges" / f"images-{digest(key)}.safetensors"
    images = own.images
    tensors = kept_tensors(path, lambda: look_at(images, eyes, num_samples=num))
    return reference_of({name: x.to(eyes.device) for name, x in tensors.items()})


def reference_of(kept: dict[str, Tensor]) -> Reference:
    """What `look_at` found."""
    read = float(kept["read"])
    place = kept.get("map"), kept.get("origin")
    return Reference(kept["mean"], kept["covariance"], kept["features"], read, *place)


def look_at(
    images: UInt8[np.ndarray, "M C H W"], eyes: Sight, *, num_samples: int
) -> dict[str, Tensor]:
    """Moments over all images, and the features of as many as there are samples.

    Raises:
        ValueError: too few images for the features.
    """
    blocks = range(0, len(images), BLOCK)
    moments = Moments.merged(
        eyes.moments(torch.from_numpy(np.array(images[first : first + BLOCK]))) for first in blocks
    )
    _require_enough(len(images), len(moments.mean), "images of the data", "use other features")
    order = torch.randperm(len(images), generator=stream("evaluation", "reference"))
    redrawn = stream("evaluation", "redrawn")
    drawn = torch.randint(len(images), (num_samples,), generator=redrawn)
    found = {"mean": moments.mean, "covariance": moments.covariance, **_place(eyes, moments)}
    ref = Reference(moments.mean, moments.covariance, None, None, found.get("map"), moments.mean)
    if ref.map is not None:
        found["mean"] = torch.zeros_like(moments.mean)
        found["covariance"] = ref.map.T @ moments.covariance @ ref.map
    own = moments_of(ref.mapped(_features(images, eyes, drawn)))
    read = frechet(found["mean"], found["covariance"], own.mean, own.covariance)
    return found | {
        "features": ref.mapped(_features(images, eyes, order[:num_samples])).float(),
        "read": torch.tensor(read, dtype=torch.float64),
    }


def moments_of(features: Float[Tensor, "N F"]) -> Moments:
    """Some at a time, as float64 is large."""
    return Moments.merged(map(Moments.of, features.split(BLOCK)))


def _place(eyes: Sight, moments: Moments) -> dict[str, Tensor]:
    """By what features are brought to unit size."""
    match eyes.scaling:
        case "none":
            return {}
        case "white":
            return {"map": whitening(moments.covariance), "origin": moments.mean}
        case "scale":
            return {"map": scaling(moments.covariance), "origin": moments.mean}


def _features(
    images: UInt8[np.ndarray, "M C H W"], eyes: Sight, rows: Int[Tensor, " n"]
) -> Float[Tensor, "n F"]:
    """Of some images, read in their order on the disk."""
    parts = rows.sort().values.split(BLOCK)
    return torch.cat([eyes.gather(torch.from_numpy(images[p.numpy()])).features for p in parts])


def _require_enough(num: int, dimensions: int, what: str, remedy: str) -> None:
    if num < dimensions:
        raise ValueError(
            f"{what} = {num}: fewer than the {dimensions:,} dimensions of the features, whose "
            f"covariance is singular then; {remedy}"
        )
