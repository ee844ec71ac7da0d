"""Denoising Density Estimators (Bigdeli et al. 2020): a generator from two log densities.

Scalar networks s with D(x̃) = x̃ + σ² ∇s(x̃) learn to denoise at one level σ, so that s is the log
density of noisy samples up to a constant: one of the data, one of the generator. The generator
descends E[s_gen(x̃) - s_data(x̃)], the reverse KL of the smoothed distributions.
"""

import torch
from torch import Tensor

from sid_sweep import spec
from sid_sweep.streams import seeded

from .critics import Critic, density_error
from .draws import Share
from .method import OneStepMethod, Setting


class DensityEstimation(OneStepMethod):
    """θ and the estimators of the data's and of the generator's density."""

    def __init__(self, setting: Setting, method: spec.methods.DDE) -> None:
        super().__init__(setting)
        self.method = method
        self.images_per_step = setting.trial.batch.generator_latents
        assert isinstance(setting.trial.noise, spec.noise.FixedNoise)  # the rule of DDE
        self.sigma = setting.trial.noise.sigma
        for role in ("data", "samples"):
            self._add_estimator(role)
            self.monitor.add(role, [f"{role}_density_loss"])
        self.monitor.add("generator", ["generator_loss"])

    def _add_estimator(self, role: str) -> None:
        part = self.method.estimator
        scale = (self.teacher.sigma_data**2 + self.sigma**2) ** 0.5
        with seeded(self.trial.seed, "estimator", role, "weights"):
            estimator = Critic(part.net, self.teacher.shape, scale=scale).to(self.device)
        self.networks[role] = estimator
        self.optimiser(role, estimator, part.optim)

    def step(self, images: int) -> None:
        if images == 0:
            for turn in range(self.method.warmup_steps):
                self._train_on_data(0, turn)
        self._train_on_data(images, self.method.warmup_steps)
        self._train_on_samples(images)
        self._train_generator(images)

    def _train_on_data(self, images: int, turn: int) -> None:
        num = self.trial.batch.fake_score_latents
        for share in self.shares(num):
            (noise,) = self.draws.normal(images, f"data/{turn}", share)
            x0 = self.draws.real(images, f"data/{turn}", share)
            self._add_estimator_loss("data", x0, noise, share)
        self.move("data", images)

    def _train_on_samples(self, images: int) -> None:
        num = self.trial.batch.fake_score_latents
        for share in self.shares(num):
            latents, noise = self.draws.normal(images, "samples", share, copies=2)
            with torch.no_grad():
                x0 = self.generate(latents, self.draws.labels(images, "samples", share))
            self._add_estimator_loss("samples", x0, noise, share)
        self.move("samples", images)
        self.costs.count(num, forwards=1)

    def _add_estimator_loss(self, role: str, x0: Tensor, noise: Tensor, share: Share) -> None:
        """min_η E ½ ‖σ² ∇s(x̃) + σ n‖² (eq. 8)."""
        loss = density_error(self.networks[role], x0 + self.sigma * noise, noise, sigma=self.sigma)
        self.optimisers[role].add(share.weight * loss.mean(), last=share.last)
        self.monitor[role].add(loss.detach()[None])
        # forward, its gradient in the input, and both again for the weights
        self.costs.count(len(x0) * self.ranks.size, forwards=1, backwards=5)

    def _train_generator(self, images: int) -> None:
        """min_θ E[s_gen(x̃) - s_data(x̃)] (eq. 12)."""
        for share in self.shares(self.images_per_step):
            latents, noise = self.draws.normal(images, "generator", share, copies=2)
            x0 = self.generate(latents, self.draws.labels(images, "generator", share))
            noisy = x0 + self.sigma * noise
            loss = self.networks["samples"](noisy) - self.networks["data"](noisy)
            self.add(loss.mean(), share)
            self.monitor["generator"].add(loss.detach()[None])
            self.monitor.note_samples(x0)
        self.descend(images)
        self.costs.count(self.images_per_step, forwards=3, backwards=4)
