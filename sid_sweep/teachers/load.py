"""A teacher, whatever it is made of, with one face."""

from dataclasses import dataclass
from pathlib import Path

import torch

from sid_sweep import spec
from sid_sweep.data import source
from sid_sweep.diffusion import noise as diffusion
from sid_sweep.nets.denoiser import Denoiser, build
from sid_sweep.streams import seeded

from . import trained


@dataclass(frozen=True)
class Teacher:
    """φ, frozen. `denoiser` is its network, or None where it is a closed form."""

    epsilon: diffusion.Epsilon
    shape: tuple[int, ...]
    """Of one sample."""
    sigma_data: float
    """Deviation of the data, for preconditioning and EDM weights."""
    device: torch.device
    denoiser: Denoiser | None = None
    num_classes: int = 0
    """Classes that it is conditional on; 0: unconditional."""

    def fresh(self, net: spec.Net, *, key: tuple[int | str, ...]) -> Denoiser:
        """A new network for this teacher's samples, its weights a function of `key`."""
        blueprint = spec.nets.Blueprint(
            net=net,
            shape=list(self.shape),
            sigma_data=self.sigma_data,
            num_classes=self.num_classes,
        )
        with seeded(*key, "weights"):
            return build(blueprint)


def load(
    trial: spec.Trial,
    *,
    cache: Path,
    device: torch.device | str = "cpu",
    report: trained.Report = trained.silent,
) -> Teacher:
    """The teacher of a trial; one that must be trained is trained now, unless it is in the cache.

    Args:
        cache: folder of trained teachers.
        report: called with (images, total, loss) during training.
    """
    own = source(trial.data)
    if not isinstance(trial.teacher, spec.TrainedTeacher):
        assert own.exact is not None  # the specification refuses an exact teacher without one
        exact = own.exact.to(device, torch.float32)
        return Teacher(exact.epsilon, own.shape, own.sigma_data, torch.device(device))
    path = spec.teacher_file(spec.teacher_name(trial), cache)
    denoiser = trained.load(path, trial.noise, trial.teacher, own, device=device, report=report)
    denoiser.compute_in(trial.precision)
    return Teacher(denoiser, own.shape, own.sigma_data, torch.device(device), denoiser)
