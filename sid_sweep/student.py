"""A student: a denoiser and the way in which it is sampled; in training, and from its one file.

    from sid_sweep.student import Student
    student = Student.load("generator.safetensors")
    images = student.sample(64, seed=0)

The file holds the weights of the plain network and, in its header, the trial's specification and
the network's blueprint: it needs no teacher, no data set and no other file.
"""

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from pydantic import ValidationError
from torch import Tensor

from sid_sweep import spec
from sid_sweep.data import source
from sid_sweep.diffusion import noise as diffusion
from sid_sweep.diffusion import solvers
from sid_sweep.nets import lora, weights
from sid_sweep.nets.denoiser import Denoiser
from sid_sweep.streams import stream
from sid_sweep.tensors import write_tensors

SAMPLE_BATCH = 4096
SAMPLE_NUMBERS = 2**20  # of one batch: large pictures are drawn fewer at a time


@dataclass(frozen=True)
class OneStep:
    """g(z) = D(σ_init z; σ_init) (Zhou et al. 2024, Alg. 1)."""

    sigma_init: float
    nfe = 1


@dataclass(frozen=True)
class ManySteps:
    """A solver along falling noise levels, from σ_0 z."""

    solver: Literal["ancestral", "ddim", "heun"]
    sigmas: Float[Tensor, " S"]

    @property
    def nfe(self) -> int:
        """Network evaluations for one sample."""
        steps = len(self.sigmas) - 1
        return solvers.heun_evaluations(steps) if self.solver == "heun" else steps


def sampling(trial: spec.Trial) -> OneStep | ManySteps:
    """How the finished student of a trial is sampled."""
    match trial.method:
        case spec.methods.PlainTeacher() as method:
            sigmas = solvers.sigma_steps(
                method.steps, sigma_min=method.sigma_min, sigma_max=method.sigma_max, rho=method.rho
            )
            return ManySteps(method.solver, sigmas)
        case spec.methods.Progressive() as method:  # its last stage
            return progressive_sampling(method, steps=1)
    assert trial.generator is not None  # all others train one
    return OneStep(trial.generator.sigma_init)


