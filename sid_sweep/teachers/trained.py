"""A teacher trained by denoising, once: its weights lie in a cache under the digest of what made
them."""

import copy
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sid_sweep import spec
from sid_sweep.data import Source
from sid_sweep.diffusion import noise as diffusion
from sid_sweep.files import locked, replacing
from sid_sweep.nets import average
from sid_sweep.nets.denoiser import Denoiser, build
from sid_sweep.nets.optim import Optimiser
from sid_sweep.streams import seeded, stream

Report = Callable[[int, int, float], None]
REPORT_STEPS = 50


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
    """The teacher whose weights lie at `path`; trained first if need be, while others wait."""
    if not path.exists():
        with locked(path.with_suffix(".lock")):
            if not path.exists():
                trained = train(noise, teacher, source, device=device, report=report)
                with replacing(path) as partial:
                    save_file({k: v.cpu() for k, v in trained.state_dict().items()}, partial)
    denoiser = build(blueprint(teacher, source))
    denoiser.load_state_dict(load_file(path))
    return denoiser.to(device).requires_grad_(False).eval()


def blueprint(teacher: spec.TrainedTeacher, source: Source) -> spec.nets.Blueprint:
    """Of its denoiser."""
    return spec.nets.Blueprint(
        net=teacher.net, shape=list(source.shape), sigma_data=source.sigma_data
    )


def train(
    noise: spec.Noise,
    teacher: spec.TrainedTeacher,
    source: Source,
    *,
    device: torch.device | str = "cpu",
    report: Report = silent,
) -> Denoiser:
    """min_φ E w ‖ε_φ(x_t) - ε‖² over the data (article, eq. 2); returns the averaged weights."""
    process = diffusion.process(noise)
    with seeded(teacher.seed, "teacher", "weights"):
        network = build(blueprint(teacher, source)).to(device)
    averaged = copy.deepcopy(network).requires_grad_(False)
    optimiser = Optimiser(list(network.parameters()), teacher.optim, budget_images=teacher.images)
    for step, images in enumerate(range(0, teacher.images, teacher.batch)):
        random = stream(teacher.seed, images, "teacher")
        x0 = source.draw(teacher.batch, generator=random).to(device, torch.float32)
        noise_ = torch.randn(x0.shape, generator=random).to(device)
        uniforms = torch.rand(len(x0), generator=random).to(device)
        sigma = diffusion.draw_sigma(teacher.times, process, uniforms)
        level = process.level(sigma.view(-1, *[1] * len(source.shape)))
        weight = diffusion.loss_weight(teacher.weight, level, sigma_data=source.sigma_data)
        loss = (weight * diffusion.denoising_error(network, x0, noise_, level)).mean()
        optimiser.descend(loss, images)
        average.step(
            teacher.ema, list(averaged.parameters()), list(network.parameters()),
            batch_images=teacher.batch, images=images,
        )  # fmt: skip
        if step % REPORT_STEPS == 0:
            report(images, teacher.images, _finite(loss.detach()))
    report(teacher.images, teacher.images, _finite(loss.detach()))
    return averaged


def _finite(loss: Tensor) -> float:
    value = float(loss)
    if value != value or value in (float("inf"), -float("inf")):
        raise FloatingPointError("the teacher's loss is not finite; lower teacher.optim.lr")
    return value
