"""The training loop, as a generator that its caller drives: a test, a notebook or a Train
worker."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sid_sweep import quality, teachers
from sid_sweep.data import source
from sid_sweep.nets.ranks import SOLO, Ranks
from sid_sweep.spec import Outcome, Trial
from sid_sweep.student import Student

from . import evaluation
from .build import build
from .method import Setting

CHECK_STEPS = 16  # how often the loop looks at its numbers; each look waits for the device


@dataclass(frozen=True)
class Progress:
    """Where a trial stands; all but the seconds is a function of the trial."""

    images: int
    seconds: float
    """Of training, without evaluations."""
    outcome: Outcome
    cause: str
    """Why it diverged or collapsed, else empty."""
    state: Callable[[], dict[str, Any]]
    """All that training depends on, for a checkpoint; lazy."""
    student: Student
    """As it stands; its weights go on moving with the next step."""
    references: dict[str, float]
    """What the metrics are relative to; the same in all of a trial."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Empty between evaluations."""
    samples: Tensor | None = None
    """The student's samples at an evaluation; rank 0 alone has them."""
    labels: Tensor | None = None
    """The class that each was asked for, where there are classes."""
    samples_per_second: float | None = None
    """How fast they were drawn."""


def distill(
    trial: Trial,
    *,
    cache: Path,
    device: torch.device | str = "cpu",
    ranks: Ranks = SOLO,
    resume: dict[str, Any] | None = None,
) -> Iterator[Progress]:
    """Train the student of a trial, yielding every few steps and at every evaluation.

    The last one yielded is finished, diverged or collapsed. The same trial on the same kind of CPU
    yields bitwise the same, whether or not it was resumed from the state of an earlier one.

    Args:
        cache: folder of trained teachers and classifiers.
        device: where the networks live.
        ranks: this worker's place among those that share the trial.
        resume: the state of something yielded earlier.
    """
    training = _Training(trial, cache=cache, device=torch.device(device), ranks=ranks)
    if resume is None:
        progress = training.evaluate()
        yield progress
    else:
        training.load(resume)
        del resume  # as large as all that trains
        progress = training.progress("running")
    while progress.outcome == "running" and training.step < training.evaluations[-1]:
        if trouble := training.train_to_next_look():
            progress = training.progress("diverged", cause=trouble)
        elif training.step in training.evaluations:
            progress = training.evaluate()
        else:
            progress = training.progress("running")
        yield progress


class _Training:
    """A trial while it trains: its method, its judge and its clock."""

    def __init__(self, trial: Trial, *, cache: Path, device: torch.device, ranks: Ranks) -> None:
        teacher = teachers.load(trial, cache=cache, device=device)
        self.judge = quality.judge(trial, teacher, cache=cache)
        began = time.perf_counter()
        own = source(trial.data, cache=cache)
        self.method = build(Setting(trial, teacher, own, device, ranks))
        self.step, self.seconds = 0, time.perf_counter() - began  # KD makes its pairs
        self.trial, self.device, self.ranks = trial, device, ranks
        self.start: dict[str, float] = {}
        """What the student was judged before it trained."""
        self.sigma_data = teacher.sigma_data
        self.evaluations = evaluation_steps(trial, images_per_step=self.method.images_per_step)

    @property
    def images(self) -> int:
        return self.step * self.method.images_per_step

    def train_to_next_look(self) -> str:
        """Some steps; returns why training cannot go on, or ""."""
        began = time.perf_counter()
        for _ in range(steps_to_next_look(self.step, self.evaluations)):
            self.method.step(self.images)
            self.step += 1
        trouble = self.method.monitor.trouble(sigma_data=self.sigma_data)
        self.seconds += time.perf_counter() - began
        return trouble

    def evaluate(self) -> Progress:
        """Judge the student on the draws of its seed; a metric that is not finite is a
        divergence."""
        began = time.perf_counter()
        latents = self.judge.latents
        samples = evaluation.drawn(
            self.method.student, latents, labels=self.judge.labels, seed=self.trial.seed,
            ranks=self.ranks,
        )  # fmt: skip
        speed = len(latents) / (time.perf_counter() - began)
        own = self.method.metrics()  # a mean over all ranks

        def measure() -> dict[str, float]:
            assert samples is not None  # rank 0 has them
            return self.judge.measure(samples) | own

        metrics = evaluation.told(measure, device=self.device, ranks=self.ranks)
        self.method.monitor.reset()
        if broken := [name for name, value in metrics.items() if not math.isfinite(value)]:
            return self.progress("diverged", cause=f"{broken[0]} is not finite")
        self.start = self.start or metrics
        shown = {"samples": samples, "labels": self.judge.labels, "samples_per_second": speed}
        if trouble := self._collapse(metrics):
            return self.progress("collapsed", cause=trouble, metrics=metrics, **shown)
        outcome = "finished" if self.step == self.evaluations[-1] else "running"
        return self.progress(outcome, metrics=metrics, **shown)

    def _collapse(self, metrics: dict[str, float]) -> str:
        """What the student has not kept that it must keep from here on, or ""."""
        asked = self.trial.evaluation
        if self.step < asked.keeps_from * self.evaluations[-1]:
            return ""
        for own in asked.bounds:
            bound = own.bound(self.start[own.metric])
            assert bound is not None  # the start has all metrics
            if own.excess(metrics[own.metric], bound) > 0:
                limit = f" ({bound:.4g})" if own.relative else ""
                return f"{own.metric} is {metrics[own.metric]:.4g}, and must be {own.text}{limit}"
        return ""

    def progress(self, outcome: Outcome, *, cause: str = "", **shown: Any) -> Progress:
        """Where the trial stands."""
        return Progress(
            self.images,
            self.seconds,
            outcome,
            cause,
            state=self.state,
            student=self.method.student,
            references=self.judge.references,
            **shown,
        )

    def state(self) -> dict[str, Any]:
        """All that training depends on."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "start": self.start,
            "method": self.method.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.method.load(state["method"])
        self.step, self.seconds, self.start = state["step"], state["seconds"], state["start"]


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
