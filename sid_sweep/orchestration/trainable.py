"""One trial, in this actor or in a worker group of its own.

One worker runs in Ray Train's local mode, inside the reused Tune actor, so that a trial costs no
new process; several are a real worker group. Either way the trial's folder is the truth: what is
reported to Tune only says that there is something new to read.
"""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import ray.train
import torch
from ray import tune
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer, get_device

from sid_sweep.distill import Ranks

from .folder import TrialFolder
from .job import Placement, Work
from .work import work

COLLECTIVE_TIMEOUT = timedelta(minutes=10)
POLL_SECONDS = 0.5


def train(job: Work, placement: Placement) -> None:
    """Run a trial in its folder."""
    if placement.workers == 1:
        _train_here(job, placement)
    else:
        _train_in_group(job, placement, TrialFolder(job.folder))


def _train_here(job: Work, placement: Placement) -> None:
    device = "cuda" if placement.gpus_per_worker else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("Ray gave this trial a GPU, but torch sees none; is torch a CPU build?")

    def loop() -> None:
        work(job, lambda figures: tune.report(figures), device=device)

    TorchTrainer(
        loop, scaling_config=ScalingConfig(num_workers=0), run_config=_run(placement)
    ).fit()


def _train_in_group(job: Work, placement: Placement, folder: TrialFolder) -> None:
    whole_gpus = placement.gpus_per_worker >= 1
    resources = {"CPU": float(placement.cpus_per_worker)}
    if placement.gpus_per_worker:
        resources["GPU"] = placement.gpus_per_worker
    trainer = TorchTrainer(
        _rank_loop,
        train_loop_config={"work": job},
        torch_config=TorchConfig(
            backend="nccl" if whole_gpus else "gloo",  # NCCL refuses two ranks on one GPU
            timeout_s=int(COLLECTIVE_TIMEOUT.total_seconds()),
        ),
        scaling_config=ScalingConfig(
            num_workers=placement.workers,
            use_gpu=bool(placement.gpus_per_worker),
            resources_per_worker=resources,
        ),
        run_config=_run(placement),
    )
    _follow(trainer.fit, folder)


def _rank_loop(config: dict[str, Any]) -> None:
    context = ray.train.get_context()
    ranks = Ranks(context.get_world_rank(), context.get_world_size())
    work(config["work"], lambda figures: None, device=get_device(), ranks=ranks)


def _follow(fit: Callable[[], Any], folder: TrialFolder) -> None:
    """Run `fit` in a thread and report the evaluations that its rank 0 writes meanwhile."""
    errors: list[BaseException] = []

    def target() -> None:
        try:
            fit()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    seen = len(folder.records())
    while thread.is_alive():
        thread.join(POLL_SECONDS)
        for record in folder.records()[seen:]:
            seen += 1
            tune.report({"images": record.images, "seconds": record.seconds, **record.metrics})
    if errors:
        raise errors[0]


def _run(placement: Placement) -> RunConfig:
    return RunConfig(
        name="train",
        storage_path=str(placement.train_folder),
        failure_config=FailureConfig(max_failures=0),
    )
