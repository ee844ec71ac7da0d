"""What the ledger costs in a sweep of 10,000 trials on 1,000 workers, which are simulated.

    python tests/benchmarks/size.py [--trials 10000] [--workers 1000] [--samplers grid tpe]

Ledger, sampler and pruning are the real ones, on a real folder. A simulated worker takes a drawn
time for each evaluation, which only its clock knows, and writes what a trial leaves. Seconds are
the processor's, of what the command's own process does for a trial: to hand it out, to hear of its
evaluations, to note its end. Ray, MLflow and the board are not in it: `growth.py` has those.
"""

import argparse
import heapq
import itertools
import math
import os
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sid_sweep.search import Ledger
from sid_sweep.spec import Sweep
from sid_sweep.trials import Entry, Measurement, Result, SweepFolder

NUM_SEEDS, EVALUATIONS, IMAGES = 4, 8, 400_000
SCATTER, SLOWEST = 0.3, 4.0  # of ln js between seeds; of workers, the slowest over the fastest
PARTS = 10  # of the sweep, each with its own line
PRUNE = {"kind": "halving", "eta": 3}
DOMAINS: dict[str, Any] = {
    "loss.lambda": {"uniform": [0.25, 1.5]},
    "generator.optim.lr": {"log_uniform": [1e-4, 1e-2]},
}


def large(num_trials: int, sampler: str, *, prune: bool) -> Sweep:
    """A sweep of that many trials; on a grid the learning rate alone is swept."""
    num_arms = num_trials // NUM_SEEDS
    search: dict[str, Any] = {"sampler": sampler}
    domains = DOMAINS
    if sampler == "grid":
        rates = [1e-4 * (1 + arm) for arm in range(num_arms)]
        domains = {"generator.optim.lr": {"choice": rates}}
    else:
        search["arms"] = num_arms
    if prune:
        search["prune"] = PRUNE
    return Sweep.model_validate(
        {
            "question": "What does a sweep of that size cost?",
            "sweep": "large",
            "objective": {"metric": "js"},
            "seeds": list(range(NUM_SEEDS)),
            "search": search,
            "scientific": domains,
            "fixed": {
                "data": {"kind": "mixture", "name": "ring8"},
                "budget": {"images": IMAGES},
                "evaluation": {"times": EVALUATIONS},
            },
        }
    )


def course(entry: Entry) -> Iterator[Measurement]:
    """What a trial would measure: a bowl in the logarithm of the learning rate, and noise."""
    draw = random.Random(f"{entry.number}/{entry.seed}")
    rate = math.log10(entry.trial.generator.optim.lr) + 2.5
    end = math.log(0.14) + 0.3 * rate**2 + SCATTER * draw.gauss(0, 1)
    others = dict.fromkeys(entry.trial.metrics, 1.0)
    for turn in range(EVALUATIONS + 1):
        js = math.exp(end + 2.0 * (1 - turn / EVALUATIONS))
        spent = {"images": IMAGES * turn // EVALUATIONS, "seconds": 1.0 * turn}
        yield Measurement(
            **spent,
            peak_memory_bytes=2**29,
            metrics=others | {"js": js},
            timestamp_ms=10**12 + turn,
        )


class Clock:
    """Processor's seconds of the ledger, and of what it is waiting for."""

    def __init__(self) -> None:
        self.spent = 0.0

    def of(self, call: Any, *arguments: Any) -> Any:
        """A call's result; its seconds are counted."""
        began = time.process_time()
        try:
            return call(*arguments)
        finally:
            self.spent += time.process_time() - began


def simulate(sweep: Sweep, folder: SweepFolder, num_workers: int) -> Iterator[tuple[int, float]]:
    """Runs the sweep; with each trial that ends, how many have and what the ledger has spent."""
    clock, ties, draw = Clock(), itertools.count(), random.Random(0)
    ledger: Ledger = clock.of(Ledger, folder, sweep)
    pace = [SLOWEST ** draw.random() for _ in range(num_workers)]
    free, events, num_ended = list(range(num_workers)), list[Any](), 0
    while True:
        while free and (entry := clock.of(ledger.next_entry)) is not None:
            worker = free.pop()
            entry.folder.begin(entry.trial)
            heapq.heappush(events, (draw.random(), next(ties), worker, entry, course(entry)))
        if not events:
            return
        now, _, worker, entry, rest = heapq.heappop(events)
        own = next(rest)
        entry.folder.append(own)
        if own.images == IMAGES:
            spent = {"images": own.images, "seconds": own.seconds}
            spent["peak_memory_bytes"] = own.peak_memory_bytes
            result = Result(outcome="finished", metrics=own.metrics, **spent)
            entry.folder.write_result(result)
        clock.of(ledger.evaluated, entry, own.images, own.metrics)
        if (standing := entry.folder.standing()).is_end:
            clock.of(ledger.tell, entry, standing)
            free.append(worker)
            num_ended += 1
            yield num_ended, clock.spent
        else:
            heapq.heappush(events, (now + pace[worker], next(ties), worker, entry, rest))


def resident() -> float:
    """MiB of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Print a table for each sampler."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--samplers", nargs="+", default=["grid", "tpe"])
    parser.add_argument("--prune", action="store_true")
    options = parser.parse_args()
    for sampler in options.samplers:
        sweep = large(options.trials, sampler, prune=options.prune)
        with tempfile.TemporaryDirectory() as place:
            folder = SweepFolder(Path(place) / "large")
            print(f"{sampler}: {options.trials} trials on {options.workers} workers", flush=True)
            print(f"{'trials':>16}{'ms of the ledger for each':>28}{'MiB':>8}", flush=True)
            every, before, ended = options.trials // PARTS, 0.0, 0
            for ended, spent in simulate(sweep, folder, options.workers):
                if ended % every == 0:
                    own = 1000 * (spent - before) / every
                    print(
                        f"{ended - every:7} to {ended:6}{own:24.2f}{resident():12.0f}", flush=True
                    )
                    before = spent
            files = [path for path in folder.path.rglob("*") if path.is_file()]
            size = sum(path.stat().st_size for path in files) / 2**20
            journal = folder.journal.stat().st_size / 2**20
            began = time.process_time()
            ledger = Ledger(folder, sweep)
            assert ledger.next_entry() is None
            again = time.process_time() - began
            print(f"{ended} ended; {len(files)} files, {size:.0f} MiB, {journal:.1f} of the ledger")
            print(f"opened again, with nothing left to run: {again:.1f} s", flush=True)


if __name__ == "__main__":
    main()
