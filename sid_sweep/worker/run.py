"""One trial in its folder: drives the training loop and writes what it yields."""

import collections
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from sid_sweep import quality
from sid_sweep.distill import SOLO, Progress, Ranks, distill
from sid_sweep.files import replacing, write_json
from sid_sweep.trials import Measurement, Result
from sid_sweep.trials.folder import end_with
from sid_sweep.trials.host import this_host

from .checkpoint import Checkpoints, restore
from .job import Job
from .memory import peak_bytes, reset_peak, told_what_to_lower
from .usage import Usage

Report = Callable[[dict[str, float]], None]


def run(
    job: Job, report: Report, *, device: torch.device | str = "cpu", ranks: Ranks = SOLO
) -> None:
    """Run a trial to its end, from its last checkpoint if it has one; or until its arm is given
    up.

    Rank 0 writes the folder and reports; the other ranks only compute.

    Args:
        report: called with images, seconds and, after an evaluation, the metrics.

    Raises:
        Damaged: its checkpoint is, or its measurements are, since the command has mended them.
    """
    if (end := job.folder.unwritten_end()) is not None:
        if ranks.rank == 0:
            job.folder.write_result(end)
        return
    torch.set_num_threads(job.threads)
    reset_peak(device)
    measured, state = restore(job.folder, job.trial, device=device) or ([], None)
    if ranks.rank == 0:
        job.folder.begin(job.trial, measured=measured)
        name = _device_name(torch.device(device))
        host = this_host(device=name, workers=ranks.size, threads=job.threads)
        job.folder.write_host(host)
    records = distill(job.trial, cache=job.cache, device=device, ranks=ranks, resume=state)
    del state  # as large as all that trains
    going = _until_given_up(records, job, device=device, ranks=ranks)
    with told_what_to_lower():
        if ranks.rank == 0:
            _write_down(going, job, report, device=device)
        else:
            collections.deque(going, maxlen=0)


def _until_given_up(
    records: Iterator[Progress], job: Job, *, device: torch.device | str, ranks: Ranks
) -> Iterator[Progress]:
    """What the loop yields, until rank 0 sees that the trial's arm was given up; the same on all
    ranks."""

    def is_given_up() -> bool:
        seen = ranks.rank == 0 and job.folder.pruning.exists()
        return bool(ranks.largest(torch.tensor(float(seen), device=device)))

    while not is_given_up() and (progress := next(records, None)) is not None:
        yield progress


def _write_down(
    records: Iterator[Progress], job: Job, report: Report, *, device: torch.device | str
) -> None:
    """Drive the loop to its end; write what it yields, and report what is lasting."""
    checkpoints = Checkpoints(job.folder, job.trial, seconds=job.checkpoint_seconds)

    def tell() -> None:
        for own in checkpoints.shown():
            report({"images": own.images, "seconds": own.seconds, **own.metrics})

    with checkpoints.open(), closing(Usage(device, threads=job.threads)) as usage:
        writer = _Writer(job, device, checkpoints, usage)
        tell()  # what was told last, since its arm may be given up for it
        for progress in records:
            writer.write(progress)
            tell()
            if progress.outcome == "diverged":
                report({"images": progress.images, "seconds": progress.seconds})


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


class _Writer:
    """Rank 0's pen: picture, measurement, checkpoint, student, result."""

    def __init__(
        self, job: Job, device: torch.device | str, checkpoints: Checkpoints, usage: Usage
    ) -> None:
        self._job, self._folder, self._device = job, job.folder, device
        self._checkpoints, self._usage = checkpoints, usage

    def write(self, progress: Progress) -> None:
        """Write all that there is to write. An evaluation is shown once a checkpoint holds it, or
        with the trial's end, which it says: whoever goes on makes none again that was seen."""
        if not self._folder.references.exists():
            write_json(self._folder.references, progress.references)
            self._draw_data()
        measurement = self._measurement(progress) if progress.samples is not None else None
        if progress.outcome == "running":
            self._checkpoints.save(progress, measurement)
        else:
            self._end(progress, measurement)

    def _measurement(self, progress: Progress) -> Measurement:
        """An evaluation, whose picture is drawn."""
        self._write_picture(progress)
        return Measurement(
            images=progress.images, seconds=progress.seconds,
            peak_memory_bytes=peak_bytes(self._device), metrics=measured(progress),
            system=self._usage.look(), timestamp_ms=int(time.time() * 1000),
            outcome=progress.outcome, cause=progress.cause,
        )  # fmt: skip

    def _end(self, progress: Progress, measurement: Measurement | None) -> None:
        """Student, last evaluation, result: after each, what is there is enough to go on."""
        self._checkpoints.wait()  # the result removes the last one
        if progress.outcome == "finished":
            progress.student.save(self._folder.student)
        if measurement is not None:
            self._checkpoints.show(measurement)
        end = measurement and end_with(measurement)
        self._folder.write_result(
            end or Result(
                outcome=progress.outcome, cause=progress.cause, images=progress.images,
                seconds=progress.seconds, peak_memory_bytes=peak_bytes(self._device),
            )
        )  # fmt: skip

    def _write_picture(self, progress: Progress) -> None:
        assert progress.samples is not None
        pixels = quality.picture(self._job.trial.data, progress.samples, labels=progress.labels)
        _save(pixels, self._folder.picture(progress.images))

    def _draw_data(self) -> None:
        path, trial = self._job.data_picture, self._job.trial
        if path is not None and not path.exists():
            _save(quality.picture_of_data(trial.data, cache=self._job.cache), path)


def _save(pixels: np.ndarray, path: Path) -> None:
    with replacing(path) as partial:
        Image.fromarray(pixels).save(partial, format="PNG")


def measured(progress: Progress) -> dict[str, float]:
    """The metrics of an evaluation, with the one that is no function of the trial."""
    if progress.samples_per_second is None:
        return progress.metrics
    return {**progress.metrics, "cost/samples_per_second": progress.samples_per_second}
