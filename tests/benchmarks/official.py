"""SiD's official training loop and ours, side by side: the same network, batch and numbers.

    git clone https://github.com/mingyuanzhou/SiD
    python tests/benchmarks/official.py SiD [--device cuda] [--batch 16] [--channels 32]
        [--rounds 9] [--steps 1] [--threads 1] [--only float32 bfloat16]

The official side is its own networks, losses and optimisers in the order of its `training_loop`, on
one worker without accumulation; its data loader, which only gives shapes, and its wrappers for
several GPUs are left out, which is to its advantage. Ours is a trial's method with the
`sid_cifar10` preset on the same architecture, diagnostics included. Dropout and augmentation are
off on both sides. A batch is what either network learns from in a step; with shared draws both
learn from the same. All take turns within a round; a ratio is the median over rounds of official
seconds over ours, and above 1 where ours is faster. Nothing is fetched.
"""

import argparse
import copy
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sid_sweep import spec
from sid_sweep.data import Source
from sid_sweep.distill.method import Setting
from sid_sweep.distill.score_distillation import ScoreDistillation
from sid_sweep.nets.denoiser import Denoiser, build
from sid_sweep.nets.training import apply_globally
from sid_sweep.spec.base import fill
from sid_sweep.teachers import Teacher

VARIANTS: dict[str, dict[str, Any]] = {
    "float32": {},
    "tf32": {"compute": {"tf32": True}},
    "cudnn_benchmark": {"compute": {"cudnn_benchmark": True}},
    "float16": {"precision": "float16"},
    "bfloat16": {"precision": "bfloat16"},
    "bfloat16, channels last": {"precision": "bfloat16", "compute": {"channels_last": True}},
    "shared draws": {"batch": {"shared": True}},
    "shared, bfloat16": {"batch": {"shared": True}, "precision": "bfloat16"},
    "shared, bfloat16, channels last": {
        "batch": {"shared": True},
        "precision": "bfloat16",
        "compute": {"channels_last": True},
    },
    "compiled": {"compute": {"compile": True}},
    "compiled, bfloat16": {"compute": {"compile": True}, "precision": "bfloat16"},
    "compiled, bfloat16, channels last": {
        "compute": {"compile": True, "channels_last": True},
        "precision": "bfloat16",
    },
    "all of these": {
        "compute": {"compile": True, "channels_last": True},
        "precision": "bfloat16",
        "batch": {"shared": True},
    },
}
SIGMA_DATA, SIGMA_INIT, ALPHA, T_MAX = 0.5, 2.5, 1.2, 800
LOSS_SCALE, LR, EMA_IMAGES, EMA_RAMP_UP = 100.0, 1e-5, 500_000, 0.05


@dataclass(frozen=True)
class Size:
    """The architecture: DDPM++ with attention at half the resolution."""

    channels: int
    pixels: int = 32
    mult: tuple[int, ...] = (2, 2, 2)
    blocks: int = 2

    @property
    def shape(self) -> tuple[int, int, int]:
        return (3, self.pixels, self.pixels)


