"""Fake score and generator in turn: SiD (Zhou et al. 2024, Alg. 1) and, with the reverse KL as the
generator's loss, Diff-Instruct (Luo et al. 2023, Alg. 1)."""

import torch
from torch import Tensor

from sid_sweep.diffusion import noise as diffusion

from . import losses
from .draws import Share
from .levels import Draw, Levels
from .method import OneStepMethod, Setting

DIAGNOSTICS = ("l1", "l2", "r", "q")


class ScoreDistillation(OneStepMethod):
    """θ, its average and ψ."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        trial = setting.trial
        assert trial.fake_score is not None  # the method has both groups
        assert trial.loss is not None
        self.fake_part, self.loss = trial.fake_score, trial.loss
        self.images_per_step = trial.batch.generator_latents
        self.fake_score = self.network(self.fake_part.init, "fake_score")
        self.networks["fake_score"] = self.fake_score
        self.optimiser("fake_score", self.fake_score, self.fake_part.optim)
        placed = {"device": self.device, "ranks": self.ranks}
        self.levels["generator"] = Levels(self.part, self.process, **placed)
        self.levels["fake_score"] = Levels(self.fake_part, self.process, **placed)
        num_bins = 1 if trial.noise.single_level else trial.evaluation.noise_bins
        middles = self.levels["generator"].middles(num_bins)
        bins = [f"sigma_{sigma:.2g}" for sigma in middles] if num_bins > 1 else []
        self.monitor.add("generator", DIAGNOSTICS, bins=bins)
        self.monitor.add("fake_score", ["fake_score_loss"])

    def step(self, images: int) -> None:
        for turn in range(self.fake_part.steps):
            self._train_fake_score(images, turn)
        self._train_generator(images)

    def _train_fake_score(self, images: int, turn: int) -> None:
        """min_ψ E w ‖ε_ψ(x_t) - ε‖² on the generator's samples (article, eq. 3)."""
        num = self.trial.batch.fake_score_latents
        for share in self.shares(num):
            self._add_fake_score(images, f"fake_score/{turn}", share)
        self.levels["fake_score"].learn(num)
        self.move("fake_score", images)
        self.costs.count(num, forwards=2, backwards=2)

    def _add_fake_score(self, images: int, purpose: str, share: Share) -> None:
        levels = self.levels["fake_score"]
        latents, noise, draw = self._draw(images, purpose, share, levels)
        with torch.no_grad():
            x0 = self.generate(latents)
        error = diffusion.denoising_error(self.fake_score, x0, noise, draw.level)
        weight = diffusion.loss_weight(
            self.fake_part.weight, draw.level, sigma_data=self.teacher.sigma_data
        )
        loss = weight * error
        levels.note(draw, loss.detach())
        self.optimisers["fake_score"].add(share.weight * draw.mean(loss), last=share.last)
        self.monitor["fake_score"].add(error.detach()[None], ratio=draw.ratio)

    def _train_generator(self, images: int) -> None:
        """min_θ E w L with the loss that the trial names, ψ frozen."""
        num = self.trial.batch.generator_latents
        for share in self.shares(num):
            self._add_generator(images, share)
        self.levels["generator"].learn(num)
        self.descend(images)
        self.costs.count(num, forwards=3, backwards=2 + self.loss.crosses)

    def _add_generator(self, images: int, share: Share) -> None:
        levels = self.levels["generator"]
        latents, noise, draw = self._draw(images, "generator", share, levels)
        x0 = self.generate(latents)
        xt = diffusion.diffuse(x0, noise, draw.level)
        with torch.set_grad_enabled(self.loss.crosses > 0):
            teacher, fake = self.teacher.epsilon(xt, draw.level), self.fake_score(xt, draw.level)
        weight = diffusion.loss_weight(
            self.part.weight,
            draw.level,
            sigma_data=self.teacher.sigma_data,
            error=teacher - noise,
        )
        loss = weight * losses.generator_loss(
            self.loss, teacher=teacher, fake=fake, noise=noise, xt=xt,
            progress=images / self.trial.budget.images,
        )  # fmt: skip
        levels.note(draw, loss.detach())
        self.add(draw.mean(loss), share)
        self._observe(x0.detach(), teacher.detach(), fake.detach(), noise, draw)

    def _draw(
        self, images: int, purpose: str, share: Share, levels: Levels
    ) -> tuple[Tensor, Tensor, Draw]:
        """The latents, noise and levels of one pass."""
        latents, noise, uniforms = self.draws.normal_and_uniform(images, purpose, share)
        return latents, noise, levels.draw(uniforms, dims=len(self.teacher.shape))

    @torch.no_grad()
    def _observe(
        self, x0: Tensor, teacher: Tensor, fake: Tensor, noise: Tensor, draw: Draw
    ) -> None:
        """L1, L2, R = L2 - L1 (0 at ψ*), Q = E‖ε_ψ‖² - E⟨ε_ψ, ε⟩ (0 at ψ*), without weights."""
        l1 = losses.naive(teacher, fake)
        l2 = losses.projected(teacher, fake, noise)
        q = losses.inner(fake, fake - noise)
        meters = self.monitor["generator"]
        num_bins = len(meters.bins)
        bins = (draw.uniforms * num_bins).long().clamp(max=num_bins - 1) if num_bins else None
        meters.add(torch.stack([l1, l2, l2 - l1, q]), ratio=draw.ratio, bins=bins)
        self.monitor.note_samples(x0)
