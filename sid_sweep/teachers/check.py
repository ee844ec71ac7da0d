"""A teacher that someone else trained is looked at before a sweep begins: loaded, asked once, and
adapted as the trial will."""

from pathlib import Path

import torch
from torch import Tensor

from sid_sweep import spec
from sid_sweep.diffusion.noise import Level
from sid_sweep.nets import lora
from sid_sweep.nets.denoiser import Denoiser
from sid_sweep.nets.outside import one_line

from .load import load

PROBES = 2


def check(trial: spec.Trial, *, cache: Path) -> spec.nets.Blueprint:
    """The blueprint of a trial's teacher, which can be used as the trial does.

    Raises:
        ValueError: it cannot be loaded, or cannot do what the trial needs; one line.
    """
    denoiser = load(trial, cache=cache).denoiser
    assert denoiser is not None  # all that are loaded are networks
    answer = _answer(denoiser, "it cannot be asked for D(x; σ)")
    if answer.grad_fn is None and trial.method.kind != "teacher":
        raise ValueError("no gradient flows through it to x, and students learn by that gradient")
    for part in (trial.generator, trial.fake_score):
        if part is not None and isinstance(part.init, spec.nets.TeacherInit):
            _check_init(denoiser, part.init, answer.detach())
    return denoiser.blueprint


def _answer(denoiser: Denoiser, trouble: str) -> Tensor:
    """D(x; 1) of a few samples, of the right shape and finite."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(PROBES, *denoiser.blueprint.shape, generator=random).requires_grad_()
    one = torch.ones(PROBES, *[1] * (x.ndim - 1))
    labels = torch.zeros(PROBES, dtype=torch.long) if denoiser.num_classes else None
    try:
        answer = denoiser.denoise(x, Level(one, one), labels)
    except Exception as error:  # the network is someone else's
        raise ValueError(f"{trouble}: {one_line(error)}") from error
    if not answer.isfinite().all():
        raise ValueError(f"{trouble}: of standard normal numbers at σ = 1 it makes NaN or infinity")
    return answer


def _check_init(denoiser: Denoiser, init: spec.nets.TeacherInit, answer: Tensor) -> None:
    """A student can begin as the teacher."""
    if not any(True for _ in denoiser.parameters()):
        raise ValueError(
            "it has no weights for a student to begin with (it is no torch module); use "
            "init.kind = random"
        )
    if init.lora is not None:
        adapted = lora.adapt(denoiser, rank=init.lora.rank, scale=init.lora.scale)
        begun = _answer(adapted, "it takes no low-rank additions; use init.lora = null")
        if not torch.allclose(begun, answer, rtol=1e-4, atol=1e-5):
            raise ValueError(
                "with low-rank additions of zero it is another function; use init.lora = null"
            )
