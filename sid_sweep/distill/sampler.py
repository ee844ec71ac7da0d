"""The teacher itself, as a row of the table: nothing is trained, every sample costs many
evaluations."""

import torch
from torch import Tensor

from sid_sweep import spec
from sid_sweep.diffusion.solvers import ancestral, heun_evaluations, sigma_steps, solve

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
        return torch.cat([self._solve(start, random) for start in starts])

    def _solve(self, start: Tensor, random: torch.Generator) -> Tensor:
        epsilon, options = self.teacher.epsilon, {"process": self.process}
        match self.method.solver:
            case "ancestral":
                return ancestral(epsilon, start, self.sigmas, random=random, **options)
            case "ddim":
                return solve(epsilon, start, self.sigmas, order=1, **options)
            case "heun":
                return solve(epsilon, start, self.sigmas, order=2, **options)

    def student_state(self) -> dict[str, Tensor]:
        return {} if self.teacher.denoiser is None else self.teacher.denoiser.state_dict()
