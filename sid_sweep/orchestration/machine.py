"""What this machine offers, and how trials are laid out on it. Imports neither torch nor ray."""

import os
from dataclasses import dataclass
from pathlib import Path

from sid_sweep.spec import SpecError, Sweep

ROUNDING = 1e-9


@dataclass(frozen=True)
class Capacity:
    """Cores and GPUs."""

    cpus: int
    gpus: float


@dataclass(frozen=True)
class Layout:
    """What one trial takes, and how many run at a time."""

    workers: int
    cpus_per_worker: int
    gpus_per_worker: float
    concurrency: int

    @property
    def cpus(self) -> int:
        """Cores of a trial."""
        return self.workers * self.cpus_per_worker

    @property
    def gpus(self) -> float:
        """GPUs of a trial."""
        return self.workers * self.gpus_per_worker

    @property
    def device(self) -> str:
        """Where networks live, as torch says it."""
        return "cuda" if self.gpus_per_worker else "cpu"

    def __str__(self) -> str:
        gpus = f" and {self.gpus_per_worker:g} GPU" if self.gpus_per_worker else ""
        each = f"{self.cpus_per_worker} CPU{gpus}"
        workers = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        return f"{self.concurrency} at a time, each {workers} with {each}"


def this_machine() -> Capacity:
    """Cores that this process may use, and NVIDIA GPUs that it may see."""
    return Capacity(len(os.sched_getaffinity(0)), _gpus())


def _gpus() -> int:
    installed = Path("/proc/driver/nvidia/gpus")
    num = len(list(installed.iterdir())) if installed.is_dir() else 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return num if visible is None else min(num, len([v for v in visible.split(",") if v.strip()]))


def lay_out(sweep: Sweep, capacity: Capacity) -> Layout:
    """As many trials at a time as fit, or as the sweep allows.

    Raises:
        SpecError: not even one trial fits.
    """
    wanted = sweep.resources
    gpus = wanted.gpus_per_worker
    if gpus == "auto":
        gpus = 1.0 if capacity.gpus >= wanted.workers else 0.0
    need_cpus, need_gpus = wanted.workers * wanted.cpus_per_worker, wanted.workers * gpus
    if need_cpus > capacity.cpus or need_gpus > capacity.gpus + ROUNDING:
        raise SpecError(
            f"resources: a trial needs {need_cpus} CPUs and {need_gpus:g} GPUs, and there are "
            f"{capacity.cpus} and {capacity.gpus:g}; lower resources.workers, "
            "resources.cpus_per_worker or resources.gpus_per_worker"
        )
    fits = capacity.cpus // need_cpus
    if gpus:
        fits = min(fits, _workers_on(capacity.gpus, gpus) // wanted.workers)
    if not fits:
        raise SpecError(
            f"resources: {wanted.workers} workers with {gpus:g} GPU each do not fit on "
            f"{capacity.gpus:g} GPUs, of which each worker takes part of one; change "
            "resources.gpus_per_worker"
        )
    concurrency = min(fits, wanted.concurrency or fits, sweep.num_trials)
    return Layout(wanted.workers, wanted.cpus_per_worker, gpus, max(1, concurrency))


def _workers_on(num: float, gpus: float) -> int:
    """Workers that fit on `num` GPUs; a part of a GPU cannot be put together from two."""
    if gpus < 1:
        return int(num) * int(1 / gpus + ROUNDING)
    return int(num / gpus + ROUNDING)
