"""Judging digits in the features of a small classifier trained on the same digits.

It is no Inception network, so its Fréchet distance is no FID and is called `fd`. Samples are
compared with all real digits, in features whitened by these: else the few directions of largest
variance, which say most of how often each class was drawn, make a distance scatter by 15 % between
draws, and not by 6 %. The teacher learns all digits, so the best that it can do is to redraw them:
`fd_real` is the mean distance of as many digits drawn with repetition; one such set reads 1 ± 0.13.
`fd_teacher` is that of the teacher's own samples. Both are averaged until they stand to 1 %, and
are units of ratios, so what they are off by is the same for all arms.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sid_sweep import spec
from sid_sweep.cache import kept_figure
from sid_sweep.data import digits, halves
from sid_sweep.data.digits import NUM_CLASSES
from sid_sweep.diffusion import noise as diffusion
from sid_sweep.diffusion.solvers import sigma_steps, solve
from sid_sweep.spec import digest, plain
from sid_sweep.streams import seeded, stream
from sid_sweep.teachers import Teacher

from . import latents
from .distances import class_score
from .kept import kept_network
from .moments import frechet_between

NUM_SAMPLES = 7168
STANDING = 0.01  # relative standard error at which a unit is accurate enough
LEAST_DRAWS, MOST_DRAWS = 4, 4096
TEACHER_STEPS = 50
CLASSIFIER_EPOCHS = 60
CLASSIFIER_VERSION = 1  # raise it when the architecture or the training below changes
UNITS_VERSION = 4  # raise it when the units of the ratios are measured otherwise


class Classifier(nn.Module):
    """Two convolutions and a 32-dimensional feature layer; classes are linear in the features."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 24, 3, padding=1), nn.SiLU(),
            nn.Conv2d(24, 48, 3, padding=1, stride=2), nn.SiLU(),
            nn.Flatten(), nn.Linear(48 * 16, 32), nn.SiLU(),
        )  # fmt: skip
        self.classes = nn.Linear(32, NUM_CLASSES)

    def forward(self, images: Float[Tensor, "N 1 8 8"]) -> Float[Tensor, "N 10"]:
        return self.classes(self.features(images))


@dataclass(frozen=True)
class Whitening:
    """The linear map that brings the real digits' features to mean 0 and covariance I."""

    mean: Float[Tensor, " F"]
    map: Float[Tensor, "F F"]

    @classmethod
    def of(cls, real: Float[Tensor, "R F"]) -> "Whitening":
        """By the eigenvectors of their covariance, each over the root of its eigenvalue."""
        values, vectors = torch.linalg.eigh(torch.cov(real.double().T))
        return cls(real.double().mean(0), vectors / values.sqrt())

    def __call__(self, features: Float[Tensor, "N F"]) -> Float[Tensor, "N F"]:
        return (features.double() - self.mean) @ self.map


@dataclass(frozen=True)
class DigitsJudge:
    """Fréchet distance and class score, absolute and relative to real data and to the teacher."""

    classifier: Classifier
    whiten: Whitening
    latents: Float[Tensor, "N 1 8 8"]
    labels: Int[Tensor, " N"] | None
    real: Float[Tensor, "R F"]
    """Whitened features of the real digits."""
    fd_real: float
    """Mean distance of real digits drawn with repetition."""
    fd_teacher: float | None
    """Mean distance of the teacher's 50-step samples; None for a teacher of one noise level, which
    has none."""
    class_score_real: float
    accuracy: float
    """Of the classifier on the half of the digits that it was not trained on."""

    @property
    def references(self) -> dict[str, float]:
        teacher = {} if self.fd_teacher is None else {"fd_teacher": self.fd_teacher}
        return {
            "classifier_accuracy": self.accuracy,
            "fd_real": self.fd_real,
            **teacher,
            "class_score_real": self.class_score_real,
        }

    @torch.no_grad()
    def measure(self, samples: Float[Tensor, "N 1 8 8"]) -> dict[str, float]:
        features = self.classifier.features(samples)
        fd = frechet_between(self.whiten(features), self.real)
        score = class_score(self.classifier.classes(features).softmax(1))
        return {
            **({} if self.fd_teacher is None else {"fd_ratio": fd / self.fd_teacher}),
            "fd_ratio_real": fd / self.fd_real,
            "fd": fd,
            "class_score": score,
            "class_score_ratio": score / self.class_score_real,
        }


