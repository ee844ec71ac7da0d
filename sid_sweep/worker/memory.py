"""Memory of a trial: its peak, of the GPU's allocator or of this process, and what to do where it
runs out."""

import ctypes
import re
import resource
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass
class _Process:
    """What this process holds on the CPU when a trial begins; the trials are run in turn."""

    num_trials: int = 0
    warm_bytes: int = 0
    """With all libraries loaded, as at the beginning of the second."""
    left_bytes: int = 0
    """Of that, what earlier trials have left: caches, and what the allocator keeps."""


_PROCESS = _Process()


def reset_peak(device: torch.device | str) -> None:
    """Begin a new peak, where the system can."""
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # 5 resets VmHWM (proc(5))
        _note_beginning(_PROCESS, resident_bytes())


def _note_beginning(process: _Process, held_bytes: int) -> None:
    process.num_trials += 1
    if process.num_trials <= 2:
        process.warm_bytes = held_bytes
    process.left_bytes = max(0, held_bytes - process.warm_bytes)


def peak_bytes(device: torch.device | str) -> int:
    """Peak since the reset: allocated on the GPU, or resident on the CPU (the process, all told,
    but for what earlier trials have left in it)."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "linux":
        return _status_bytes("VmHWM") - _PROCESS.left_bytes
    factor = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * factor


def resident_bytes() -> int:
    """What this process holds of the machine's memory; on Linux."""
    return _status_bytes("VmRSS")


def _status_bytes(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) * 1024


class OutOfMemory(RuntimeError):
    """A device has less memory than the trial asks for."""


class OutOfGPUMemory(OutOfMemory):
    """A GPU, which others may use too: another time there may be enough."""


@contextmanager
def told_what_to_lower() -> Iterator[None]:
    """What torch says of memory that is not there, as one line with the knobs to lower.

    The tensors of the failed step are let go, since the process goes on with the next trial.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if (wanted := _refused_memory(error)) is None:
            raise
        traceback.clear_frames(error.__traceback__)
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        kind = OutOfGPUMemory if isinstance(error, torch.OutOfMemoryError) else OutOfMemory
        raise kind(
            f"{wanted}; lower batch.per_worker (latents that pass a network at a time), or "
            "batch.latents"
        ) from error


def _refused_memory(error: RuntimeError | MemoryError) -> str | None:
    """What was asked for where `error` is the allocator's; None where it is another's."""
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError):
        amount = re.search(r"Tried to allocate ([\d.]+ \w+)", text)
        return f"the GPU has no {amount[1] if amount else 'memory'} left"
    if "can't allocate memory" in text:
        amount = re.search(r"allocate (\d+) bytes", text)
        return f"this machine has no {int(amount[1]) / 2**30:.2f} GiB left" if amount else text
    return "this machine has no memory left" if isinstance(error, MemoryError) else None
