"""A teacher, whatever it is made of, with one face."""

from dataclasses import dataclass
from pathlib import Path

import torch

from sid_sweep import spec
from sid_sweep.data import source
from sid_sweep.diffusion import noise as diffusion
from sid_sweep.foreign.cached import teacher_file, teacher_name
from sid_sweep.foreign.check import facts_of
from sid_sweep.foreign.fingerprint import locate
from sid_sweep.nets.denoiser import Denoiser, build
from sid_sweep.streams import seeded

from . import checkpoint, diffusers_folder, edm, hub, python, trained


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
            num_classes=self.num_classes,
            sigma_data=self.sigma_data,
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
        cache: folder of trained teachers, and of what others' files came to.
        report: called with (images, total, loss) during training.

    Raises:
        ValueError: what someone else made cannot be read, or is for other data; one line.
    """
    match trial.teacher:
        case spec.ExactTeacher():
            own = source(trial.data)
            assert own.exact is not None  # the specification refuses an exact teacher without one
            exact = own.exact.to(device, torch.float32)
            return Teacher(exact.epsilon, own.shape, own.sigma_data, torch.device(device))
        case spec.TrainedTeacher() as teacher:
            own = source(trial.data, cache=cache)
            path = teacher_file(teacher_name(trial), cache)
            denoiser = trained.load(path, trial.noise, teacher, own, device=device, report=report)
        case teacher:
            denoiser = _loaded(teacher, cache)
            _check_shape(denoiser, trial.data)
    denoiser.to(device).requires_grad_(False).eval().compute_in(trial.precision)
    made = denoiser.blueprint
    shape, placed = tuple(made.shape), torch.device(device)
    return Teacher(denoiser, shape, made.sigma_data, placed, denoiser, made.num_classes)


def _loaded(teacher: spec.teachers.Loaded, cache: Path) -> Denoiser:
    """The denoiser that someone else trained."""
    match teacher:
        case spec.teachers.EdmTeacher():
            return edm.load(teacher.path, cache=cache)
        case spec.teachers.DiffusersTeacher():
            return diffusers_folder.load(_folder(teacher, cache), sigma_data=teacher.sigma_data)
        case spec.teachers.CheckpointTeacher():
            return checkpoint.load(locate(teacher.path))
        case spec.teachers.PythonTeacher():
            return python.load(teacher)


def _folder(teacher: spec.teachers.DiffusersTeacher, cache: Path) -> Path:
    if teacher.hf is not None:
        return hub.snapshot(teacher.hf, cache)
    assert teacher.path is not None  # the specification wants one of them
    return locate(teacher.path)


def _check_shape(denoiser: Denoiser, data: spec.Data) -> None:
    """A teacher denoises samples of one shape, and the data, if any, are of that shape."""
    ours, theirs = _shape(data), tuple(denoiser.blueprint.shape)
    if ours not in (None, theirs):
        raise ValueError(
            f"it denoises samples of shape {_text(theirs)}, and those of data.kind = {data.kind} "
            f"are {_text(ours)}; take other data, or another teacher"
        )


def _shape(data: spec.Data) -> tuple[int, ...] | None:
    """Of a sample; of pictures as their files say, before they are decoded."""
    pictures = facts_of(data)
    if pictures is None:
        return source(data).shape or None  # where there are no data, there is no shape
    return (pictures.channels, pictures.height, pictures.width)


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
