"""A connected Ray: the one at an address, or one of our own on this machine."""

import atexit
import logging
import os
import secrets
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sid_sweep.spec import SpecError, Sweep

from .guard import CORE, Guard, Lost
from .home import home
from .machine import Capacity, Layout, lay_out
from .processes import Process, children_of

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
    "RAY_gcs_rpc_server_reconnect_timeout_s": "180",  # Ray then ends us; the guard comes before
}
ADDRESS = "127.0.0.1"
LOOPBACK = {  # a Ray of our own is for this machine alone
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # else 127.0.0.1 is changed into another address
    "RAY_AUTH_MODE": "token",
    "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
    "NCCL_SOCKET_IFNAME": "lo",
}
OTHERS = ("RAY_ADDRESS", "RAY_REDIS_ADDRESS", "RAY_AUTH_TOKEN")  # of a cluster of somebody else's
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
def local(layout: Layout, *, guard: Guard, logs: Path) -> Iterator[Cluster]:
    """Start a Ray on this machine, for this command alone, and stop it at the end.

    Args:
        logs: where its logs are kept.

    Raises:
        Lost: it could not be started.
    """
    with home() as path:
        own = path / "ray"  # which Ray opens to everybody; nobody else gets below its parent
        os.environ.update(LOOPBACK | {"RAY_AUTH_TOKEN_PATH": str(_token(path))})
        for name in OTHERS:
            os.environ.pop(name, None)
        options = {
            "address": "local",
            "num_cpus": layout.concurrency * layout.cpus,
            "resources": {GROUP_SLOT: NUM_SLOTS},
            "include_dashboard": False,
            "_temp_dir": str(own),
            "_node_ip_address": ADDRESS,
        }
        try:
            with _connected(guard, **options):
                import ray

                assert ray.util.get_node_ip_address() == ADDRESS, "ray was loaded before"
                yield Cluster(layout, path / "scratch", is_local=True)
        finally:
            keep_logs(own, logs)


def _token(folder: Path) -> Path:
    """A new secret, in a file that Ray's processes read."""
    path = folder / "token"
    path.touch(0o600)
    path.write_text(secrets.token_hex(32))
    return path


def keep_logs(own: Path, logs: Path) -> None:
    """Copy what Ray has logged, beside what an earlier Ray of the same command has."""
    if (written := own / "session_latest" / "logs").is_dir():
        with suppress(OSError):  # on a full disk there are worse things to say
            shutil.copytree(written, logs, ignore_dangling_symlinks=True, dirs_exist_ok=True)


@contextmanager
def remote(sweep: Sweep, address: str, *, guard: Guard, scratch: Path) -> Iterator[Cluster]:
    """Connect to the Ray at `address`.

    Raises:
        SpecError: there is none, or not even one trial fits on it.
    """
    try:
        with _connected(guard, address=address):
            import ray

            total = ray.cluster_resources()
            capacity = Capacity(int(total.get("CPU", 0)), total.get("GPU", 0.0))
            yield Cluster(lay_out(sweep, capacity), scratch, is_local=False)
    except NotStarted as error:
        raise SpecError(
            f"--address {address}: {error}; is Ray running there, with this token "
            "(RAY_AUTH_MODE=token, RAY_AUTH_TOKEN_PATH)?"
        ) from None


class NotStarted(Lost):
    """Ray could not be started or reached."""


@contextmanager
def _connected(guard: Guard, **options: object) -> Iterator[None]:
    """Ray, quietly."""
    os.environ.update({k: v for k, v in ENVIRONMENT.items() if k not in os.environ})
    warnings.filterwarnings("ignore", module=r"ray\b")
    import ray

    guard.starting(_core)
    try:
        ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **options)  # pyright: ignore
    except Exception as error:
        raise NotStarted(f"it cannot be started: {str(error).strip().splitlines()[0]}") from error
    finally:
        guard.signals.install()  # ray.init takes SIGTERM for itself
    # Ray prints the death of a worker on stdout, and has no public switch for it.
    ray._private.worker._worker_logs_enabled = False  # pyright: ignore
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    guard.connected(_core(), _has_node)
    try:
        yield
    finally:
        if guard.loss:  # who says goodbye to what is gone waits for ever
            atexit.unregister(ray.shutdown)
        else:
            ray.shutdown()


def _core() -> list[Process]:
    """Raylet and GCS where they are our own, the raylet first."""
    found = [process for process in children_of(os.getpid()) if process.name in CORE]
    return sorted(found, key=lambda process: CORE.index(process.name))


def _has_node() -> bool:
    import ray

    return any(node["Alive"] for node in ray.nodes())
