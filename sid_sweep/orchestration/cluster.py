"""A connected Ray: the one at an address, or one of our own on this machine."""

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sid_sweep.spec import Sweep

from .machine import Capacity, Layout, lay_out
from .signals import Signals

# Ray reads these when it is imported. A user who debugs can set them otherwise.
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # the old output has a level at which it is silent
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # measurements are ours
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


@dataclass(frozen=True)
class Cluster:
    """A connected Ray, and what our trials may take of it."""

    layout: Layout
    scratch: Path
    """Where Tune and Train write what nobody reads."""
    is_local: bool

    @property
    def reservation(self) -> dict[str, float]:
        """What Tune reserves for a trial: all of it, or a slot while its own workers hold the
        rest."""
        if self.layout.workers > 1:
            return {GROUP_SLOT: 1.0} if self.is_local else {"CPU": 0.01}
        gpus = {"GPU": self.layout.gpus} if self.layout.gpus else {}
        return {"CPU": float(self.layout.cpus), **gpus}


@contextmanager
def local(layout: Layout, *, signals: Signals, logs: Path) -> Iterator[Cluster]:
    """Start a Ray on this machine, and stop it at the end.

    Args:
        logs: where its logs are kept.
    """
    # Ray's sockets lie below this folder, and the path of a socket has at most 107 bytes.
    home = Path(tempfile.mkdtemp(prefix="sid-ray-", dir="/tmp"))
    own = {"resources": {GROUP_SLOT: NUM_SLOTS}, "include_dashboard": False, "_temp_dir": str(home)}
    try:
        with _connected(signals, num_cpus=layout.concurrency * layout.cpus, **own):
            yield Cluster(layout, home / "scratch", is_local=True)
    finally:
        if (written := home / "session_latest" / "logs").is_dir():
            shutil.rmtree(logs, ignore_errors=True)
            with suppress(OSError):  # on a full disk there are worse things to say
                shutil.copytree(written, logs, ignore_dangling_symlinks=True)
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def remote(sweep: Sweep, address: str, *, signals: Signals, scratch: Path) -> Iterator[Cluster]:
    """Connect to the Ray at `address`.

    Raises:
        SpecError: not even one trial fits on it.
    """
    with _connected(signals, address=address):
        import ray

        total = ray.cluster_resources()
        capacity = Capacity(int(total.get("CPU", 0)), total.get("GPU", 0.0))
        yield Cluster(lay_out(sweep, capacity), scratch, is_local=False)


@contextmanager
def _connected(signals: Signals, **options: object) -> Iterator[None]:
    """Ray, quietly."""
    os.environ.update({k: v for k, v in ENVIRONMENT.items() if k not in os.environ})
    warnings.filterwarnings("ignore", module=r"ray\b")
    import ray

    try:
        ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **options)  # pyright: ignore
        signals.install()  # ray.init takes SIGTERM for itself
        # Ray prints the death of a worker on stdout, and has no public switch for it.
        ray._private.worker._worker_logs_enabled = False  # pyright: ignore
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        yield
    finally:
        ray.shutdown()