class Official:
    """Its networks, losses and optimisers, driven as its training loop does."""

    def __init__(self, size: Size, *, batch: int, device: str) -> None:
        from training.networks import EDMPrecond  # pyright: ignore
        from training.sid_loss import SID_EDMLoss  # pyright: ignore

        self.teacher = EDMPrecond(
            size.pixels, 3, sigma_data=SIGMA_DATA, model_type="SongUNet", dropout=0.0,
            model_channels=size.channels, channel_mult=list(size.mult), num_blocks=size.blocks,
            attn_resolutions=[size.pixels // 2],
        ).to(device)  # fmt: skip
        self.fake_score, self.generator, self.average = (
            copy.deepcopy(self.teacher) for _ in range(3)
        )
        self.teacher.eval().requires_grad_(False)
        self.average.eval().requires_grad_(False)
        self.loss = SID_EDMLoss()
        adam = {"lr": LR, "betas": (0.0, 0.999), "eps": 1e-8}
        self.of_fake_score = torch.optim.Adam(self.fake_score.parameters(), **adam)
        self.of_generator = torch.optim.Adam(self.generator.parameters(), **adam)
        self.empty = torch.empty(batch, *size.shape, device=device)
        self.batch, self.images = batch, 0

    def step(self) -> None:
        apply_globally(spec.Compute(cudnn_benchmark=True))  # as in its training loop
        self.fake_score.train().requires_grad_(True)
        self.of_fake_score.zero_grad(set_to_none=True)
        images = self._generate()
        loss = self.loss(fake_score=self.fake_score, images=images)
        self._descend(loss.sum() / self.batch, self.fake_score, self.of_fake_score)
        self.generator.train().requires_grad_(True)
        self.of_generator.zero_grad(set_to_none=True)
        loss = self.loss.generator_loss(
            true_score=self.teacher, fake_score=self.fake_score, images=self._generate(),
            alpha=ALPHA, tmax=T_MAX,
        )  # fmt: skip
        self._descend(LOSS_SCALE * loss.sum() / self.batch, self.generator, self.of_generator)
        half_life = min(EMA_IMAGES, EMA_RAMP_UP * self.images)
        beta = 0.5 ** (self.batch / max(half_life, 1e-8))
        pairs = zip(self.average.parameters(), self.generator.parameters(), strict=True)
        for averaged, weight in pairs:
            averaged.copy_(weight.detach().lerp(averaged, beta))
        self.images += self.batch

    def _generate(self) -> torch.Tensor:
        z = SIGMA_INIT * torch.randn_like(self.empty)
        sigma = torch.full((self.batch, 1, 1, 1), SIGMA_INIT, device=z.device)
        zeros = torch.zeros(self.batch, 9, device=z.device)
        return self.generator(z, sigma, None, augment_labels=zeros)

    def _descend(
        self, loss: torch.Tensor, network: torch.nn.Module, optimiser: torch.optim.Optimizer
    ) -> None:
        loss.backward()
        loss.item()
        network.eval().requires_grad_(False)
        for weight in network.parameters():
            if weight.grad is not None:
                torch.nan_to_num(weight.grad, nan=0, posinf=1e5, neginf=-1e5, out=weight.grad)
        optimiser.step()


class Ours:
    """The method of a trial, with the preset and `values`."""

    def __init__(self, size: Size, values: dict[str, Any], *, batch: int, device: str) -> None:
        base = {
            "preset": "sid_cifar10",
            "data": {"kind": "digits"},
            "teacher": {"kind": "trained"},
            "batch": {"latents": batch if values.get("batch") else 2 * batch},
            "generator": {"dropout": 0.0},
            "fake_score": {"dropout": 0.0, "augment": 0.0},
        }
        trial = spec.Trial.model_validate(fill(base, values))
        placed = torch.device(device)
        denoiser = _denoiser(size).to(placed).requires_grad_(False).eval()
        denoiser.compute_in(trial.precision)
        teacher = Teacher(denoiser, size.shape, SIGMA_DATA, placed, denoiser)
        source = Source(size.shape, SIGMA_DATA, _no_data)
        self.method = ScoreDistillation(Setting(trial, teacher, source, placed))
        self.images = 0

    def step(self) -> None:
        apply_globally(self.method.trial.compute)
        self.method.step(self.images)
        self.images += self.method.images_per_step
        if trouble := self.method.monitor.trouble(sigma_data=1e7):  # more often than the loop looks
            raise ValueError(trouble)


def _denoiser(size: Size) -> Denoiser:
    net = spec.nets.UNet(
        kind="unet",
        channels=size.channels,
        channel_mult=list(size.mult),
        blocks=size.blocks,
        attention_resolutions=[size.pixels // 2],
    )
    return build(spec.nets.Blueprint(net=net, shape=list(size.shape), sigma_data=SIGMA_DATA))


def _no_data(num: int, *, generator: torch.Generator) -> torch.Tensor:
    raise AssertionError("SiD needs no data")


def seconds(step: Callable[[], None], num_steps: int, *, device: str) -> float:
    """Of some steps, each; on CPUs those of all threads, in which a busy machine shows less."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    began = clock()
    for _ in range(num_steps):
        step()
    if device != "cpu":
        torch.cuda.synchronize()
    return (clock() - began) / num_steps


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkout", type=Path, help="of the official code")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=1, help="of each in a round")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=[*VARIANTS])
    options = parser.parse_args()
    if not (options.checkout / "training" / "sid_loss.py").is_file():
        parser.error(f"{options.checkout}: no checkout of SiD, it lacks training/sid_loss.py")
    sys.path.insert(0, str(options.checkout))
    torch.set_num_threads(options.threads)
    size, placed = Size(options.channels), {"batch": options.batch, "device": options.device}
    official = Official(size, **placed)
    ours = {name: Ours(size, VARIANTS[name], **placed) for name in options.only}
    compare(official, ours, options)


def compare(official: Official, ours: dict[str, Ours], options: argparse.Namespace) -> None:
    """Rounds in which all take turns; one line each."""
    weights = sum(p.numel() for p in official.teacher.parameters())
    for name, own in ours.items():
        assert weights == sum(p.numel() for p in own.method.generator.parameters()), name
    steps = {"official": official.step, **{name: own.step for name, own in ours.items()}}
    for name, step in steps.items():
        began = time.perf_counter()
        seconds(step, 2, device=options.device)
        print(f"{name}: ready after {time.perf_counter() - began:.0f} s", flush=True)
    rounds = [
        {name: seconds(step, options.steps, device=options.device) for name, step in steps.items()}
        for _ in range(options.rounds)
    ]
    print(
        f"{weights:,} weights, batch {options.batch}, {options.device}, {options.threads} threads"
    )
    for name in steps:
        taken = statistics.median(own[name] for own in rounds)
        ratios = sorted(own["official"] / own[name] for own in rounds)
        print(
            f"{name:20} {taken:8.3f} s a step   ratio {statistics.median(ratios):5.2f}"
            f"   [{ratios[len(ratios) // 4]:.2f}, {ratios[-1 - len(ratios) // 4]:.2f}]"
        )


if __name__ == "__main__":
    main()
