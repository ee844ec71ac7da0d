"""A finished student, from the one file that it was exported to.

    from sid_sweep.student import Student
    student = Student.load("generator.safetensors")
    images = student.sample(64, seed=0)

The file holds the weights of the plain network and, in its header, the trial's specification with
the shape and deviation of the data: it needs no teacher, no data set and no other file.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sid_sweep import spec
from sid_sweep.data import mixture
from sid_sweep.diffusion import noise as diffusion
from sid_sweep.diffusion import solvers
from sid_sweep.nets.denoiser import Denoiser, build
from sid_sweep.streams import stream

HEADER = "sid_sweep"
SAMPLE_BATCH = 4096


@dataclass(frozen=True)
class Student:
    """A trial's student, or the teacher where the trial's method is to sample it."""

    trial: spec.Trial
    shape: tuple[int, ...]
    """Of one sample."""
    epsilon: diffusion.Epsilon
    """Its denoiser; a closed form where an exact teacher is sampled."""

    @classmethod
    def load(cls, path: Path | str) -> "Student":
        """Read an exported file.

        Raises:
            ValueError: it is no student of this program; one line.
        """
        header, weights = _read(Path(path))
        try:
            trial = spec.Trial.model_validate(header["trial"])
        except ValidationError as error:
            reason = str(error.errors()[0]["msg"])
            raise ValueError(
                f"{path}: its specification is not of this version: {reason}"
            ) from None
        shape = tuple(header["shape"])
        if not weights:
            assert isinstance(trial.data, spec.Mixture)  # only a closed form has no weights
            return cls(trial, shape, mixture(trial.data).to("cpu", torch.float32).epsilon)
        denoiser = build(_architecture(trial), shape, sigma_data=header["sigma_data"])
        denoiser.load_state_dict(weights)
        return cls(trial, shape, denoiser.requires_grad_(False).eval())

    @torch.no_grad()
    def sample(self, num: int, *, seed: int = 0, device: str = "cpu") -> Tensor:
        """`num` samples, [num, *shape] on `device`; images lie in about [-1, 1].

        The latents are drawn on the CPU, so that they are the same on every device.
        """
        random = stream("student", seed)
        latents = torch.randn(num, *self.shape, generator=random).split(SAMPLE_BATCH)
        if isinstance(self.epsilon, Denoiser):
            self.epsilon.to(device)
        return torch.cat([self._sample(z.to(device), random) for z in latents])

    def _sample(self, latents: Tensor, random: torch.Generator) -> Tensor:
        method = self.trial.method
        if isinstance(method, spec.Sampler):
            sigmas = solvers.sigma_steps(
                method.steps, sigma_min=method.sigma_min, sigma_max=method.sigma_max, rho=method.rho
            )
            start, process = float(sigmas[0]) * latents, diffusion.process(self.trial.noise)
            return solvers.sample(
                method.solver, self.epsilon, start, sigmas, process=process, random=random
            )
        assert isinstance(self.epsilon, Denoiser)
        return self.epsilon.generate(latents, sigma_init=_sigma_init(self.trial))


def export(
    path: Path,
    trial: spec.Trial,
    weights: dict[str, Tensor],
    *,
    shape: tuple[int, ...],
    sigma_data: float,
) -> None:
    """Write a student's file."""
    header = {"trial": spec.plain(trial), "shape": list(shape), "sigma_data": sigma_data}
    tensors = {name: value.detach().contiguous().cpu() for name, value in weights.items()}
    save_file(tensors, path, metadata={HEADER: json.dumps(header, ensure_ascii=False)})


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(HEADER)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or 'no such file'})") from None
    except SafetensorError:
        raise ValueError(f"{path}: is no safetensors file") from None
    if header is None:
        raise ValueError(f"{path}: holds no student of sid_sweep (its header does not say so)")
    return json.loads(header), weights


def _architecture(trial: spec.Trial) -> spec.Net:
    """The network of a trial's student: the teacher's where it began there."""
    part = None if trial.method.kind == "progressive" else trial.generator
    if part is not None and isinstance(part.init, spec.RandomInit):
        return part.init.net
    assert isinstance(trial.teacher, spec.TrainedTeacher)
    return trial.teacher.net


def _sigma_init(trial: spec.Trial) -> float:
    """Where the one step begins; the last stage of progressive distillation begins at its σ_max."""
    if isinstance(trial.method, spec.Progressive):
        return trial.method.sigma_max
    assert trial.generator is not None
    return trial.generator.sigma_init
