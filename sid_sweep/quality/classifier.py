"""A classifier of the data, in whose last layer but one images are compared: small, trained once on
the labels, kept under the digest of the data."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor, nn

from sid_sweep.foreign.moments import HALF_RANGE
from sid_sweep.spec import digest
from sid_sweep.spec.evaluation import CLASSIFIER_DIMENSIONS
from sid_sweep.streams import seeded, stream

from .inception import Seen
from .kept import kept_network

CLASSIFIER_VERSION = 1  # raise it when the architecture or the training below changes
WIDTHS = (16, 32, 64, 64, 64)  # of the input's resolution, and of each half
SMALLEST = 4  # pixels a side before the linear layer
HELD_OUT = 0.1  # of the images, for the accuracy
BATCH = 64
EPOCHS, LEAST_IMAGES, MOST_IMAGES = 5, 25_600, 500_000
LR, DECAY = 2e-3, 1e-2


class Classifier(nn.Module):
    """Convolutions that halve the picture, and 32 features in which the classes are linear."""

    def __init__(self, shape: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        colours, *sides = shape
        halves = max(0, min(len(WIDTHS) - 1, math.floor(math.log2(min(sides) / SMALLEST))))
        layers: list[nn.Module] = [nn.Conv2d(colours, WIDTHS[0], 3, padding=1), nn.SiLU()]
        for before, after in pairwise(WIDTHS[: halves + 1]):
            layers += [nn.Conv2d(before, after, 3, padding=1, stride=2), nn.SiLU()]
        left = math.prod(math.ceil(side / 2**halves) for side in sides)
        self.features = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(WIDTHS[halves] * left, CLASSIFIER_DIMENSIONS),
            nn.SiLU(),
        )
        self.classes = nn.Linear(CLASSIFIER_DIMENSIONS, num_classes)

    def forward(self, images: UInt8[Tensor, "B C H W"]) -> Seen:
        features = self.features(images.float() / HALF_RANGE - 1)
        return Seen(features, self.classes(features))


class Trained(NamedTuple):
    """A classifier, and its accuracy on images that it has not seen."""

    network: Classifier
    accuracy: float


def load(
    images: UInt8[np.ndarray, "N C H W"],
    labels: Int[np.ndarray, " N"],
    *,
    data: dict[str, Any],
    cache: Path,
    device: torch.device,
) -> Trained:
    """From the cache, or trained now.

    Args:
        data: what the images are known by.
    """
    name = digest({"data": data, "code": CLASSIFIER_VERSION})
    path = cache / "classifiers" / f"{name}.safetensors"
    shape, num_classes = images.shape[1:], int(labels.max()) + 1
    network = Classifier(shape, num_classes)
    accuracy = kept_network(path, network, lambda: train(images, labels, device=device))
    return Trained(network.to(device).requires_grad_(False).eval(), accuracy)


def train(
    images: UInt8[np.ndarray, "N C H W"],
    labels: Int[np.ndarray, " N"],
    *,
    device: torch.device,
) -> Trained:
    """Cross entropy by AdamW, the rate falling to 0 along a cosine."""
    num = len(images)
    order = torch.randperm(num, generator=stream("classifier", "halves")).numpy()
    test, own = order[: max(1, round(HELD_OUT * num))], order[max(1, round(HELD_OUT * num)) :]
    with seeded("classifier", "weights"):
        network = Classifier(images.shape[1:], int(labels.max()) + 1).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=DECAY)
    steps = min(max(EPOCHS * len(own), LEAST_IMAGES), MOST_IMAGES) // BATCH
    random = stream("classifier", "batches")
    for step in range(steps):
        rows = own[torch.randint(len(own), (BATCH,), generator=random).numpy()]
        optimiser.param_groups[0]["lr"] = LR * (1 + math.cos(math.pi * step / steps)) / 2
        optimiser.zero_grad()
        _error(network, images[rows], labels[rows], device).backward()
        optimiser.step()
    return Trained(network, _accuracy(network, images, labels, test, device))


def _error(
    network: Classifier, images: np.ndarray, labels: np.ndarray, device: torch.device
) -> Tensor:
    logits = network(torch.from_numpy(images).to(device)).logits
    return nn.functional.cross_entropy(logits, torch.from_numpy(labels).to(device))


@torch.no_grad()
def _accuracy(
    network: Classifier,
    images: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    device: torch.device,
) -> float:
    right = 0
    for part in np.array_split(rows, math.ceil(len(rows) / 256)):
        found = network(torch.from_numpy(images[part]).to(device)).logits.argmax(1).cpu().numpy()
        right += int((found == labels[part]).sum())
    return right / len(rows)