def progressive_sampling(method: spec.methods.Progressive, *, steps: int) -> ManySteps:
    """DDIM over every 2N/`steps`-th of the 2N levels between which the first stage learns."""
    num = 2 * method.start_steps
    levels = solvers.sigma_steps(num, sigma_min=method.sigma_min, sigma_max=method.sigma_max)
    return ManySteps("ddim", levels.float()[:: num // steps])


@dataclass(frozen=True)
class Student:
    """A trial's student; where the method is the plain teacher, the teacher."""

    trial: spec.Trial
    shape: tuple[int, ...]
    """Of one sample."""
    sigma_data: float
    """Deviation of the data, for preconditioning."""
    epsilon: diffusion.Epsilon
    """Its denoiser; a closed form where an exact teacher is sampled."""
    sampling: OneStep | ManySteps
    device: torch.device
    num_classes: int = 0
    """Classes that it is conditional on; 0: unconditional."""

    @torch.no_grad()
    def draw(
        self,
        latents: Float[Tensor, "N ..."],
        *,
        random: torch.Generator,
        labels: Int[Tensor, " N"] | None = None,
    ) -> Float[Tensor, "N ..."]:
        """A sample from each latent, of the class of its label; `random` is for samplers that draw
        noise on the way."""
        num = min(SAMPLE_BATCH, max(1, SAMPLE_NUMBERS // math.prod(self.shape)))
        parts = latents.to(self.device).split(num)
        told = [None] * len(parts) if labels is None else labels.to(self.device).split(num)
        return torch.cat([self._sample(z, y, random) for z, y in zip(parts, told, strict=True)])

    def _sample(self, latents: Tensor, labels: Tensor | None, random: torch.Generator) -> Tensor:
        match self.sampling:
            case OneStep(sigma_init):
                assert isinstance(self.epsilon, Denoiser)
                return self.epsilon.generate(latents, sigma_init=sigma_init, labels=labels)
            case ManySteps(solver, sigmas):
                process, start = diffusion.process(self.trial.noise), float(sigmas[0]) * latents
                told = {} if labels is None else {"labels": labels}
                epsilon = functools.partial(self.epsilon, **told)
                return solvers.sample(
                    solver, epsilon, start, sigmas, process=process, random=random
                )

    def sample(
        self, num: int, *, seed: int = 0, labels: Int[Tensor, " N"] | int | None = None
    ) -> Float[Tensor, "N ..."]:
        """`num` samples, [num, *shape]; images lie in about [-1, 1].

        Latents and classes are drawn on the CPU, so that they are the same on every device, and the
        latents are the same whatever the classes.

        Args:
            labels: the class of all, or of each; None: drawn uniformly where there are classes.

        Raises:
            ValueError: a class that there is not, or another number of them.
        """
        random = stream("student", seed)
        latents = torch.randn(num, *self.shape, generator=random)
        return self.draw(latents, random=random, labels=self.classes(num, labels, seed=seed))

    def classes(
        self, num: int, labels: Int[Tensor, " N"] | int | None = None, *, seed: int = 0
    ) -> Int[Tensor, " N"] | None:
        """The classes of what `sample` draws, from the same arguments; None where it has none."""
        if labels is None:
            if not self.num_classes:
                return None
            random = stream("student", seed, "labels")
            return torch.randint(self.num_classes, (num,), generator=random)
        if not self.num_classes:
            raise ValueError("the student is unconditional: it has no classes to choose from")
        given = torch.as_tensor(labels)
        own = given.expand(num) if given.ndim == 0 else given
        if len(own) != num:
            raise ValueError(f"{len(own)} labels for {num} samples: give one label, or as many")
        if num and not 0 <= int(own.min()) <= int(own.max()) < self.num_classes:
            beyond = int(own.min()) if int(own.min()) < 0 else int(own.max())
            raise ValueError(f"class {beyond}: classes are 0 to {self.num_classes - 1}")
        return own

    def weights(self) -> dict[str, Tensor]:
        """Of the plain denoiser of its architecture; empty for a closed form."""
        if not isinstance(self.epsilon, Denoiser):
            return {}
        return lora.merged(self.epsilon).state_dict()

    def _blueprint(self) -> dict[str, Any] | None:
        """Of its denoiser; None for a closed form."""
        own = self.epsilon
        return spec.plain(own.blueprint) if isinstance(own, Denoiser) else None

    def save(self, path: Path) -> None:
        """Write the one file, whole or not at all."""
        header = {
            "trial": spec.plain(self.trial),
            "shape": list(self.shape),
            "sigma_data": self.sigma_data,
            "blueprint": self._blueprint(),
        }
        write_tensors(path, self.weights(), header)

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        device: torch.device | str = "cpu",
        trust_code: bool = False,
        trial: str | None = None,
    ) -> "Student":
        """Read an exported file.

        Args:
            trial: the digest of the trial that it must be of.
            trust_code: import the user's own network that the file names, where it names one.

        Raises:
            ValueError: it is no student of this program, or of another trial, or needs code; one
                line.
        """
        header, tensors = weights.read(Path(path))
        try:
            values, made = header["trial"], header["blueprint"]
            if trial is not None and spec.digest(values) != trial:
                raise ValueError(f"{path}: is the student of another trial, {spec.digest(values)}")
            own = spec.Trial.model_validate(values)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path}: holds no student; its header lacks {error}") from None
        except ValidationError as error:
            reason = str(error.errors()[0]["msg"])
            raise ValueError(
                f"{path}: its specification is not of this version: {reason}"
            ) from None
        shape, sigma_data = tuple(header["shape"]), header["sigma_data"]
        num_classes = 0
        if made is not None:
            epsilon = weights.restore(header, tensors, Path(path), trust_code=trust_code)
            num_classes = epsilon.num_classes
            epsilon.compute_in(own.precision)
            epsilon.to(device).requires_grad_(False).eval()
        else:
            exact = source(own.data).exact
            assert exact is not None  # only a closed form has no weights
            epsilon = exact.to(device, torch.float32).epsilon
        placed = torch.device(device)
        return cls(own, shape, sigma_data, epsilon, sampling(own), placed, num_classes)
