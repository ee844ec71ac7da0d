"""Peak memory of a trial: of the GPU's allocator, or of this process."""

import ctypes
import resource
import sys
from pathlib import Path

import torch


def reset_peak(device: torch.device | str) -> None:
    """Begin a new peak, where the system can."""
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # 5 resets VmHWM (proc(5))


def peak_bytes(device: torch.device | str) -> int:
    """Peak since the reset: allocated on the GPU, or resident on the CPU (the process, all
    told)."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    factor = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * factor
