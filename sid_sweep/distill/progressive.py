"""Progressive distillation (Salimans & Ho 2022, Alg. 2): each stage halves the sampler's steps.

With x̃ = x_0 + σ ε a DDIM step from σ to σ' is x̃ + (σ' - σ) ε. A student whose one step from σ_a to
σ_c lands where two steps of its teacher do must predict ε = (x̃_a - x̃_c)/(σ_a - σ_c).
"""

import copy
from typing import Any

import torch
from torch import Tensor

from sid_sweep import spec
from sid_sweep.diffusion.noise import Level
from sid_sweep.diffusion.solvers import sigma_steps, solve
from sid_sweep.nets import average
from sid_sweep.nets.denoiser import Denoiser
from sid_sweep.streams import stream

from . import losses
from .method import SAMPLE_BATCH, Method, Setting


class ProgressiveDistillation(Method):
    """A student of N steps, then of N/2, ..., 1; its average teaches the next stage."""

    def __init__(self, setting: Setting, method: spec.Progressive) -> None:
        super().__init__(setting)
        assert setting.trial.generator is not None
        assert setting.teacher.denoiser is not None
        self.part = setting.trial.generator
        self.images_per_step = setting.trial.batch.latents
        self.num_stages = method.start_steps.bit_length()
        self.start_steps = method.start_steps
        self.sigmas = sigma_steps(
            2 * method.start_steps, sigma_min=method.sigma_min, sigma_max=method.sigma_max
        ).float()
        self.stage_images = setting.trial.budget.images / self.num_stages
        self.generator = self._copy(setting.teacher.denoiser)
        self.student = self._copy(setting.teacher.denoiser)
        self.stage_teacher = self._copy(setting.teacher.denoiser)
        self.networks |= {
            "generator": self.generator,
            "student": self.student,
            "stage_teacher": self.stage_teacher,
        }
        self.meter("generator", ["regression_loss"])
        self._begin_stage(0)

    @property
    def steps(self) -> int:
        """Steps of the student's sampler in this stage."""
        return self.start_steps >> self.stage

    @property
    def nfe(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.steps

    def _copy(self, denoiser: Denoiser) -> Denoiser:
        copied = copy.deepcopy(denoiser).requires_grad_(True)
        if self.trial.precision == "bfloat16":
            copied.precision = torch.bfloat16
        return copied

    def _begin_stage(self, stage: int) -> None:
        """Fresh moments for the optimiser; its schedule runs over the stage."""
        self.stage = stage
        self.optimiser(
            "generator", self.generator, self.part.optim, budget_images=int(self.stage_images)
        )

    def step(self, images: int) -> None:
        stage = min(int(images / self.stage_images), self.num_stages - 1)
        if stage != self.stage:
            self.stage_teacher.load_state_dict(self.student.state_dict())
            self.generator.load_state_dict(self.student.state_dict())
            self._begin_stage(stage)
        self._train(images, images - int(stage * self.stage_images))

    def _train(self, images: int, images_of_stage: int) -> None:
        """min_θ E w ‖ε_θ - ε‖² with two steps of the teacher as ε (Salimans & Ho 2022, eq. 8).

        w = max(1, σ²) is the truncated SNR weight max(1/σ², 1) on the x_0 form (eq. 9).
        """
        num = self.images_per_step
        start, middle, end = self._levels(images, num)
        (noise,) = self.normal(images, "generator", num)
        x = self.real(images, "generator", num) + start * noise
        with torch.no_grad():
            halfway = x + (middle - start) * self._epsilon(self.stage_teacher, x, start)
            landed = halfway + (end - middle) * self._epsilon(self.stage_teacher, halfway, middle)
        error = self._epsilon(self.generator, x, start) - (x - landed) / (start - end)
        loss = start.flatten().square().clamp(min=1) * losses.inner(error, error)
        self.optimisers["generator"].descend(loss.mean(), images_of_stage)
        self._update_average(images_of_stage)
        self.meters["generator"].add(loss.detach()[None])
        self.count(num, forwards=3, backwards=2)

    def _levels(self, images: int, num: int) -> list[Tensor]:
        """σ_a > σ_b > σ_c of this rank's samples: where a step of the student begins, is halved and
        ends."""
        random = stream(self.trial.seed, images, "levels")
        which = torch.randint(self.steps, (num,), generator=random)[self.ranks.share(num)]
        stride = 2 * self.start_steps // self.steps  # of the finest grid
        shape = (-1, *[1] * len(self.teacher.shape))
        return [
            self.sigmas[which * stride + offset].view(shape).to(self.device)
            for offset in (0, stride // 2, stride)
        ]

    def _epsilon(self, denoiser: Denoiser, x: Tensor, sigma: Tensor) -> Tensor:
        return denoiser(x, Level(torch.ones_like(sigma), sigma))

    def _update_average(self, images: int) -> None:
        ema = self.part.ema
        beta = average.decay(
            self.images_per_step, images, half_life=ema.half_life_images, ramp_up=ema.ramp_up
        )
        average.update(list(self.student.parameters()), list(self.generator.parameters()), beta)

    @torch.no_grad()
    def sample(self, num: int, *, random: torch.Generator) -> Tensor:
        latents = torch.randn(num, *self.teacher.shape, generator=random, device=self.device)
        sigmas = self.sigmas[:: 2 * self.start_steps // self.steps]
        parts = [
            solve(self.student, float(sigmas[0]) * z, sigmas, process=self.process)
            for z in latents.split(SAMPLE_BATCH)
        ]
        return torch.cat(parts)

    def student_state(self) -> dict[str, Tensor]:
        return self.student.state_dict()

    def state(self) -> dict[str, Any]:
        return super().state() | {"stage": self.stage}

    def load(self, state: dict[str, Any]) -> None:
        self._begin_stage(state["stage"])
        super().load(state)
