"""Judging digits in the features of a small classifier trained on the same digits.

It is no Inception network, so its Fréchet distance is no FID and is called `fd`. Every distance
compares 898 samples with one random half of the real digits and is averaged over 8 splits. The
teacher learns all digits, so the best that it can do is to redraw them: `fd_real` is the distance
of 898 real digits drawn with repetition. All share one bias, ratios have limit 1. (The other half
would be no floor: the squared error of its mean is 2 v/n, that of a redraw 1.5 v/n.)
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sid_sweep import spec
from sid_sweep.data import digits, halves
from sid_sweep.data.digits import NUM_CLASSES
from sid_sweep.diffusion import noise as diffusion
from sid_sweep.diffusion.solvers import sigma_steps, solve
from sid_sweep.files import locked, read_json, replacing, write_json
from sid_sweep.spec import digest, plain
from sid_sweep.streams import seeded, stream
from sid_sweep.teachers import Teacher

from .distances import class_score, frechet

NUM_SPLITS = 8
NUM_REDRAWS = 8  # of the real digits, for each split
TEACHER_STEPS = 50
CLASSIFIER_EPOCHS = 60
CLASSIFIER_VERSION = 1  # raise it when the architecture or the training below changes


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
class DigitsJudge:
    """Fréchet distance and class score, absolute and relative to real data and to the teacher."""

    classifier: Classifier
    real: Float[Tensor, "R H F"]
    """Features of one half of the real digits, for each split."""
    fd_real: float
    """Mean distance of real digits drawn with repetition."""
    fd_teacher: float | None
    """Mean distance of the teacher's 50-step samples; None for a teacher of one noise level, which
    has none."""
    class_score_real: float
    accuracy: float
    """Of the classifier on the half of the digits that it was not trained on."""

    @property
    def num_samples(self) -> int:
        return self.real.shape[0] * self.real.shape[1]

    @property
    def references(self) -> dict[str, float]:
        teacher = {} if self.fd_teacher is None else {"fd_teacher": self.fd_teacher}
        return {
            "classifier_accuracy": self.accuracy,
            "fd_real": self.fd_real,
            **teacher,
            "class_score_real": self.class_score_real,
        }

    def measure(self, samples: Float[Tensor, "N 1 8 8"]) -> dict[str, float]:
        fd, score = _fd_and_score(self.classifier, samples, self.real)
        return {
            **({} if self.fd_teacher is None else {"fd_ratio": fd / self.fd_teacher}),
            "fd_ratio_real": fd / self.fd_real,
            "fd": fd,
            "class_score": score,
            "class_score_ratio": score / self.class_score_real,
        }


def digits_judge(
    noise: spec.Noise, teacher_spec: spec.Teacher, teacher: Teacher, *, cache: Path
) -> DigitsJudge:
    """The judge of digits for a teacher; classifier and reference figures come from the cache."""
    classifier, accuracy = load_classifier(cache=cache)
    images, _ = digits()
    with torch.no_grad():
        features = classifier.features(images)
    splits = [halves(len(images), split=split)[0] for split in range(NUM_SPLITS)]
    real = torch.stack([features[half] for half in splits])
    fd_real = _redrawn_distance(features, real)
    fd_teacher = None
    if not noise.single_level:
        key = {"noise": plain(noise), "teacher": plain(teacher_spec), "v": CLASSIFIER_VERSION}
        path = cache / "judges" / f"digits-{digest(key)}.json"
        if not path.exists():
            samples = teacher_samples(teacher, noise, real.shape[0] * real.shape[1])
            fd, score = _fd_and_score(classifier, samples, real)
            write_json(path, {"fd_teacher": fd, "class_score_teacher": score})
        fd_teacher = read_json(path)["fd_teacher"]
    with torch.no_grad():
        real_score = class_score(classifier(images).softmax(1))
    return DigitsJudge(classifier, real, fd_real, fd_teacher, real_score, accuracy)


def _redrawn_distance(features: Float[Tensor, "N F"], real: Float[Tensor, "R H F"]) -> float:
    """Mean distance of draws with repetition from all digits, as many as a half holds."""
    size = (NUM_REDRAWS, *real.shape[:2])
    redrawn = torch.randint(len(features), size, generator=stream("evaluation", "redrawn"))
    return float(
        np.mean(
            [frechet(features[a], b) for draw in redrawn for a, b in zip(draw, real, strict=True)]
        )
    )


@torch.no_grad()
def teacher_samples(teacher: Teacher, noise: spec.Noise, num: int) -> Float[Tensor, "N 1 8 8"]:
    """The teacher's own samples in 50 Euler steps (DDIM) on the evaluation seed."""
    process = diffusion.process(noise)
    sigmas = sigma_steps(TEACHER_STEPS, sigma_min=0.02, sigma_max=20.0)
    start = sigmas[0] * torch.randn(num, *teacher.shape, generator=stream("evaluation", "teacher"))
    return solve(teacher.epsilon, start.float(), sigmas, process=process).cpu()


def load_classifier(*, cache: Path) -> tuple[Classifier, float]:
    """The trained classifier and its test accuracy, from the cache or trained now (seconds)."""
    path = cache / "classifiers" / f"digits-v{CLASSIFIER_VERSION}.safetensors"
    with locked(path.with_suffix(".lock")):
        if not path.exists():
            trained, accuracy = _train_classifier()
            write_json(path.with_suffix(".json"), {"accuracy": accuracy})
            with replacing(path) as partial:
                save_file(trained.state_dict(), partial)
    classifier = Classifier().requires_grad_(False).eval()
    classifier.load_state_dict(load_file(path))
    return classifier, read_json(path.with_suffix(".json"))["accuracy"]


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


@torch.no_grad()
def _fd_and_score(
    classifier: Classifier, samples: Float[Tensor, "N 1 8 8"], real: Float[Tensor, "R H F"]
) -> tuple[float, float]:
    """Mean distance of the samples' chunks, one per split, and the score of all."""
    features = classifier.features(samples)
    chunks = features.view(real.shape[0], real.shape[1], -1)
    fd = float(np.mean([frechet(a, b) for a, b in zip(chunks, real, strict=True)]))
    return fd, class_score(classifier.classes(features).softmax(1))
