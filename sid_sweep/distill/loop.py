"""The training loop, as a generator that its caller drives: a test, a notebook or a Train
worker."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from sid_sweep import quality, teachers
from sid_sweep.data import source
from sid_sweep.nets.ranks import SOLO, Ranks
from sid_sweep.spec import Trial
from sid_sweep.streams import stream

from .build import build
from .method import Setting

CHECK_STEPS = 16  # how often the loop looks at its numbers; each look waits for the device
LARGEST_DEVIATIONS = 100.0  # samples this far out, in deviations of the data, have diverged


@dataclass(frozen=True)
class Progress:
    """Where a trial stands; all but the seconds is a function of the trial."""

    images: int
    seconds: float
    """Of training, without evaluations."""
    outcome: Literal["running", "finished", "diverged"]
    cause: str
    """Why it diverged, else empty."""
    metrics: dict[str, float]
    """Empty between evaluations."""
    samples: Tensor | None
    """The student's samples at an evaluation."""
    samples_per_second: float | None
    """How fast they were drawn."""
    state: Callable[[], dict[str, Any]]
    """All that training depends on, for a checkpoint; lazy."""
    student: Callable[[], dict[str, Tensor]]
    """The student's weights, as its plain denoiser; lazy."""


def distill(
    trial: Trial,
    *,
    cache: Path,
    device: torch.device | str = "cpu",
    ranks: Ranks = SOLO,
    resume: dict[str, Any] | None = None,
) -> Iterator[Progress]:
    """Train the student of a trial, yielding every few steps and at every evaluation.

    The last record is finished or diverged. The same trial on the same kind of CPU gives bitwise
    the same records, whether or not it was resumed from the state of one of them.

    Args:
        cache: folder of trained teachers and classifiers.
        device: where the networks live.
        ranks: this worker's place among those that share the trial.
        resume: the state of an earlier record.
    """
    teacher = teachers.load(trial, cache=cache, device=device)
    judge = quality.judge(trial, teacher, cache=cache)
    data = source(trial.data)
    method = build(Setting(trial, teacher, data, torch.device(device), ranks))
    step, seconds = 0, 0.0
    if resume is not None:
        method.load(resume["method"])
        step, seconds = resume["step"], resume["seconds"]

    def images() -> int:
        return step * method.images_per_step

    def state() -> dict[str, Any]:
        return {"step": step, "seconds": seconds, "method": method.state()}

    def record(
        outcome: Literal["running", "finished", "diverged"],
        *,
        cause: str = "",
        metrics: dict[str, float] | None = None,
        samples: Tensor | None = None,
        speed: float | None = None,
    ) -> Progress:
        numbers = (images(), seconds, outcome, cause, metrics or {})
        return Progress(*numbers, samples, speed, state, method.student_state)

    def evaluation() -> Progress:
        began = time.perf_counter()
        samples = method.sample(judge.num_samples, random=stream("evaluation", device=device)).cpu()
        speed = len(samples) / (time.perf_counter() - began)
        metrics = judge.measure(samples) | method.costs()
        if step:
            metrics |= method.diagnostics()
            method.reset_diagnostics()
        if broken := [name for name, value in metrics.items() if not math.isfinite(value)]:
            return record("diverged", cause=f"{broken[0]} is not finite")
        outcome = "finished" if step == evaluations[-1] else "running"
        return record(outcome, metrics=metrics, samples=samples, speed=speed)

    evaluations = evaluation_steps(trial, images_per_step=method.images_per_step)
    if resume is None:
        progress = evaluation()
        yield progress
        if progress.outcome != "running":
            return
    while step < evaluations[-1]:
        began = time.perf_counter()
        for _ in range(steps_to_next_look(step, evaluations)):
            method.step(images())
            step += 1
        trouble = method.trouble(largest=LARGEST_DEVIATIONS * teacher.sigma_data)
        seconds += time.perf_counter() - began
        if trouble:
            yield record("diverged", cause=trouble)
            return
        progress = evaluation() if step in evaluations else record("running")
        yield progress
        if progress.outcome == "diverged":
            return


def evaluation_steps(trial: Trial, *, images_per_step: int) -> list[int]:
    """The steps after which a student is judged: the start, then evenly over the budget, the last
    at its end."""
    if images_per_step == 0:
        return [0]
    last = math.ceil(trial.budget.images / images_per_step)
    times = trial.evaluation.times
    return sorted({0} | {max(1, round(last * turn / times)) for turn in range(1, times + 1)})


def steps_to_next_look(step: int, evaluations: list[int]) -> int:
    """Steps until the next multiple of CHECK_STEPS or the next evaluation."""
    look = (step // CHECK_STEPS + 1) * CHECK_STEPS
    return min(look, next(due for due in evaluations if due > step)) - step
