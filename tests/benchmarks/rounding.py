"""How far the number of workers and of threads moves a trial: the order of sums, and no more.

    python tests/benchmarks/rounding.py [--space search_spaces/lambda.yaml] [--images 50000]

The first trial of a space, by one worker with one thread, by one with two, by two workers with one
each. A line for each evaluation of each: by how much the metric differs from that of the first way,
relative, and at the end by how much any weight does, relative to the largest.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist

from sid_sweep.distill import distill
from sid_sweep.nets.ranks import SOLO, Ranks
from sid_sweep.spec import Sweep, load

WAYS = {"1 thread": (1, 1), "2 threads": (1, 2), "2 workers": (2, 1)}
"""By name: workers, and threads of each."""
EVALUATIONS = 5


def trial_of(space: str, images: int) -> tuple[Sweep, str]:
    """The space, shortened, and the metric that it compares."""
    sweep = load(Path(space), (f"budget.images={images}", f"evaluation.times={EVALUATIONS}"))
    return sweep, sweep.objective.metric


def work(options: argparse.Namespace) -> None:
    """One worker of one way; the first keeps what it found."""
    torch.set_num_threads(options.threads)
    ranks = SOLO
    if options.workers > 1:
        place = f"file://{options.folder}/meeting"
        dist.init_process_group("gloo", place, rank=options.rank, world_size=options.workers)
        ranks = Ranks(options.rank, options.workers)
    sweep, metric = trial_of(options.space, options.images)
    trial = sweep.trials(next(iter(sweep.grid())))[0]
    course = {}
    for progress in distill(trial, cache=options.cache, ranks=ranks):
        if progress.metrics:
            course[progress.images] = progress.metrics[metric]
    networks = progress.state()["method"]["networks"].values()
    weights = torch.cat([tensor.flatten() for network in networks for tensor in network.values()])
    if options.rank == 0:
        torch.save({"course": course, "weights": weights}, options.folder / "end.pt")


def run(options: argparse.Namespace, workers: int, threads: int) -> dict:
    """What one way came to."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, __file__, "--space", options.space, "--images", options.images]
        words += ["--cache", options.cache, "--folder", folder]
        words += ["--workers", workers, "--threads", threads, "--rank"]
        started = [subprocess.Popen([str(w) for w in (*words, rank)]) for rank in range(workers)]
        if sum(process.wait() for process in started):
            sys.exit(1)
        return torch.load(Path(folder) / "end.pt", weights_only=True)


def main() -> None:
    """Print the differences; with `--rank`, be a worker."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="search_spaces/lambda.yaml")
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="of trained teachers")
    for name in ("--workers", "--threads", "--rank"):
        parser.add_argument(name, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rank is not None:
        return work(options)
    _, metric = trial_of(options.space, options.images)
    first = None
    for name, way in WAYS.items():
        own = run(options, *way)
        first = first or own
        for images, value in own["course"].items():
            moved = value / first["course"][images] - 1
            print(f"{name:10}{images:9,} images   {metric} {value:.9g}   moved {moved:+.1e}")
        far = (own["weights"] - first["weights"]).abs().max() / first["weights"].abs().max()
        print(f"{name:10} weights moved {float(far):.1e}", flush=True)
    return None


if __name__ == "__main__":
    main()
