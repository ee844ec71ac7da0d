"""The command: `python -m analysis.verify RUN` runs a trial again, in a fresh process, and says
whether its metrics agree bit for bit with those that were recorded."""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from analysis import sources
from sid_sweep.files import Damaged
from sid_sweep.places import STORAGE
from sid_sweep.spec import SETTLED, Trial, digest
from sid_sweep.spec.messages import finding
from sid_sweep.spec.names import sweep_name, trial_name
from sid_sweep.trials import Measurement, Result, SweepFolder, TrialFolder, sweeps_in
from sid_sweep.trials.folder import disagreement
from sid_sweep.trials.host import Host

EXIT_AGREES, EXIT_DIFFERS, EXIT_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130
BY_THE_CLOCK = ("cost/samples_per_second",)
"""Metrics that are no function of the trial."""
POLL_SECONDS = 0.1
MIN_PREFIX = 4  # hexadecimal digits that may stand for a trial

DESCRIPTION = """\
Run a trial again from its recorded specification, in a fresh process and a temporary folder, and
say whether its metrics agree bit for bit with the recorded ones at every evaluation. RUN is an
MLflow run id, a trial's folder, a trial's digest or the beginning of one, or SWEEP:ARM/SEED with
the numbers of arm and seed."""

EPILOG = """\
examples:
  python -m analysis.verify lambda:3/0                        arm 3 at seed 0 of the sweep lambda
  python -m analysis.verify 4f1a9c                            a trial, by its digest
  python -m analysis.verify 3f2a... --tracking-uri http://server:5000
  python -m analysis.verify lambda-digits:0/0 --from-scratch  its teacher is trained again, too

Bitwise agreement is promised on the same kind of processor, with the same versions and one worker;
where the trial's folder says that it ran on another, that is said first.

exit status: 0 all agrees; 1 something differs; 2 the input is wrong; 130 interrupted.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis.verify",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUN", help="run id, trial folder, digest or SWEEP:ARM/SEED")
    parser.add_argument("--sweep", metavar="NAME", help="the sweep of a digest")
    parser.add_argument(
        "--from-scratch",
        action="store_true",
        help="train its teacher and its judge again, instead of taking those of the sweep",
    )
    parser.add_argument(
        "--storage",
        type=Path,
        default=STORAGE,
        metavar="DIR",
        help="where sweeps lie (default: ./sweeps)",
    )
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="read from this MLflow server or database instead (for a run id: MLflow's default)",
    )
    parser.add_argument(
        "--device", help="cpu, cuda, ... (default: as the trial ran; cpu where that is not known)"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = parser().parse_args(arguments)
    try:
        folder = find(options)
        record = read(folder)
    except (ValueError, OSError, LookupError) as error:
        print(f"error: {error.args[-1]}", file=sys.stderr)
        return EXIT_INPUT
    cache = None if options.from_scratch else cache_of(folder, options.storage)
    try:
        trouble = verify(record, cache=cache, device=options.device)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    for line in trouble:
        print(f"  {line}")
    return EXIT_DIFFERS if trouble else EXIT_AGREES


def verify(record: "Record", *, cache: Path | None, device: str | None) -> list[str]:
    """Run it again, and say how that goes; returns what differs, nothing if all agrees.

    Args:
        cache: folder of trained teachers and judges; None: they are trained again.
        device: None: as the trial ran.
    """
    with tempfile.TemporaryDirectory(prefix="sid-verify-") as place:
        own = TrialFolder(Path(place) / "trial")
        kept = cache or Path(place) / "cache"
        host = record.host
        where = device or ("cpu" if host is None or host.device == "cpu" else "cuda")
        threads = 1 if host is None else host.threads
        print(f"  {record}", flush=True)
        compared, noted = 0, False
        with rerun(record.trial, own, cache=kept, device=where, threads=threads) as progress:
            for found in progress:
                if not noted and (now := own.host()) is not None:
                    noted = True
                    for line in record.cautions(now):
                        print(f"  caution: {line}", flush=True)
                for index in range(compared, min(len(found), len(record.measurements))):
                    if difference := first_difference(
                        index, record.measurements[index], found[index]
                    ):
                        return [difference]
                    num = len(comparable(found[index]))
                    print(f"  {found[index].images:>14,} images: {num} metrics agree", flush=True)
                compared = len(found)
        if progress.broke:
            return [f"differs: the trial broke here, on {where}: {progress.broke}; see --device"]
        if (end := own.result()) is None:
            return ["differs: the trial has no end"]
        if trouble := different_end(record, end, len(own.measurements())):
            return [trouble]
    print(f"  agrees bit for bit: {compared} evaluations, {record.end.outcome}")
    return []


# ---- what was recorded


@dataclass(frozen=True)
class Record:
    """A trial, what was measured of it, and how it ended."""

    name: str
    """The digest under which it lies."""
    trial: Trial
    measurements: list[Measurement]
    end: Result
    host: Host | None

    def __str__(self) -> str:
        num, images = len(self.measurements), self.end.images
        return f"{self.name}: {self.end.outcome} at {images:,} images, {num} evaluations recorded"

    def cautions(self, now: Host) -> list[str]:
        """Why agreement is not promised, if it is not."""
        found = []
        if self.host is None:
            found.append("nobody noted what it ran on; on another processor it may differ")
        elif differences := self.host.differences(now):
            found.append(
                "agreement is not promised: it ran with "
                + "; ".join(differences).replace(", there ", ", and now with ")
            )
        if digest(self.trial) != self.name:
            found.append(
                f"read by this version, its specification has the digest {digest(self.trial)}: "
                "defaults or rules have changed since"
            )
        return found


def read(folder: TrialFolder) -> Record:
    """What a trial's folder says.

    Raises:
        ValueError: it holds no trial, another version's, or one that has not ended; Damaged: its
            result is not that of its evaluations.
    """
    if not folder.specification.exists():
        raise ValueError(f"{folder.path}: is no trial's folder: no {folder.specification.name}")
    values = folder.values()
    try:
        trial = Trial.model_validate(values)
    except ValidationError as error:
        _, sentence, _ = finding(error, values)
        raise ValueError(
            f"{folder.specification}: {sentence}; use the version of sid_sweep that wrote it"
        ) from None
    standing = folder.standing()
    if standing.outcome == "pruned" or standing.outcome not in SETTLED:
        raise ValueError(
            f"{folder.path}: the trial is {standing.outcome}; only one that came to an end of its "
            "own can be verified"
        )
    measured = folder.measurements()
    if what := disagreement(standing, measured):
        raise Damaged(folder.log, what)
    return Record(folder.path.name, trial, measured, standing, folder.host())


# ---- which trial


def find(options: argparse.Namespace) -> TrialFolder:
    """The trial that the command line names, on this disk or fetched from MLflow.

    Raises:
        LookupError, ValueError: there is none, or more than one.
    """
    run, uri = options.run, options.tracking_uri
    if (path := Path(run)).is_dir():
        return TrialFolder(path.resolve())
    if re.fullmatch(r"[0-9a-f]{32}", run):
        return _fetched(run, uri)
    if place := re.fullmatch(r"([^:]+):(\d+)/(\d+)", run):
        return _by_place(place[1], int(place[2]), int(place[3]), options)
    if re.fullmatch(rf"[0-9a-f]{{{MIN_PREFIX},12}}", run):
        return _by_digest(run, options)
    raise ValueError(
        f"{run!r} names no trial: give an MLflow run id, a trial's folder, at least {MIN_PREFIX} "
        "digits of its digest, or SWEEP:ARM/SEED such as lambda:3/0"
    )


def _fetched(run_id: str, uri: str | None) -> TrialFolder:
    from sid_sweep.tracking import fetch_trial

    return fetch_trial(run_id, tracking_uri=uri)


def _by_place(sweep: str, arm: int, seed: int, options: argparse.Namespace) -> TrialFolder:
    found = sources.find(sweep, storage=options.storage, tracking_uri=options.tracking_uri)
    trials = found.frame[found.frame["final"]]
    own = trials[(trials["arm"] == arm) & (trials["seed"] == seed)]
    if own.empty:
        arms = f"arms 0 to {trials['arm'].max()}"
        seeds = ", ".join(str(seed) for seed in sorted(set(trials["seed"])))
        raise LookupError(
            f"{sweep}:{arm}/{seed}: there is no such trial; the sweep has {arms}, seeds {seeds}"
        )
    if options.tracking_uri is not None:
        return _fetched(own["run_id"].iloc[0], options.tracking_uri)
    return SweepFolder(options.storage / sweep).trial_of(trial_name(own["trial"].iloc[0]))


def _by_digest(prefix: str, options: argparse.Namespace) -> TrialFolder:
    if options.tracking_uri is not None:
        return _tracked_digest(prefix, options)
    names = [sweep_name(options.sweep)] if options.sweep else sweeps_in(options.storage)
    found = [
        own for name in names for own in SweepFolder(options.storage / name).trials_like(prefix)
    ]
    place = f"{options.storage}/{options.sweep}" if options.sweep else f"{options.storage}"
    if not found:
        raise LookupError(f"there is no trial {prefix} in {place}; see --storage, --tracking-uri")
    if len(found) > 1:
        paths = ", ".join(str(own.path) for own in found)
        raise LookupError(f"{prefix} is the beginning of several trials: {paths}; name one of them")
    return found[0].resolved()


def _tracked_digest(prefix: str, options: argparse.Namespace) -> TrialFolder:
    if not options.sweep:
        raise ValueError(f"name the sweep of {prefix} with --sweep, or give its MLflow run id")
    found = sources.find(options.sweep, tracking_uri=options.tracking_uri).frame
    runs = sorted(set(found["run_id"][found["trial"].str.startswith(prefix)]))
    if len(runs) != 1:
        raise LookupError(f"{len(runs)} runs of {options.sweep} are of a trial {prefix}; name one")
    return _fetched(runs[0], options.tracking_uri)


def cache_of(folder: TrialFolder, storage: Path) -> Path:
    """The teachers and judges of the sweep that a trial's folder lies in, else those of the
    storage."""
    own = SweepFolder(folder.path.parent.parent)
    return (own.cache if own.exists() else storage / "cache").resolve()


# ---- what is measured now


class Rerun:
    """A trial in a process of its own; iterate over what it has measured so far."""

    def __init__(self, folder: TrialFolder, child: "subprocess.Popen[bytes]", log: Path) -> None:
        self._folder, self._child, self._log = folder, child, log
        self.broke = ""
        """After the end: why it failed, or ""."""

    def __iter__(self) -> Iterator[list[Measurement]]:
        running = True
        while running:
            running = self._child.poll() is None
            yield self._folder.measurements()
            if running:
                time.sleep(POLL_SECONDS)
        if self._child.returncode:
            lines = self._log.read_text("utf-8", errors="replace").strip().splitlines()
            self.broke = lines[-1] if lines else f"exit status {self._child.returncode}"


@contextmanager
def rerun(
    trial: Trial, folder: TrialFolder, *, cache: Path, device: str, threads: int
) -> Iterator[Rerun]:
    """Run a trial in `folder`, in a fresh interpreter, which ends with the block."""
    folder.begin(trial)
    log = folder.path.with_suffix(".log")
    command = [sys.executable, "-m", "sid_sweep.worker", str(folder.path), "--cache", str(cache)]
    command += ["--device", device, "--threads", str(threads)]
    with log.open("wb") as file:
        child = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        yield Rerun(folder, child, log)
    finally:
        child.kill()
        child.wait()


# ---- the comparison


class Pair(NamedTuple):
    """A number, as it was recorded and as it came out now."""

    recorded: float
    now: float

    def __str__(self) -> str:
        own, now = (f"{float(x)!r} ({float(x).hex()})" for x in self)
        return f"recorded {own}, now {now}"


def comparable(measurement: Measurement) -> dict[str, float]:
    """The metrics that are a function of the trial."""
    return {k: v for k, v in measurement.metrics.items() if k not in BY_THE_CLOCK}


def first_difference(index: int, recorded: Measurement, now: Measurement) -> str:
    """The first metric of an evaluation whose bits differ; "" if none does."""
    place = f"differs at evaluation {index} ({recorded.images:,} images)"
    if recorded.images != now.images:
        return f"{place}: it is at {now.images:,} images now"
    own, again = comparable(recorded), comparable(now)
    for name in sorted(own.keys() ^ again.keys()):
        return f"{place}: {name} was measured {'then' if name in own else 'now'} alone"
    for name, value in own.items():
        if float(value).hex() != float(again[name]).hex():
            return f"{place}: {name} {Pair(value, again[name])}"
    return ""


def different_end(record: Record, end: Result, num_evaluations: int) -> str:
    """How a trial's end differs from the recorded one; "" if it does not."""
    pairs = {
        "outcome": (record.end.outcome, end.outcome),
        "cause": (record.end.cause, end.cause),
        "images": (record.end.images, end.images),
        "evaluations": (len(record.measurements), num_evaluations),
    }
    for name, (recorded, now) in pairs.items():
        if recorded != now:
            return f"differs at its end: {name} recorded {recorded!r}, now {now!r}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
