"""The networks through which images are compared, with one face: bytes in, features out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from sid_sweep import spec
from sid_sweep.data import Source
from sid_sweep.diffusion import noise as diffusion
from sid_sweep.foreign.fingerprint import fingerprint
from sid_sweep.foreign.identity import identity
from sid_sweep.foreign.statistics import weights_file
from sid_sweep.spec.evaluation import ClassifierFeatures, Inception, TeacherFeatures
from sid_sweep.teachers import Teacher

from . import classifier, inception
from .bottleneck import bottleneck
from .inception import Seen
from .moments import Moments

SMALL_CHUNK, LARGE_CHUNK = 256, {"cpu": 16, "cuda": 256}  # images at a time; Inception's are large


@dataclass(frozen=True)
class Gathered:
    """What a network saw in many images."""

    features: Float[Tensor, "N F"]
    logits: Float[Tensor, "N K"] | None


@dataclass(frozen=True)
class Sight:
    """A feature network."""

    see: Callable[[UInt8[Tensor, "B C H W"]], Seen]
    identity: dict[str, Any]
    """What its features are known by."""
    device: torch.device
    chunk: int = SMALL_CHUNK
    scaling: Literal["none", "scale", "white"] = "none"
    """How features are brought to unit size: published ones stay as they are."""
    accuracy: dict[str, float] = field(default_factory=dict)
    """Of a classifier."""

    @torch.no_grad()
    def moments(self, images: UInt8[Tensor, "N C H W"]) -> Moments:
        """Of the features, which are not kept."""
        parts = images.split(self.chunk)
        return Moments.merged(Moments.of(self.see(p.to(self.device)).features) for p in parts)

    @torch.no_grad()
    def gather(self, images: UInt8[Tensor, "N C H W"]) -> Gathered:
        """All that there is to be seen."""
        seen = [self.see(part.to(self.device)) for part in images.split(self.chunk)]
        features = torch.cat([one.features for one in seen])
        logits = [one.logits for one in seen if one.logits is not None]
        return Gathered(features, torch.cat(logits) if logits else None)


def sight(trial: spec.Trial, teacher: Teacher, own: Source, *, cache: Path) -> Sight:
    """The feature network of a trial.

    Raises:
        ValueError: its weights are missing or others, or the data have no classes to learn.
    """
    device = teacher.device
    match trial.features:
        case Inception() as features:
            network = inception.load(weights_file(features)).to(device)
            chunk = LARGE_CHUNK.get(device.type, LARGE_CHUNK["cpu"])
            return Sight(network, {"inception": fingerprint(features.path)}, device, chunk)
        case ClassifierFeatures():
            return _of_classifier(trial, own, cache=cache, device=device)
        case TeacherFeatures(sigma=sigma):
            return _of_teacher(trial, teacher, sigma=sigma)
        case None:
            raise AssertionError("what is not judged as images has no features")


def _of_classifier(trial: spec.Trial, own: Source, *, cache: Path, device: torch.device) -> Sight:
    if own.images is None or own.labels is None:
        raise ValueError(
            f"evaluation.features.kind = classifier needs classes to learn, and data.kind = "
            f"{trial.data.kind} has none here; use teacher or inception"
        )
    data = identity(trial.data)
    made = classifier.load(own.images, own.labels, data=data, cache=cache, device=device)
    known = {"classifier": data, "code": classifier.CLASSIFIER_VERSION}
    return Sight(
        made.network,
        known,
        device,
        scaling="white",
        accuracy={"classifier_accuracy": made.accuracy},
    )


def _of_teacher(trial: spec.Trial, teacher: Teacher, *, sigma: float) -> Sight:
    if teacher.denoiser is None:
        raise ValueError(
            "evaluation.features.kind = teacher needs a teacher with a network; use inception"
        )
    if isinstance(trial.noise, spec.noise.FixedNoise):
        sigma = trial.noise.sigma
    level = diffusion.process(trial.noise).level(torch.full((1,), sigma, device=teacher.device))
    conditional = teacher.num_classes > 0
    see = bottleneck(teacher.denoiser, level, teacher.shape, conditional=conditional)
    parts = {"data": trial.data, "noise": trial.noise, "teacher": trial.teacher}
    known = {name: identity(part) for name, part in parts.items()}
    made = {"precision": trial.precision, "code": spec.trial.TEACHER_VERSION, "sigma": sigma}
    return Sight(see, {"bottleneck": known | made}, teacher.device, scaling="scale")