def digits_judge(
    noise: spec.Noise, teacher_spec: spec.Teacher, teacher: Teacher, *, seed: int, cache: Path
) -> DigitsJudge:
    """The judge of digits for a teacher and a seed; classifier and units come from the cache."""
    classifier, accuracy = load_classifier(cache=cache)
    images, _ = digits()
    with torch.no_grad():
        features = classifier.features(images)
        real_score = class_score(classifier.classes(features).softmax(1))
    whiten = Whitening.of(features)
    real = whiten(features)
    versions = {"classifier": CLASSIFIER_VERSION, "units": UNITS_VERSION}

    def unit(name: str, key: dict[str, object], measure: Callable[[], float]) -> float:
        path = cache / "judges" / f"{name}-{digest(key | versions)}.json"
        return kept_figure(path, "fd", measure)

    fd_teacher = None
    if not noise.single_level:
        key: dict[str, object] = {"noise": plain(noise), "teacher": plain(teacher_spec)}
        drawn = _teacher_samples(teacher, noise)
        seen = (whiten(classifier.features(samples)) for samples in drawn)
        fd_teacher = unit("teacher", key, lambda: standing_mean(_distances(seen, real)))
    return DigitsJudge(
        classifier,
        whiten,
        latents.normal(NUM_SAMPLES, teacher.shape, seed=seed),
        latents.labels(NUM_SAMPLES, teacher.num_classes, seed=seed),
        real,
        unit("digits", {}, lambda: standing_mean(_distances(_redrawn(real), real))),
        fd_teacher,
        real_score,
        accuracy,
    )


def standing_mean(values: Iterator[float]) -> float:
    """The mean of as many values as bring its relative standard error to 1 %."""
    seen: list[float] = []
    for value in values:
        seen.append(value)
        error = np.std(seen, ddof=1) / len(seen) ** 0.5 if len(seen) > 1 else np.inf
        if len(seen) >= LEAST_DRAWS and error <= STANDING * np.mean(seen):
            break
        if len(seen) == MOST_DRAWS:
            break
    return float(np.mean(seen))


def _distances(
    features: Iterator[Float[Tensor, "N F"]], real: Float[Tensor, "R F"]
) -> Iterator[float]:
    with torch.no_grad():
        for own in features:
            yield frechet_between(own, real)


def _redrawn(real: Float[Tensor, "R F"]) -> Iterator[Float[Tensor, "N F"]]:
    """As many real digits as there are samples, drawn with repetition, again and again."""
    random = stream("evaluation", "redrawn")
    while True:
        yield real[torch.randint(len(real), (NUM_SAMPLES,), generator=random)]


def _teacher_samples(teacher: Teacher, noise: spec.Noise) -> Iterator[Float[Tensor, "N 1 8 8"]]:
    """The teacher's own samples in 50 Euler steps (DDIM), again and again."""
    process = diffusion.process(noise)
    sigmas = sigma_steps(TEACHER_STEPS, sigma_min=0.02, sigma_max=20.0)
    random = stream("evaluation", "teacher")
    while True:
        latents = torch.randn(NUM_SAMPLES, *teacher.shape, generator=random).to(teacher.device)
        epsilon = teacher.epsilon
        if teacher.num_classes and teacher.denoiser is not None:
            classes = torch.randint(teacher.num_classes, (NUM_SAMPLES,), generator=random)
            epsilon = partial(teacher.denoiser, labels=classes.to(teacher.device))
        yield solve(epsilon, float(sigmas[0]) * latents, sigmas, process=process).cpu()


def load_classifier(*, cache: Path) -> tuple[Classifier, float]:
    """The trained classifier and its test accuracy, from the cache or trained now (seconds)."""
    path = cache / "classifiers" / f"digits-v{CLASSIFIER_VERSION}.safetensors"
    classifier = Classifier().requires_grad_(False).eval()
    accuracy = kept_network(path, classifier, _train_classifier)
    return classifier, accuracy


def _train_classifier() -> tuple[Classifier, float]:
    images, labels = digits()
    train, test = halves(len(images), split=10_000)
    with seeded("classifier", CLASSIFIER_VERSION):
        classifier = Classifier()
    optimiser = torch.optim.AdamW(classifier.parameters(), lr=2e-3, weight_decay=1e-2)
    random = stream("classifier", CLASSIFIER_VERSION)
    for _ in range(CLASSIFIER_EPOCHS):
        for batch in train[torch.randperm(len(train), generator=random)].split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(classifier(images[batch]), labels[batch]).backward()
            optimiser.step()
    with torch.no_grad():
        right = classifier(images[test]).argmax(1) == labels[test]
    return classifier, float(right.double().mean())
