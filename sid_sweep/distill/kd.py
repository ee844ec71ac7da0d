"""Knowledge distillation (Luhman & Luhman 2021): the teacher's ODE as pairs to regress on."""

import torch
from torch import Tensor

from sid_sweep import spec
from sid_sweep.diffusion.solvers import heun_evaluations, sigma_steps, solve
from sid_sweep.streams import stream
from sid_sweep.student import SAMPLE_BATCH

from . import losses
from .method import OneStepMethod, Setting, told


class KnowledgeDistillation(OneStepMethod):
    """θ learns where the teacher's ODE takes each z."""

    def __init__(self, setting: Setting, method: spec.methods.KD) -> None:
        super().__init__(setting)
        self.method = method
        self.images_per_step = setting.trial.batch.latents
        self.monitor.add("generator", ["regression_loss"])
        self._labels = self._classes()
        self._latents, self._targets = self._pairs()

    def step(self, images: int) -> None:
        """min_θ E ‖g(z) - x(z)‖² over the pairs (Luhman & Luhman 2021, eq. 5)."""
        num, labels = self.images_per_step, self._labels
        for share in self.shares(num):
            which = self.draws.indices(images, "generator", share, below=len(self._latents))
            which = which.to(self.device)
            x0 = self.generate(self._latents[which], None if labels is None else labels[which])
            error = x0 - self._targets[which]
            loss = losses.inner(error, error)
            self.add(loss.mean(), share)
            self.monitor["generator"].add(loss.detach()[None])
            self.monitor.note_samples(x0)
        self.descend(images)
        self.costs.count(num, forwards=1, backwards=2)

    def _classes(self) -> Tensor | None:
        """Of each pair; None where there are none."""
        num = self.teacher.num_classes
        if not num:
            return None
        random = stream(self.trial.seed, "pairs", "labels")
        return torch.randint(num, (self.method.pairs,), generator=random).to(self.device)

    @torch.no_grad()
    def _pairs(self) -> tuple[Tensor, Tensor]:
        """z and the teacher's sample from σ_max z; the same on every rank and after a resume."""
        method = self.method
        random = stream(self.trial.seed, "pairs", device=self.device)
        size = (method.pairs, *self.teacher.shape)
        latents = torch.randn(size, generator=random, device=self.device)
        sigmas = sigma_steps(method.steps, sigma_min=method.sigma_min, sigma_max=method.sigma_max)
        parts = latents.split(SAMPLE_BATCH)
        classes = [None] * len(parts) if self._labels is None else self._labels.split(SAMPLE_BATCH)
        targets = [
            solve(
                told(self.teacher.epsilon, labels), method.sigma_max * z, sigmas,
                process=self.process, order=2,
            )
            for z, labels in zip(parts, classes, strict=True)
        ]  # fmt: skip
        self.costs.count(method.pairs, forwards=heun_evaluations(method.steps))
        return latents, torch.cat(targets)
