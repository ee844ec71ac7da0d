"""Fake score and generator in turn: SiD (Zhou et al. 2024, Alg. 1) and, with the reverse KL as the
generator's loss, Diff-Instruct (Luo et al. 2023, Alg. 1)."""

import functools
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sid_sweep.diffusion import noise as diffusion
from sid_sweep.diffusion.noise import Epsilon
from sid_sweep.nets import augment, training

from . import losses
from .draws import Share
from .levels import Draw, Levels
from .method import OneStepMethod, Setting, told

DIAGNOSTICS = ("l1", "l2", "r", "q")


@dataclass(frozen=True)
class Batch:
    """What a pass draws."""

    latents: Float[Tensor, "B ..."]
    noise: Float[Tensor, "B ..."]
    draw: Draw
    labels: Int[Tensor, " B"] | None


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
        self.drop(self.fake_score, self.fake_part.dropout)
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
        if self.trial.batch.shared:
            self._train_both(images)
            return
        for turn in range(self.fake_part.steps):
            self._train_fake_score(images, turn)
        self._train_generator(images)

    def _train_fake_score(self, images: int, turn: int) -> None:
        """min_ψ E w ‖ε_ψ(x_t) - ε‖² on the generator's samples (article, eq. 3)."""
        num, purpose = self.trial.batch.fake_score_latents, f"fake_score/{turn}"
        for share in self.shares(num):
            named = {"images": images, "purpose": purpose, "share": share}
            with self.learning(self.fake_score, **named):
                self._add_fake_score(**named)
        self.levels["fake_score"].learn(num)
        self.move("fake_score", images)
        self.costs.count(num, forwards=2, backwards=2)

    def _add_fake_score(self, *, images: int, purpose: str, share: Share) -> None:
        own = self._batch(images, purpose, share, self.levels["fake_score"])
        with torch.no_grad():
            x0 = self.generate(own.latents, own.labels)
        fake_score = told(self.fake_score, own.labels)
        if self.fake_part.augment:
            x0, fake_score = self._augmented(x0, fake_score, images, purpose, share)
        xt = diffusion.diffuse(x0, own.noise, own.draw.level)
        loss = self._fake_score_loss(fake_score(xt, own.draw.level), own)
        self.levels["fake_score"].note(own.draw, loss.detach())
        loss = share.weight * own.draw.mean(loss)
        self.optimisers["fake_score"].add(loss, last=share.last)

    def _fake_score_loss(self, fake: Tensor, own: Batch) -> Tensor:
        """w ‖ε_ψ - ε‖² of each sample."""
        miss = fake - own.noise
        error = miss.square().flatten(1).sum(1)
        self.monitor["fake_score"].add(error.detach()[None], ratio=own.draw.ratio)
        weight = diffusion.loss_weight(
            self.fake_part.weight, own.draw.level, sigma_data=self.teacher.sigma_data
        )
        return weight * error

    def _augmented(
        self, x0: Tensor, epsilon: Epsilon, images: int, purpose: str, share: Share
    ) -> tuple[Tensor, Epsilon]:
        """Images moved at random, and a denoiser that knows how, if it wants to."""
        each = augment.NUM_UNIFORMS
        uniforms = self.draws.uniform(images, f"{purpose}/augment", share, each=each)
        chance = self.fake_part.augment
        x0, moves = augment.augmented(x0, uniforms, probability=chance)
        if self.fake_score.blueprint.num_augment:
            epsilon = functools.partial(epsilon, augment=moves)  # pyright: ignore
        return x0, epsilon

    def _train_generator(self, images: int) -> None:
        """min_θ E w L with the loss that the trial names, ψ frozen."""
        num = self.trial.batch.generator_latents
        for share in self.shares(num):
            named = {"images": images, "purpose": "generator", "share": share}
            with training.frozen(self.fake_score), self.learning(self.generator, **named):
                own = self._batch(images, "generator", share, self.levels["generator"])
                x0 = self.generate(own.latents, own.labels)
                xt = diffusion.diffuse(x0, own.noise, own.draw.level)
                with torch.set_grad_enabled(self.loss.crosses > 0):
                    teacher = told(self.teacher.epsilon, own.labels)(xt, own.draw.level)
                    fake = told(self.fake_score, own.labels)(xt, own.draw.level)
                self._add_generator(images, share, own, x0=x0, xt=xt, teacher=teacher, fake=fake)
        self.levels["generator"].learn(num)
        self.descend(images)
        self.costs.count(num, forwards=3, backwards=2 + self.loss.crosses)

    def _add_generator(
        self,
        images: int,
        share: Share,
        own: Batch,
        *,
        x0: Tensor,
        xt: Tensor,
        teacher: Tensor,
        fake: Tensor,
    ) -> None:
        level, noise, sigma_data = own.draw.level, own.noise, self.teacher.sigma_data
        weight = diffusion.loss_weight(
            self.part.weight, level, sigma_data=sigma_data, error=teacher - noise
        )
        loss = weight * losses.generator_loss(
            self.loss, teacher=teacher, fake=fake, noise=noise, xt=xt,
            progress=images / self.trial.budget.images,
        )  # fmt: skip
        self.levels["generator"].note(own.draw, loss.detach())
        self.add(own.draw.mean(loss), share)
        self._observe(x0.detach(), teacher.detach(), fake.detach(), noise, own.draw)

    def _train_both(self, images: int) -> None:
        """Both losses from one pass of θ, ψ and φ (article, algorithm 12.1).

        Two gradients are taken of one graph, each with respect to one network's weights. Both come
        before either step, which would change what the other is taken of.
        """
        num = self.trial.batch.latents
        both = (self.generator, self.fake_score)
        for share in self.shares(num):
            with self.learning(*both, images=images, purpose="generator", share=share):
                self._add_both(images, share)
        self.levels["generator"].learn(num)
        self.move("fake_score", images)
        self.descend(images)
        self.costs.count(num, forwards=3, backwards=4 + self.loss.crosses)

    def _add_both(self, images: int, share: Share) -> None:
        own = self._batch(images, "generator", share, self.levels["generator"])
        x0 = self.generate(own.latents, own.labels)
        xt = diffusion.diffuse(x0, own.noise, own.draw.level)
        fake = told(self.fake_score, own.labels)(xt, own.draw.level)
        loss = share.weight * own.draw.mean(self._fake_score_loss(fake, own))
        self.optimisers["fake_score"].add(loss, last=share.last, retain=True)
        with torch.set_grad_enabled(self.loss.crosses > 0):
            teacher = told(self.teacher.epsilon, own.labels)(xt, own.draw.level)
        self._add_generator(images, share, own, x0=x0, xt=xt, teacher=teacher, fake=fake)

    def _batch(self, images: int, purpose: str, share: Share, levels: Levels) -> Batch:
        """What one pass begins with."""
        latents, noise, uniforms = self.draws.normal_and_uniform(images, purpose, share)
        draw = levels.draw(uniforms, dims=len(self.teacher.shape))
        return Batch(latents, noise, draw, self.draws.labels(images, purpose, share))

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
