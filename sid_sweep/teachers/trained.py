"""A teacher trained by denoising, once: its weights lie in a cache under the digest of what made
them."""

import copy
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic_core import from_json
from torch import Tensor

from sid_sweep import spec
from sid_sweep.archives import stamp, stamped
from sid_sweep.cache import whole_or_made
from sid_sweep.data import Source
from sid_sweep.diffusion import noise as diffusion
from sid_sweep.files import Damaged, forget_partial, replacing, set_aside
from sid_sweep.nets import average, weights
from sid_sweep.nets.denoiser import Denoiser, build
from sid_sweep.nets.optim import Optimiser
from sid_sweep.streams import seeded, stream

Report = Callable[[int, int, float], None]
REPORT_STEPS = 50
CHECKPOINT_SECONDS = 20.0


def silent(images: int, total: int, loss: float) -> None:
    """No progress report."""


def load(
    path: Path,
    noise: spec.Noise,
    teacher: spec.TrainedTeacher,
    source: Source,
    *,
    device: torch.device | str = "cpu",
    report: Report = silent,
) -> Denoiser:
    """The teacher whose weights lie at `path`; trained first if need be, while others wait. One
    whose training was interrupted goes on from its last checkpoint."""

    own, progress = blueprint(teacher, source), path.with_suffix(".checkpoint.pt")

    def make() -> None:
        trained = train(noise, teacher, source, device=device, report=report, progress=progress)
        weights.save(trained, path)

    def read() -> Denoiser:
        denoiser = _read(path, own)
        progress.unlink(missing_ok=True)  # here, since a kill may come once the teacher is whole
        return denoiser

    denoiser = whole_or_made(path, read=read, make=make)
    return denoiser.to(device).requires_grad_(False).eval()


def _read(path: Path, own: spec.nets.Blueprint) -> Denoiser:
    """A teacher's file.

    Raises:
        Damaged: it holds no weights, or those of another network.
        FileNotFoundError: there is none.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        header, tensors = weights.read(path)
        if header["blueprint"] != spec.plain(own):
            raise ValueError("it is another network's")
        return weights.restore(header, tensors, path, trust_code=True)
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(path, f"is no whole teacher ({error})") from None


def blueprint(teacher: spec.TrainedTeacher, source: Source) -> spec.nets.Blueprint:
    """Of its denoiser, which is told the classes that the data have for networks."""
    return spec.nets.Blueprint(
        net=teacher.net,
        shape=list(source.shape),
        sigma_data=source.sigma_data,
        num_classes=source.num_classes,
    )


def train(
    noise: spec.Noise,
    teacher: spec.TrainedTeacher,
    source: Source,
    *,
    device: torch.device | str = "cpu",
    report: Report = silent,
    progress: Path | None = None,
) -> Denoiser:
    """min_φ E w ‖ε_φ(x_t) - ε‖² over the data (article, eq. 2), the classes told where there are;
    returns the averaged weights.

    Args:
        progress: where checkpoints are kept, under a name that holds for all the other arguments;
            training goes on from the one that lies there, bitwise as if it had never stopped.
    """
    process = diffusion.process(noise)
    with seeded(teacher.seed, "teacher", "weights"):
        network = build(blueprint(teacher, source)).to(device).train()
    averaged = copy.deepcopy(network).requires_grad_(False).eval()
    optimiser = Optimiser(list(network.parameters()), teacher.optim, budget_images=teacher.images)
    parts = _Parts(network, averaged, optimiser)
    first = 0 if progress is None else parts.restore(progress)
    saved = time.monotonic()
    for images in range(first, teacher.images, teacher.batch):
        if progress is not None and time.monotonic() - saved >= CHECKPOINT_SECONDS:
            parts.save(progress, images)
            saved = time.monotonic()
        random = stream(teacher.seed, images, "teacher")
        x0, labels = source.draw_labelled(teacher.batch, generator=random)
        x0 = x0.to(device, torch.float32)
        noise_ = torch.randn(x0.shape, generator=random).to(device)
        uniforms = torch.rand(len(x0), generator=random).to(device)
        sigma = diffusion.draw_sigma(teacher.times, process, uniforms)
        level = process.level(sigma.view(-1, *[1] * len(source.shape)))
        weight = diffusion.loss_weight(teacher.weight, level, sigma_data=source.sigma_data)
        epsilon = functools.partial(network, labels=labels)
        with seeded(teacher.seed, images, "teacher", "dropout"):
            error = diffusion.denoising_error(epsilon, x0, noise_, level)
        loss = (weight * error).mean()
        optimiser.descend(loss, images)
        average.step(
            teacher.ema, list(averaged.parameters()), list(network.parameters()),
            batch_images=teacher.batch, images=images,
        )  # fmt: skip
        if images // teacher.batch % REPORT_STEPS == 0:
            report(images, teacher.images, _finite(loss.detach()))
    report(teacher.images, teacher.images, _finite(loss.detach()))
    return averaged


class _Parts(NamedTuple):
    """All that training depends on beside its arguments: what is drawn is named by the images."""

    network: Denoiser
    averaged: Denoiser
    optimiser: Optimiser

    def save(self, path: Path, images: int) -> None:
        """Where training stands before the step from `images` on."""
        networks = [own.state_dict() for own in (self.network, self.averaged)]
        with replacing(path) as partial:
            torch.save({"networks": networks, "optimiser": self.optimiser.state()}, partial)
            stamp(partial, {"teacher": path.name, "images": images})

    def restore(self, path: Path) -> int:
        """Go on from what lies there, from the start if that is nothing or damaged; returns the
        images."""
        forget_partial(path)
        if not path.exists():
            return 0
        try:
            words = from_json(stamped(path))
            if not isinstance(words, dict) or words.get("teacher") != path.name:
                raise Damaged(path, "is of another teacher")
        except Damaged:
            set_aside(path)
            return 0
        device = next(self.network.parameters()).device
        state = torch.load(path, map_location=device, weights_only=True)
        for own, values in zip((self.network, self.averaged), state["networks"], strict=True):
            own.load_state_dict(values)
        self.optimiser.load(state["optimiser"])
        return words["images"]


def _finite(loss: Tensor) -> float:
    value = float(loss)
    if value != value or value in (float("inf"), -float("inf")):
        raise FloatingPointError("the teacher's loss is not finite; lower teacher.optim.lr")
    return value
