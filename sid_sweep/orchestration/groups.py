"""One trial, in this actor or in a worker group of its own.

One worker runs in Ray Train's local mode, inside the reused Tune actor, so that a trial costs no
new process; several are a real worker group. Either way the trial's folder is the truth: what is
reported to Tune only says that there is something new to read.
"""

import threading
from collections.abc import Callable
from typing import Any

import ray.train
import torch
from ray import tune
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer, get_device

from sid_sweep.distill import Ranks
from sid_sweep.trials import TrialFolder
from sid_sweep.worker.run import run

from .assignment import Assignment
from .meeting import MeetAtFile

COLLECTIVE_SECONDS = 600
POLL_SECONDS = 0.5


def train(assignment: Assignment) -> None:
    """Run a trial in its folder."""
    if assignment.layout.workers == 1:
        _train_here(assignment)
    else:
        _train_in_group(assignment)


def _train_here(assignment: Assignment) -> None:
    device = assignment.layout.device
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("Ray gave this trial a GPU, but torch sees none; is torch a CPU build?")

    def loop() -> None:
        run(assignment.job, lambda figures: tune.report(figures), device=device)

    scaling = ScalingConfig(num_workers=0)
    TorchTrainer(loop, scaling_config=scaling, run_config=_config(assignment)).fit()


def _train_in_group(assignment: Assignment) -> None:
    layout = assignment.layout
    trainer = TorchTrainer(
        _rank_loop,
        train_loop_config={"assignment": assignment},
        torch_config=_torch_config(assignment),
        scaling_config=ScalingConfig(
            num_workers=layout.workers,
            use_gpu=bool(layout.gpus_per_worker),
            resources_per_worker=layout.bundle,
            label_selector=assignment.selector,
        ),
        run_config=_config(assignment),
    )
    _follow(trainer.fit, assignment.job.folder)


def _torch_config(assignment: Assignment) -> TorchConfig:
    whole_gpus = assignment.layout.gpus_per_worker >= 1
    backend = "nccl" if whole_gpus else "gloo"  # NCCL refuses two ranks on one GPU
    if assignment.meeting_folder is None:
        return TorchConfig(backend=backend, timeout_s=COLLECTIVE_SECONDS)
    return MeetAtFile(
        backend=backend, timeout_s=COLLECTIVE_SECONDS, folder=assignment.meeting_folder
    )


def _rank_loop(config: dict[str, Any]) -> None:
    context = ray.train.get_context()
    ranks = Ranks(context.get_world_rank(), context.get_world_size())
    assignment: Assignment = config["assignment"]
    assignment.settle()
    run(assignment.job, lambda figures: None, device=get_device(), ranks=ranks)


def _follow(fit: Callable[[], Any], folder: TrialFolder) -> None:
    """Run `fit` in a thread and report the evaluations that its rank 0 writes meanwhile."""
    errors: list[BaseException] = []

    def target() -> None:
        try:
            fit()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=target, daemon=True)
    seen = max(0, len(folder.measurements()) - 1)  # the last one may not have been told
    thread.start()
    while thread.is_alive():
        thread.join(POLL_SECONDS)
        for own in folder.measurements()[seen:]:
            seen += 1
            tune.report({"images": own.images, "seconds": own.seconds, **own.metrics})
    if errors:
        raise errors[0]


def _config(assignment: Assignment) -> RunConfig:
    return RunConfig(
        name="train",
        storage_path=str(assignment.train_folder),
        failure_config=FailureConfig(max_failures=0),
    )
