"""The teacher itself, as a row of the table: nothing is trained, every sample costs many
evaluations."""

import torch
from torch import Tensor

from sid_sweep import spec
from sid_sweep.diffusion.solvers import heun_evaluations, sample, sigma_steps

from .method import SAMPLE_BATCH, Method, Setting


class TeacherSampler(Method):
    """DDPM's ancestral sampler, DDIM or Heun."""

    images_per_step = 0

    def __init__(self, setting: Setting, method: spec.Sampler) -> None:
        super().__init__(setting)
        self.method = method
        self.nfe = heun_evaluations(method.steps) if method.solver == "heun" else method.steps
        self.sigmas = sigma_steps(
            method.steps,
            sigma_min=method.sigma_min,
            sigma_max=method.sigma_max,
            rho=method.rho,
        )

    def step(self, images: int) -> None:
        raise AssertionError("a sampler has nothing to train")

    @torch.no_grad()
    def sample(self, num: int, *, random: torch.Generator) -> Tensor:
        latents = torch.randn(num, *self.teacher.shape, generator=random, device=self.device)
        starts = (float(self.sigmas[0]) * latents).split(SAMPLE_BATCH)
        options = {"process": self.process, "random": random}
        return torch.cat(
            [
                sample(self.method.solver, self.teacher.epsilon, start, self.sigmas, **options)
                for start in starts
            ]
        )

    def student_state(self) -> dict[str, Tensor]:
        return {} if self.teacher.denoiser is None else self.teacher.denoiser.state_dict()
