"""Score identity Distillation (Zhou et al. 2024, Algorithm 1): fake score and generator in turn."""

import copy
from typing import Any

import torch
from torch import Tensor

from sid_sweep import spec
from sid_sweep.diffusion import noise as diffusion
from sid_sweep.nets import average
from sid_sweep.nets.denoiser import Denoiser
from sid_sweep.nets.optim import Optimiser
from sid_sweep.nets.ranks import SOLO, Ranks
from sid_sweep.streams import stream
from sid_sweep.teachers import Teacher

from . import losses

Batch = tuple[Tensor, Tensor, diffusion.Level, Tensor]  # latents, noise, level, weight

DIAGNOSTICS = ("l1", "l2", "r", "q", "fake_score_loss")


class Sid:
    """θ, its average, ψ and their optimisers; `step` is one turn of the algorithm."""

    def __init__(
        self,
        trial: spec.Trial,
        teacher: Teacher,
        *,
        device: torch.device | str = "cpu",
        ranks: Ranks = SOLO,
    ) -> None:
        self.trial = trial
        self.teacher = teacher
        self.device = torch.device(device)
        self.ranks = ranks
        self.process = diffusion.process(trial.noise)
        self.generator = self._network(trial.generator.init, "generator")
        self.fake_score = self._network(trial.fake_score.init, "fake_score")
        self.student = copy.deepcopy(self.generator).requires_grad_(False)
        options = {"budget_images": trial.budget.images, "ranks": ranks}
        self._generator_optim = Optimiser(
            list(self.generator.parameters()), trial.generator.optim, **options
        )
        self._fake_score_optim = Optimiser(
            list(self.fake_score.parameters()), trial.fake_score.optim, **options
        )
        self._student_weights = list(self.student.parameters())
        self.reset_diagnostics()

    @property
    def images_per_step(self) -> int:
        """Generator samples that enter its loss in one step, over all ranks."""
        return self.trial.batch.generator_latents

    def step(self, images: int) -> None:
        """One turn, `images` having been seen before it."""
        for turn in range(self.trial.fake_score.steps):
            self._train_fake_score(images, turn)
        self._train_generator(images)
        ema = self.trial.generator.ema
        beta = average.decay(
            self.images_per_step, images, half_life=ema.half_life_images, ramp_up=ema.ramp_up
        )
        average.update(self._student_weights, self._generator_optim.parameters, beta)
        self._num_steps += 1

    def _train_fake_score(self, images: int, turn: int) -> None:
        """min_ψ E w ‖ε_ψ(x_t) - ε‖² on the generator's samples (article, eq. 3)."""
        num, part = self.trial.batch.fake_score_latents, self.trial.fake_score
        latents, noise, level, weight = self._draw(images, f"fake_score/{turn}", num, part)
        with torch.no_grad():
            x0 = self.generator.generate(latents, sigma_init=self.trial.generator.sigma_init)
            xt = diffusion.diffuse(x0, noise, level)
        error = losses.naive(self.fake_score(xt, level), noise)
        self._fake_score_optim.descend((weight * error).mean(), images)
        self._sums[4] += error.detach().mean() / part.steps

    def _train_generator(self, images: int) -> None:
        """min_θ E w (L2 - λ L1), or whichever loss the trial names, ψ frozen."""
        num, part = self.trial.batch.generator_latents, self.trial.generator
        latents, noise, level, weight = self._draw(images, "generator", num, part)
        x0 = self.generator.generate(latents, sigma_init=part.sigma_init)
        xt = diffusion.diffuse(x0, noise, level)
        teacher, fake = self.teacher.epsilon(xt, level), self.fake_score(xt, level)
        loss = losses.generator_loss(self.trial.loss, teacher, fake, noise)
        self._generator_optim.descend((weight * loss).mean(), images)
        self._observe(x0.detach(), teacher.detach(), fake.detach(), noise)

    def _draw(
        self, images: int, purpose: str, num: int, part: spec.Generator | spec.FakeScore
    ) -> Batch:
        """This rank's share of the latents, noise, levels and weights of one step."""
        shape, share = self.teacher.shape, self.ranks.share(num)
        random = stream(self.trial.seed, images, purpose, device=self.device)
        latents, noise = torch.randn(2, num, *shape, generator=random, device=self.device)
        uniforms = torch.rand(num, generator=random, device=self.device)
        sigma = diffusion.draw_sigma(part.times, self.process, uniforms[share])
        weight = diffusion.loss_weight(part.weight, sigma, sigma_data=self.teacher.sigma_data)
        level = self.process.level(sigma.view(-1, *[1] * len(shape)))
        return latents[share], noise[share], level, weight

    @torch.no_grad()
    def _observe(self, x0: Tensor, teacher: Tensor, fake: Tensor, noise: Tensor) -> None:
        """L1, L2, R = L2 - L1 (0 at ψ*), Q = E‖ε_ψ‖² - E⟨ε_ψ, ε⟩ (0 at ψ*); the largest sample."""
        l1 = losses.naive(teacher, fake).mean()
        l2 = losses.projected(teacher, fake, noise).mean()
        q = losses.inner(fake, fake - noise).mean()
        self._sums[:4] += torch.stack([l1, l2, l2 - l1, q])
        self._largest = torch.maximum(self._largest, x0.abs().amax())

    def diagnostics(self) -> dict[str, float]:
        """Means over the steps since the last reset, over all ranks."""
        means = self._sums / max(self._num_steps, 1)
        self.ranks.average([means])
        return {
            f"diagnostics/{name}": value
            for name, value in zip(DIAGNOSTICS, means.tolist(), strict=True)
        }

    def reset_diagnostics(self) -> None:
        """Begin new means."""
        self._sums = torch.zeros(len(DIAGNOSTICS), device=self.device)
        self._largest = torch.zeros((), device=self.device)
        self._num_steps = 0

    def trouble(self, *, largest: float) -> str:
        """Why training cannot go on, or "": a non-finite number, or samples beyond `largest`."""
        numbers = torch.cat([self._sums, self._largest[None]])
        self.ranks.average([numbers])  # a NaN on any rank is a NaN on all
        if not bool(numbers.isfinite().all()):
            return "a loss is not finite"
        if (reached := self.ranks.largest(self._largest)) > largest:
            return f"a sample of {reached:.3g} is beyond {largest:.3g}"
        return ""

    @torch.no_grad()
    def sample(self, num: int, *, random: torch.Generator) -> Tensor:
        """One-step samples of the averaged generator, [num, *shape]."""
        latents = torch.randn(num, *self.teacher.shape, generator=random, device=self.device)
        sigma = self.trial.generator.sigma_init
        return torch.cat([self.student.generate(z, sigma_init=sigma) for z in latents.split(4096)])

    def state(self) -> dict[str, Any]:
        """Everything that training depends on, as tensors and numbers."""
        return {
            "generator": self.generator.state_dict(),
            "student": self.student.state_dict(),
            "fake_score": self.fake_score.state_dict(),
            "generator_optim": self._generator_optim.state(),
            "fake_score_optim": self._fake_score_optim.state(),
            "sums": self._sums,
            "largest": self._largest,
            "num_steps": self._num_steps,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`, bitwise as if never interrupted."""
        self.generator.load_state_dict(state["generator"])
        self.student.load_state_dict(state["student"])
        self.fake_score.load_state_dict(state["fake_score"])
        self._generator_optim.load(state["generator_optim"])
        self._fake_score_optim.load(state["fake_score_optim"])
        self._sums = state["sums"].clone()
        self._largest = state["largest"].clone()
        self._num_steps = state["num_steps"]

    def _network(self, init: spec.Init, role: str) -> Denoiser:
        match init:
            case spec.RandomInit():
                return self.teacher.fresh(init.net, key=(self.trial.seed, role)).to(self.device)
            case spec.TeacherInit():
                assert self.teacher.denoiser is not None  # the specification refuses it
                return copy.deepcopy(self.teacher.denoiser).requires_grad_(True).to(self.device)
