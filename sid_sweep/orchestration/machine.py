"""What a machine offers, or the nodes of a cluster, and how trials are laid out on them. Imports
neither torch nor ray."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from sid_sweep.spec import SpecError, Sweep

ROUNDING = 1e-9
NO_GPU = ("", "-1", "NoDevFiles")
"""In CUDA_VISIBLE_DEVICES: what comes from there on is not seen (CUDA's programming guide)."""


@dataclass(frozen=True)
class Capacity:
    """Cores and GPUs of a machine, or of a node of a cluster."""

    cpus: int
    gpus: float

    def __str__(self) -> str:
        return f"{self.cpus} CPUs and {self.gpus:g} GPUs"


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

    @property
    def bundle(self) -> dict[str, float]:
        """What one worker takes, as Ray calls it."""
        gpus = {"GPU": self.gpus_per_worker} if self.gpus_per_worker else {}
        return {"CPU": float(self.cpus_per_worker), **gpus}

    def fits(self, nodes: Sequence[Capacity]) -> int:
        """Trials that fit on nodes at a time; the workers of one may be on several."""
        return sum(self._workers_on(node) for node in nodes) // self.workers

    def _workers_on(self, node: Capacity) -> int:
        """A part of a GPU cannot be put together from two."""
        num, gpus = node.cpus // self.cpus_per_worker, self.gpus_per_worker
        if not gpus:
            return num
        if gpus < 1:
            return min(num, int(node.gpus) * int(1 / gpus + ROUNDING))
        return min(num, int(node.gpus / gpus + ROUNDING))

    @property
    def each(self) -> str:
        """What a trial takes, in words."""
        gpus = f" and {self.gpus_per_worker:g} GPU" if self.gpus_per_worker else ""
        workers = "1 worker" if self.workers == 1 else f"{self.workers} workers"
        return f"{workers} with {self.cpus_per_worker} CPU{gpus}"

    def __str__(self) -> str:
        return f"{self.concurrency} at a time, each {self.each}"


def this_machine() -> Capacity:
    """Cores that this process may use, and NVIDIA GPUs that it may see."""
    return Capacity(len(os.sched_getaffinity(0)), _gpus())


def _gpus() -> int:
    installed = Path("/proc/driver/nvidia/gpus")
    num = len(list(installed.iterdir())) if installed.is_dir() else 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return num
    named = [name.strip() for name in visible.split(",")]
    return min(num, len(list(takewhile(lambda name: name not in NO_GPU, named))))


def lay_out(sweep: Sweep, *nodes: Capacity) -> Layout:
    """As many trials at a time as fit on this machine, or on the nodes of a cluster, or as the
    sweep allows.

    Raises:
        SpecError: not even one trial fits.
    """
    wanted = sweep.resources
    gpus = wanted.gpus_per_worker
    if gpus == "auto":
        gpus = 1.0 if sum(int(node.gpus) for node in nodes) >= wanted.workers else 0.0
    layout = Layout(wanted.workers, wanted.cpus_per_worker, gpus, 1)
    fits = layout.fits(nodes)
    if not fits:
        raise SpecError(f"resources: {_misfit(layout, nodes)}")
    concurrency = min(fits, wanted.concurrency or fits, sweep.num_trials)
    return replace(layout, concurrency=max(1, concurrency))


def _misfit(layout: Layout, nodes: Sequence[Capacity]) -> str:
    """Why not even one trial fits, and what to change."""
    total = Capacity(sum(node.cpus for node in nodes), sum(node.gpus for node in nodes))
    if layout.cpus > total.cpus or layout.gpus > total.gpus + ROUNDING:
        return (
            f"a trial needs {layout.cpus} CPUs and {layout.gpus:g} GPUs, and there are "
            f"{total.cpus} and {total.gpus:g}; lower resources.workers, "
            "resources.cpus_per_worker or resources.gpus_per_worker"
        )
    if len(nodes) == 1:
        return (
            f"{layout.workers} workers with {layout.gpus_per_worker:g} GPU each do not fit on "
            f"{total.gpus:g} GPUs, of which each worker takes part of one; change "
            "resources.gpus_per_worker"
        )
    offered = ", ".join(f"{num} x {node}" for node, num in Counter(nodes).items())
    each = " each" if layout.workers > 1 else ""
    return (
        f"a trial of {layout.each}{each} does not fit on the nodes there are ({offered}); lower "
        "resources.workers, resources.cpus_per_worker or resources.gpus_per_worker"
    )
