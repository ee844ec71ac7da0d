"""LSGAN (Mao et al. 2017): a discriminator tells data from samples, and the generator fools it."""

import torch

from sid_sweep import spec
from sid_sweep.streams import seeded

from .critics import Critic, least_squares
from .method import OneStepMethod, Setting


class LeastSquaresGAN(OneStepMethod):
    """θ and a discriminator, in turn, on real data. The discriminator is told no classes."""

    def __init__(self, setting: Setting, method: spec.methods.GAN) -> None:
        super().__init__(setting)
        self.images_per_step = setting.trial.batch.generator_latents
        part = method.discriminator
        with seeded(self.trial.seed, "discriminator", "weights"):
            critic = Critic(part.net, self.teacher.shape, scale=self.teacher.sigma_data)
        self.discriminator = critic.to(self.device)
        self.networks["discriminator"] = self.discriminator
        self.optimiser("discriminator", self.discriminator, part.optim)
        self.monitor.add("generator", ["generator_loss"])
        self.monitor.add("discriminator", ["discriminator_loss"])

    def step(self, images: int) -> None:
        self._train_discriminator(images)
        self._train_generator(images)

    def _train_discriminator(self, images: int) -> None:
        """min_D ½ E (D(x) - 1)² + ½ E D(g(z))²."""
        num = self.trial.batch.fake_score_latents
        for share in self.shares(num):
            (latents,) = self.draws.normal(images, "discriminator", share)
            with torch.no_grad():
                fake = self.generate(latents, self.draws.labels(images, "discriminator", share))
            real = self.draws.real(images, "discriminator", share)
            loss = least_squares(self.discriminator(real), wanted=1.0)
            loss = loss + least_squares(self.discriminator(fake), wanted=0.0)
            self.optimisers["discriminator"].add(share.weight * loss.mean(), last=share.last)
            self.monitor["discriminator"].add(loss.detach()[None])
        self.move("discriminator", images)
        self.costs.count(num, forwards=3, backwards=4)

    def _train_generator(self, images: int) -> None:
        """min_θ ½ E (D(g(z)) - 1)²."""
        num = self.trial.batch.generator_latents
        for share in self.shares(num):
            (latents,) = self.draws.normal(images, "generator", share)
            x0 = self.generate(latents, self.draws.labels(images, "generator", share))
            loss = least_squares(self.discriminator(x0), wanted=1.0)
            self.add(loss.mean(), share)
            self.monitor["generator"].add(loss.detach()[None])
            self.monitor.note_samples(x0)
        self.descend(images)
        self.costs.count(num, forwards=2, backwards=3)
