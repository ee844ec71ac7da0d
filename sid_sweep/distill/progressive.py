"""Progressive distillation (Salimans & Ho 2022, Alg. 2): each stage halves the student's steps.

With x̃ = x_0 + σ ε a DDIM step from σ to σ' is x̃ + (σ' - σ) ε. A student whose one step from σ_a to
σ_c lands where two steps of its teacher do must predict ε = (x̃_a - x̃_c)/(σ_a - σ_c).
"""

from typing import Any

import torch
from torch import Tensor

from sid_sweep import spec
from sid_sweep.diffusion.noise import Epsilon, Level
from sid_sweep.nets import average
from sid_sweep.student import Student, progressive_sampling

from . import losses
from .draws import Share
from .method import Method, Setting, told


class ProgressiveDistillation(Method):
    """A student of N steps, then of N/2, ..., 1; its average teaches the next stage."""

    def __init__(self, setting: Setting, method: spec.methods.Progressive) -> None:
        super().__init__(setting)
        assert setting.trial.generator is not None
        self.part = setting.trial.generator
        self.images_per_step = setting.trial.batch.latents
        self.method = method
        self.sigmas = progressive_sampling(method, steps=2 * method.start_steps).sigmas
        self.stage_images = setting.trial.budget.images / method.num_stages
        self.generator, self.averaged, self.stage_teacher = (
            self.copy_of_teacher() for _ in range(3)
        )
        self.networks |= {
            "generator": self.generator,
            "student": self.averaged,
            "stage_teacher": self.stage_teacher,
        }
        self.monitor.add("generator", ["regression_loss"])
        self._begin_stage(0)

    @property
    def steps(self) -> int:
        """Steps of the student in this stage."""
        return self.method.start_steps >> self.stage

    @property
    def student(self) -> Student:
        return self.student_of(self.averaged, progressive_sampling(self.method, steps=self.steps))

    def _begin_stage(self, stage: int) -> None:
        """Fresh moments for the optimiser; its schedule runs over the stage."""
        self.stage = stage
        images = int(self.stage_images)
        self.optimiser("generator", self.generator, self.part.optim, images=images)

    def step(self, images: int) -> None:
        stage = min(int(images / self.stage_images), self.method.num_stages - 1)
        if stage != self.stage:
            self.stage_teacher.load_state_dict(self.averaged.state_dict())
            self.generator.load_state_dict(self.averaged.state_dict())
            self._begin_stage(stage)
        self._train(images, images - int(stage * self.stage_images))

    def _train(self, images: int, images_of_stage: int) -> None:
        """min_θ E w ‖ε_θ - ε‖² with two steps of the teacher as ε (Salimans & Ho 2022, eq. 8).

        w = max(1, σ²) is the truncated SNR weight max(1/σ², 1) on the x_0 form (eq. 9).
        """
        for share in self.shares(self.images_per_step):
            self._add(images, share)
        self.move("generator", images_of_stage)
        average.step(
            self.part.ema, list(self.averaged.parameters()), list(self.generator.parameters()),
            batch_images=self.images_per_step, images=images_of_stage,
        )  # fmt: skip
        self.costs.count(self.images_per_step, forwards=3, backwards=2)

    def _add(self, images: int, share: Share) -> None:
        start, middle, end = self._levels(images, share)
        (noise,) = self.draws.normal(images, "generator", share)
        x0, labels = self.draws.real_labelled(images, "generator", share)
        x = x0 + start * noise
        teacher, student = told(self.stage_teacher, labels), told(self.generator, labels)
        with torch.no_grad():
            halfway = x + (middle - start) * _epsilon(teacher, x, start)
            landed = halfway + (end - middle) * _epsilon(teacher, halfway, middle)
        error = _epsilon(student, x, start) - (x - landed) / (start - end)
        loss = start.flatten().square().clamp(min=1) * losses.inner(error, error)
        self.optimisers["generator"].add(share.weight * loss.mean(), last=share.last)
        self.monitor["generator"].add(loss.detach()[None])

    def _levels(self, images: int, share: Share) -> list[Tensor]:
        """σ_a > σ_b > σ_c of a pass's samples: where a step of the student begins, is halved and
        ends."""
        which = self.draws.indices(images, "levels", share, below=self.steps)
        stride = 2 * self.method.start_steps // self.steps  # of the finest grid
        shape = (-1, *[1] * len(self.teacher.shape))
        return [
            self.sigmas[which * stride + offset].view(shape).to(self.device)
            for offset in (0, stride // 2, stride)
        ]

    def state(self) -> dict[str, Any]:
        return super().state() | {"stage": self.stage}

    def load(self, state: dict[str, Any]) -> None:
        self._begin_stage(state["stage"])
        super().load(state)


def _epsilon(epsilon: Epsilon, x: Tensor, sigma: Tensor) -> Tensor:
    return epsilon(x, Level(torch.ones_like(sigma), sigma))
