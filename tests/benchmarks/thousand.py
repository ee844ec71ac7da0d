"""Seconds to read, compare and mirror a large sweep, from its folder, MLflow and Parquet.

    python tests/benchmarks/thousand.py [--trials 1000] [--evaluations 50] [--mirror]

The sweep's folder is written by hand, so nothing is trained. `--mirror` also sends it to an MLflow
database of its own, which takes minutes, and reads it back.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from analysis import sources
from analysis.comparison import make_comparison
from analysis.frame import write_parquet
from sid_sweep.files import write_json
from sid_sweep.spec import Sweep, plain
from sid_sweep.tracking import read_sweep, track
from sid_sweep.trials import Measurement, Result, SweepFolder, agreement

NUM_SEEDS = 4
NUM_METRICS = 37
PATIENCE_SECONDS = 600.0  # of a machine that does other things too


def large(num_trials: int) -> Sweep:
    """A sweep over the learning rate, each arm at some seeds."""
    rates = [1e-4 * (1 + arm) for arm in range(num_trials // NUM_SEEDS)]
    return Sweep.model_validate(
        {
            "question": "How long does a large sweep take?",
            "sweep": "large",
            "objective": {"metric": "js"},
            "seeds": list(range(NUM_SEEDS)),
            "scientific": {"generator.optim.lr": {"choice": rates}},
            "fixed": {"data": {"kind": "mixture", "name": "ring8"}},
        }
    )


def write(sweep: Sweep, folder: SweepFolder, num_evaluations: int) -> None:
    """Every trial of the sweep, finished."""
    agreement.agree(folder, sweep)
    for arm in sweep.grid():
        folder.append_arm(arm)
    draw = random.Random(0)
    for entry in folder.entries(sweep):
        write_json(entry.folder.specification, plain(entry.trial))
        own = list(entry.trial.metrics)
        names = own + [f"diagnostics/{n}" for n in range(NUM_METRICS - len(own))]
        for turn in range(num_evaluations):
            metrics = {name: draw.random() for name in names}
            spent = {"images": 1000 * turn, "seconds": 1.0 * turn, "peak_memory_bytes": 2**29}
            entry.folder.append(Measurement(**spent, metrics=metrics, timestamp_ms=10**12 + turn))
        entry.folder.write_result(Result(outcome="finished", **spent, metrics=metrics))


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Wall clock, and the processor's: on a busy machine only the second is the program's."""
    began, worked = time.perf_counter(), time.process_time()
    yield
    took, work = time.perf_counter() - began, time.process_time() - worked
    print(f"{what:44}{took:8.2f} s{work:8.2f} s of CPU", flush=True)


def mirror(sweep: Sweep, folder: SweepFolder, uri: str) -> None:
    """Send all, as the command does at its end."""
    with track(sweep, folder, uri=uri) as tracker:
        for entry in folder.entries(sweep):
            tracker.ended(entry, entry.folder.standing())
        tracker.concluded("a table", failed=False)
        tracker.drain(patience=PATIENCE_SECONDS)
    assert tracker.unsent == 0, tracker.trouble


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--evaluations", type=int, default=50)
    parser.add_argument("--mirror", action="store_true")
    options = parser.parse_args()
    sweep = large(options.trials)
    with tempfile.TemporaryDirectory() as place, chdir(place):  # where MLflow puts its artifacts
        folder, export = SweepFolder(Path(place) / "large"), Path(place) / "runs.parquet"
        write(sweep, folder, options.evaluations)
        with timed("frame from the folder"):
            frame, question = sources.from_folder(folder)
        with timed("table and warnings from the frame"):
            make_comparison(frame, question)
        with timed("frame to Parquet"):
            write_parquet(frame, question, export)
        with timed("frame from Parquet"):
            again, _ = sources.from_parquet(export)
        assert again.equals(frame)
        if options.mirror:
            uri = f"sqlite:///{place}/mlflow.db"
            with timed("folder to MLflow"):
                mirror(sweep, folder, uri)
            with timed("rows from MLflow"):
                read_sweep("large", tracking_uri=uri)
            with timed("frame from MLflow, rows included"):
                tracked, _ = sources.from_tracking("large", uri)
            assert tracked.equals(sources.from_folder(folder).frame)


if __name__ == "__main__":
    main()
