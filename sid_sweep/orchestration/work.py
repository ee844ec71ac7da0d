"""One trial in its folder: drives the training loop, writes what it yields. Knows nothing of
Ray."""

import ctypes
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from sid_sweep import quality, teachers
from sid_sweep.distill import SOLO, Progress, Ranks, distill
from sid_sweep.spec import Trial, plain
from sid_sweep.student import export
from sid_sweep.teachers import Teacher

from .folder import Record, Result, TrialFolder, replacing, write_json
from .job import Work

Report = Callable[[dict[str, float]], None]


def work(
    work: Work, report: Report, *, device: torch.device | str = "cpu", ranks: Ranks = SOLO
) -> None:
    """Run a trial to its end, from its last checkpoint if it has one.

    Rank 0 writes the folder and reports; the other ranks only compute.

    Args:
        report: called with images, seconds and, after an evaluation, the metrics.
    """
    torch.set_num_threads(work.threads)
    reset_peak_memory(device)
    folder = TrialFolder(work.folder)
    lead = ranks.rank == 0
    resume = None
    if folder.checkpoint.exists():
        resume = torch.load(folder.checkpoint, map_location=device, weights_only=True)
    if lead:
        write_json(folder.specification, plain(work.trial))
        folder.rewind(resume["images"] if resume else -1)
    teacher = teachers.load(work.trial, cache=work.cache, device=device)
    judge = quality.judge(work.trial, teacher, cache=work.cache)
    if lead:
        write_json(folder.references, judge.references)
    saved = time.monotonic()
    for progress in distill(
        work.trial, cache=work.cache, device=device, ranks=ranks, resume=resume and resume["state"]
    ):
        if not lead:
            continue
        peak, metrics = peak_memory_bytes(device), measured(progress)
        if progress.samples is not None:
            save_picture(judge.picture(progress.samples), folder.picture(progress.images))
            now = int(time.time() * 1000)
            folder.append(Record(progress.images, progress.seconds, peak, metrics, now))
        if progress.outcome == "finished":
            save_student(folder, work.trial, teacher, progress)
        if progress.outcome != "running":
            end = (progress.outcome, progress.cause, progress.images, progress.seconds)
            folder.write_result(Result(*end, peak, metrics))
            folder.checkpoint.unlink(missing_ok=True)
        elif time.monotonic() - saved >= work.checkpoint_seconds:
            save_checkpoint(folder, progress)
            saved = time.monotonic()
        if metrics or progress.outcome != "running":
            report({"images": progress.images, "seconds": progress.seconds, **metrics})


def measured(progress: Progress) -> dict[str, float]:
    """The metrics of an evaluation, with the one that is no function of the trial."""
    if progress.samples_per_second is None:
        return progress.metrics
    return {**progress.metrics, "cost/samples_per_second": progress.samples_per_second}


def save_checkpoint(folder: TrialFolder, progress: Progress) -> None:
    """Where the trial stands: tensors and numbers only."""
    with replacing(folder.checkpoint) as partial:
        torch.save({"images": progress.images, "state": progress.state()}, partial)


def save_student(folder: TrialFolder, trial: Trial, teacher: Teacher, progress: Progress) -> None:
    """Export the student, as a file that needs no other."""
    data = {"shape": teacher.shape, "sigma_data": teacher.sigma_data}
    with replacing(folder.generator) as partial:
        export(partial, trial, progress.student(), **data)


def save_picture(pixels: UInt8[np.ndarray, "H W 3"], path: Path) -> None:
    """Write [H, W, 3] bytes as PNG."""
    with replacing(path) as partial:
        Image.fromarray(pixels).save(partial, format="PNG")


def reset_peak_memory(device: torch.device | str) -> None:
    """Begin a new peak: of the GPU's allocator, or of this process where the system can."""
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # 5 resets VmHWM (proc(5))


def peak_memory_bytes(device: torch.device | str) -> int:
    """Peak since the reset: allocated on the GPU, or resident on the CPU (the process, all
    told)."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    factor = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * factor
