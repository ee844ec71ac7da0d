"""How busy a trial keeps what it was given, by the names under which MLflow shows a system's.

Of rank 0 alone: its process and its GPU. It says whether several trials could share a GPU
(`resources.gpus_per_worker: 0.5`); being the clock's, it is in no table.
"""

import sys
import threading
import time
from contextlib import suppress
from statistics import fmean

import torch

from .memory import resident_bytes

SAMPLE_SECONDS = 1.0
MEGABYTE = 1e6


class Usage:
    """Means between one look and the next, until it is closed."""

    def __init__(self, device: torch.device | str, *, threads: int) -> None:
        """
        Args:
            threads: that compute at a time.
        """
        self._device, self._threads = torch.device(device), threads
        self._since = (time.monotonic(), time.process_time())
        self._gpu: list[int] = []
        """Percent, once a second since the last look."""
        self._over = threading.Event()
        if self._device.type == "cuda":
            threading.Thread(target=self._sample, name="usage", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._over.set()

    def look(self) -> dict[str, float]:
        """What was used since the last look; memory as it is now.

        Returns:
            percents of all threads' time and of the GPU's, and megabytes. A figure that this system
            does not tell is not there.
        """
        (then, used), self._since = self._since, (time.monotonic(), time.process_time())
        whole = (self._since[0] - then) * self._threads
        found = {"cpu_utilization_percentage": 100 * (self._since[1] - used) / max(whole, 1e-9)}
        if sys.platform == "linux":
            found["process_memory_usage_megabytes"] = resident_bytes() / MEGABYTE
        if self._device.type == "cuda":
            held = torch.cuda.memory_reserved(self._device)
            found["gpu_memory_usage_megabytes"] = held / MEGABYTE
        samples, self._gpu = self._gpu, []
        if samples:
            found["gpu_utilization_percentage"] = fmean(samples)
        return found

    def _sample(self) -> None:
        """The thread. A GPU that is a part of another has no utilisation of its own to tell."""
        with suppress(Exception):
            while not self._over.wait(SAMPLE_SECONDS):
                self._gpu.append(torch.cuda.utilization(self._device))
