"""A connected Ray: one of our own on this machine, or the one at an address."""

import atexit
import importlib
import logging
import os
import secrets
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sid_sweep.spec import SpecError, Sweep

from .environment import prepare
from .guard import CORE, Guard, Lost
from .home import home
from .machine import Layout, lay_out
from .nodes import Nodes, Unfit
from .processes import Process, children_of
from .reach import Answer, reach

ADDRESS = "127.0.0.1"
LOOPBACK = {  # a Ray of our own is for this machine alone
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # else 127.0.0.1 is changed into another address
    "RAY_AUTH_MODE": "token",
    "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
    "NCCL_SOCKET_IFNAME": "lo",
}
OTHERS = (  # of a cluster of somebody else's, or of a job in it
    "RAY_ADDRESS",
    "RAY_REDIS_ADDRESS",
    "RAY_AUTH_TOKEN",
    "RAY_JOB_CONFIG_JSON_ENV_VAR",
)
OWNER = "sid_sweep"  # in what a command notes of itself: the folder of its sweep
EARLIER_SECONDS = 120.0  # for the workers of a command that was killed to end


@dataclass(frozen=True)
class Cluster:
    """A connected Ray, and what our trials may take of it."""

    layout: Layout
    scratch: Path
    """Where Tune and Train write what nobody reads."""
    nodes: Nodes | None = None
    """Of somebody else's cluster; None: the Ray is our own, on this machine."""
    most: int | None = None
    """Trials at a time that the sweep allows; None: as many as fit."""

    @property
    def is_local(self) -> bool:
        """Whether it is a Ray of our own."""
        return self.nodes is None

    def room(self) -> int:
        """Trials at a time, as nodes come and go. One is always handed out: it waits for room."""
        if self.nodes is None:
            return self.layout.concurrency
        fits = self.layout.fits(self.nodes.capacities())
        return max(1, min(fits, self.most or fits))

    def waits(self) -> str:
        """What trials wait for, in words; "" where none does."""
        return self.nodes.waits() if self.nodes else ""

    def lost_node(self) -> bool:
        """Whether what has just died may have died with its node."""
        return self.nodes is not None and self.nodes.lost_one()

    def __str__(self) -> str:
        num = len(self.nodes.capacities()) if self.nodes else 1
        return f"{num} node{'' if num == 1 else 's'}, {self.layout}"


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
            "include_dashboard": False,
            "_temp_dir": str(own),
            "_node_ip_address": ADDRESS,
        }
        try:
            with _connected(guard, _has_node, **options):
                import ray

                assert ray.util.get_node_ip_address() == ADDRESS, "ray was loaded before"
                yield Cluster(layout, path / "scratch")
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
def remote(
    sweep: Sweep,
    address: str,
    *,
    guard: Guard,
    scratch: Path,
    say: Callable[[str], None],
) -> Iterator[Cluster]:
    """Connect to the Ray at `address`.

    Args:
        say: tells the user a line.

    Raises:
        SpecError: there is none, or not even one trial fits on it, or a node of it cannot be used.
    """
    owner = str(scratch.parent.resolve())
    answer = _free_of(owner, address, guard)
    nodes = Nodes(scratch.resolve() / "nodes", say=say)
    try:
        from ray.job_config import JobConfig

        job = JobConfig(metadata={OWNER: owner})
        options = {"address": answer.address, "job_config": job}
        with nodes.written(), _connected(guard, nodes.look, **options):
            nodes.settle(guard.signals.check)
            layout = lay_out(sweep, *nodes.capacities())
            nodes.use(layout)
            yield Cluster(layout, scratch, nodes, sweep.resources.concurrency)
    except (NotStarted, Unfit) as error:
        raise SpecError(f"--address {address}: {error}") from None


def _free_of(owner: str, address: str, guard: Guard) -> Answer:
    """The Ray at `address`, once the workers are gone of a command that was killed: two would write
    into one trial."""
    deadline = time.monotonic() + EARLIER_SECONDS
    while True:
        guard.signals.check()
        answer = reach(address)
        if not any(noted.get(OWNER) == owner for noted in answer.jobs.values()):
            return answer
        if time.monotonic() > deadline:
            raise SpecError(
                f"--address {address}: workers of an earlier command still run this sweep there; "
                "end its job (`ray list jobs`), or use --name"
            )
        time.sleep(1)


class NotStarted(Lost):
    """Ray could not be started or reached."""


@contextmanager
def _connected(guard: Guard, ask: Callable[[], bool], **options: object) -> Iterator[None]:
    """Ray, quietly.

    Args:
        ask: whether it has a node that is alive.
    """
    prepare()
    warnings.filterwarnings("ignore", module=r"ray\b")
    import ray

    guard.starting(_core)
    threading.Thread(target=_load_tune, name="loads Tune", daemon=True).start()
    try:
        ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **options)  # pyright: ignore
    except Exception as error:
        first, *_ = str(error).strip().splitlines() or [type(error).__name__]
        verb = "started" if options["address"] == "local" else "joined"
        raise NotStarted(f"it cannot be {verb}: {first}") from error
    finally:
        guard.signals.install()  # ray.init takes SIGTERM for itself
    # Ray prints the death of a worker on stdout, and has no public switch for it.
    ray._private.worker._worker_logs_enabled = False  # pyright: ignore
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    guard.connected(_core(), ask)
    try:
        yield
    finally:
        if guard.loss:  # who says goodbye to what is gone waits for ever
            atexit.unregister(ray.shutdown)
        else:
            ray.shutdown()


def _load_tune() -> None:
    """What the main thread needs next, while it waits for Ray's processes to start."""
    with suppress(ImportError):  # which is told where it is needed
        importlib.import_module("ray.tune")


def _core() -> list[Process]:
    """Raylet and GCS where they are our own, the raylet first."""
    found = [process for process in children_of(os.getpid()) if process.name in CORE]
    return sorted(found, key=lambda process: CORE.index(process.name))


def _has_node() -> bool:
    import ray

    return any(node["Alive"] for node in ray.nodes())
