"""Fake score and generator in turn: SiD (Zhou et al. 2024, Alg. 1) and Diff-Instruct (Luo et al.
2023, Alg. 1), which differ in the generator's loss alone."""

import torch
from torch import Tensor

from sid_sweep import spec
from sid_sweep.diffusion import noise as diffusion
from sid_sweep.streams import stream

from . import losses
from .levels import Draw, Levels
from .method import OneStep, Setting

DIAGNOSTICS = ("l1", "l2", "r", "q")


class ScoreDistillation(OneStep):
    """θ, its average and ψ."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        trial = setting.trial
        assert trial.fake_score is not None  # both methods have the group
        self.fake_part = trial.fake_score
        self.images_per_step = trial.batch.generator_latents
        self.fake_score = self.network(self.fake_part.init, "fake_score")
        self.networks["fake_score"] = self.fake_score
        self.optimiser("fake_score", self.fake_score, self.fake_part.optim)
        options = {"device": self.device, "ranks": self.ranks}
        self.levels["generator"] = Levels(self.part, self.process, **options)
        self.levels["fake_score"] = Levels(self.fake_part, self.process, **options)
        num_bins = 1 if trial.noise.kind == "fixed" else trial.evaluation.noise_bins
        middles = self.levels["generator"].middles(num_bins)
        bins = [f"sigma_{sigma:.2g}" for sigma in middles] if num_bins > 1 else []
        self.meter("generator", DIAGNOSTICS, bins=bins)
        self.meter("fake_score", ["fake_score_loss"])

    @property
    def crossed(self) -> int:
        """Networks that the generator's gradient crosses to their input: none in the KL's."""
        match self.trial.loss:
            case None:
                return 0
            case spec.TeacherOnlyLoss():
                return 1
            case _:
                return 2

    def step(self, images: int) -> None:
        for turn in range(self.fake_part.steps):
            self._train_fake_score(images, turn)
        self._train_generator(images)

    def _train_fake_score(self, images: int, turn: int) -> None:
        """min_ψ E w ‖ε_ψ(x_t) - ε‖² on the generator's samples (article, eq. 3)."""
        num, levels = self.trial.batch.fake_score_latents, self.levels["fake_score"]
        latents, noise, draw = self._draw(images, f"fake_score/{turn}", num, levels)
        with torch.no_grad():
            xt = diffusion.diffuse(self.generate(latents), noise, draw.level)
        error = losses.naive(self.fake_score(xt, draw.level), noise)
        weight = diffusion.loss_weight(
            self.fake_part.weight, draw.level, sigma_data=self.teacher.sigma_data
        )
        loss = weight * error
        levels.note(draw, loss.detach())
        self.optimisers["fake_score"].descend(_mean(loss, draw), images)
        self.meters["fake_score"].add(error.detach()[None], share=draw.share)
        self.count(num, forwards=2, backwards=2)

    def _train_generator(self, images: int) -> None:
        """min_θ E w L with the loss that the trial names, ψ frozen."""
        num, levels = self.trial.batch.generator_latents, self.levels["generator"]
        latents, noise, draw = self._draw(images, "generator", num, levels)
        x0 = self.generate(latents)
        xt = diffusion.diffuse(x0, noise, draw.level)
        with torch.set_grad_enabled(self.crossed > 0):
            teacher, fake = self.teacher.epsilon(xt, draw.level), self.fake_score(xt, draw.level)
        weight = diffusion.loss_weight(
            self.part.weight,
            draw.level,
            sigma_data=self.teacher.sigma_data,
            error=teacher - noise,
        )
        loss = weight * self._loss((teacher, fake, noise), xt, images)
        levels.note(draw, loss.detach())
        self.descend(_mean(loss, draw), images)
        self._observe(x0.detach(), teacher.detach(), fake.detach(), noise, draw)
        self.count(num, forwards=3, backwards=2 + self.crossed)

    def _loss(self, epsilons: tuple[Tensor, Tensor, Tensor], xt: Tensor, images: int) -> Tensor:
        """Per sample, before its weight, from ε_φ, ε_ψ and ε."""
        if self.trial.loss is None:
            return losses.reverse_kl(*epsilons[:2], xt)
        progress = images / self.trial.budget.images
        return losses.generator_loss(self.trial.loss, *epsilons, progress=progress)

    def _draw(
        self, images: int, purpose: str, num: int, levels: Levels
    ) -> tuple[Tensor, Tensor, Draw]:
        """This rank's share of the latents, noise and levels of one step."""
        shape, share = self.teacher.shape, self.ranks.share(num)
        random = stream(self.trial.seed, images, purpose, device=self.device)
        latents, noise = torch.randn(2, num, *shape, generator=random, device=self.device)
        uniforms = torch.rand(num, generator=random, device=self.device)
        return latents[share], noise[share], levels.draw(uniforms[share], dims=len(shape))

    @torch.no_grad()
    def _observe(
        self, x0: Tensor, teacher: Tensor, fake: Tensor, noise: Tensor, draw: Draw
    ) -> None:
        """L1, L2, R = L2 - L1 (0 at ψ*), Q = E‖ε_ψ‖² - E⟨ε_ψ, ε⟩ (0 at ψ*), without weights."""
        l1 = losses.naive(teacher, fake)
        l2 = losses.projected(teacher, fake, noise)
        q = losses.inner(fake, fake - noise)
        meters = self.meters["generator"]
        num_bins = len(meters.bins)
        bins = (draw.uniforms * num_bins).long().clamp(max=num_bins - 1) if num_bins else None
        meters.add(torch.stack([l1, l2, l2 - l1, q]), share=draw.share, bins=bins)
        self.note_samples(x0)


def _mean(loss: Tensor, draw: Draw) -> Tensor:
    """The batch's estimate of the expected loss."""
    return (loss if draw.share is None else draw.share * loss).mean()
