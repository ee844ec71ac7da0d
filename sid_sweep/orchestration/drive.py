"""Ray Tune drives a sweep: jobs out of the ledger, results into it, watchers told on the way."""

import logging
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sid_sweep.spec import Sweep

from .events import Watcher
from .job import Placement, Work, train_trial
from .machine import Capacity, Share, share, this_machine
from .search import Job, Ledger

# Ray reads these when it is imported. A user who debugs can set them otherwise.
RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # the old output has a level at which it is silent
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # records are ours
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Tune's waits for the next report of every trial
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # nothing is ever restored from Tune's snapshots
    "TUNE_WARN_THRESHOLD_S": "1000000",
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "60",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths in a specification stay true
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # how often a group's controller looks
}
GROUP_SLOT = "sid_sweep_group"  # what a trial holds that only waits for its own workers
NUM_SLOTS = 1024


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM. No Exception, since Tune would catch it and take its time to clean up."""


class Signals:
    """The first signal is noted and acted on between two of Tune's steps; the second ends at
    once."""

    def __init__(self) -> None:
        self.received: int | None = None

    def __call__(self, number: int, frame: Any) -> None:
        if self.received is not None:
            os._exit(128 + number)  # Ray's processes end when they see that their driver is gone
        self.received = number

    def install(self) -> None:
        """Take SIGINT and SIGTERM."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self)

    def check(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self.received is not None:
            raise Interrupted

    @contextmanager
    def installed(self) -> Iterator["Signals"]:
        """Take the signals within, and put back what was there."""
        before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
        self.install()
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass(frozen=True)
class Cluster:
    """A connected Ray, and what our trials may take of it."""

    share: Share
    scratch: Path
    """Where Tune and Train write what nobody reads."""
    is_local: bool


@contextmanager
def cluster(
    sweep: Sweep, *, address: str | None, signals: Signals, logs: Path
) -> Iterator[Cluster]:
    """Connect to the Ray at `address`, or start one on this machine and stop it at the end.

    Args:
        logs: where the logs of a Ray that was started here are kept.
    """
    os.environ.update({k: v for k, v in RAY_ENVIRONMENT.items() if k not in os.environ})
    warnings.filterwarnings("ignore", module=r"ray\b")
    import ray

    # Ray's sockets lie below this folder, and the path of a socket has at most 107 bytes.
    home = Path(tempfile.mkdtemp(prefix="sid-ray-", dir="/tmp"))
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    try:
        if address is None:
            planned = share(sweep, this_machine())
            ray.init(
                num_cpus=planned.concurrency * planned.cpus,
                resources={GROUP_SLOT: NUM_SLOTS},
                include_dashboard=False,
                _temp_dir=str(home),
                **quiet,
            )
        else:
            ray.init(address=address, **quiet)
            total = ray.cluster_resources()
            planned = share(sweep, Capacity(int(total.get("CPU", 0)), total.get("GPU", 0.0)))
        signals.install()  # ray.init takes SIGTERM for itself
        # Ray prints the death of a worker on stdout, and has no public switch for it.
        ray._private.worker._worker_logs_enabled = False  # pyright: ignore
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        scratch = home / "scratch" if address is None else logs.parent / "ray"
        yield Cluster(planned, scratch, address is None)
    finally:
        ray.shutdown()
        if (written := home / "session_latest" / "logs").is_dir():
            shutil.rmtree(logs, ignore_errors=True)
            shutil.copytree(written, logs, ignore_dangling_symlinks=True)
        shutil.rmtree(home, ignore_errors=True)


def drive(
    sweep: Sweep,
    ledger: Ledger,
    ray_cluster: Cluster,
    *,
    cache: Path,
    watchers: list[Watcher],
    signals: Signals,
) -> None:
    """Run all that the ledger asks for.

    Raises:
        Interrupted: a signal came; what was running goes on from its checkpoints next time.
    """
    from ray import tune

    from .hooks import Dispatcher, Jobs, Relay

    planned = ray_cluster.share
    placement = Placement(
        planned.workers,
        planned.cpus_per_worker,
        planned.gpus_per_worker,
        ray_cluster.scratch.resolve() / "train",
    )

    def work(job: Job) -> Work:
        return Work(
            job.trial,
            ledger.trial_folder(job).path.resolve(),
            cache.resolve(),
            sweep.resources.checkpoint_seconds,
            planned.cpus_per_worker,
        )

    jobs = Jobs(ledger, lambda job: {"work": work(job), "placement": placement})
    tuner = tune.Tuner(
        tune.with_resources(train_trial, _takes(ray_cluster)),
        tune_config=tune.TuneConfig(
            search_alg=Dispatcher(jobs),
            num_samples=-1,
            reuse_actors=True,
            max_concurrent_trials=planned.concurrency,
            trial_dirname_creator=lambda trial: trial.trial_id,
            trial_name_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(ray_cluster.scratch.resolve()),
            verbose=0,
            callbacks=[Relay(jobs, watchers, check=signals.check)],
            failure_config=tune.FailureConfig(max_failures=0, fail_fast=False),
        ),
    )
    tuner.fit()


def _takes(ray_cluster: Cluster) -> dict[str, float]:
    """What Tune reserves for a trial: all of it, or a slot while its own workers hold the rest."""
    planned = ray_cluster.share
    if planned.workers > 1:
        return {GROUP_SLOT: 1.0} if ray_cluster.is_local else {"CPU": 0.01}
    gpus = {"GPU": planned.gpus} if planned.gpus else {}
    return {"CPU": float(planned.cpus), **gpus}
