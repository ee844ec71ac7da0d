"""Trials per minute on clusters of 1, 2 and 4 nodes of one core each, on this machine.

    python tests/benchmarks/cluster.py [--trials 24] [--images 20000]

Each node is what `ray start` makes of it, with processes and an address of its own, and is held to
one core. Where the machine has fewer cores than there are nodes, they share them, and no more
trials a minute can be had than it has cores for: that is said.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "orchestration"))

from ray_nodes import RayCluster

from sid_sweep.orchestration import cluster
from sid_sweep.orchestration.drive import drive
from sid_sweep.orchestration.guard import Guard
from sid_sweep.orchestration.signals import Signals
from sid_sweep.search import Ledger
from sid_sweep.spec import Sweep
from sid_sweep.trials import SweepFolder

NODES = (1, 2, 4)


def sweep_of(num_trials: int, images: int) -> Sweep:
    """Trials of a small network on the ring."""
    net = {"init": {"kind": "random", "net": {"kind": "mlp", "width": 16, "depth": 2}}}
    return Sweep.model_validate(
        {
            "question": "How many trials a minute?",
            "sweep": "rate",
            "objective": {"metric": "js"},
            "seeds": list(range(num_trials)),
            "scientific": {"loss.kind": {"choice": ["sid"]}},
            "fixed": {
                "data": {"kind": "mixture", "name": "ring8"},
                "generator": net,
                "fake_score": net,
                "batch": {"latents": 64},
                "budget": {"images": images},
                "evaluation": {"times": 2, "samples": 256},
            },
        }
    )


def measured(sweep: Sweep, address: str, folder: Path) -> tuple[float, float]:
    """Seconds until the cluster is ready for trials, and seconds of all trials."""
    guard, began = Guard(Signals(), print), time.perf_counter()
    ledger = Ledger(SweepFolder(folder), sweep)
    joined = cluster.remote(sweep, address, guard=guard, scratch=folder / "ray", say=print)
    with guard.watching(), joined as connected:
        driving = time.perf_counter()
        drive(ledger, connected, watchers=[], guard=guard, say=print)
        drove = time.perf_counter() - driving
    standings = [entry.folder.standing() for entry in ledger.entries()]
    assert all(standing.outcome == "finished" for standing in standings)
    return driving - began, drove


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--images", type=int, default=20_000)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    print(f"{options.trials} trials of {options.images:,} images, on {len(cores)} cores")
    sweep = sweep_of(options.trials, options.images)
    with tempfile.TemporaryDirectory() as place:
        nodes = RayCluster(Path(place))
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(nodes.token))
        try:
            for num in NODES:
                while len(nodes.nodes) < num:
                    core = cores[len(nodes.nodes) % len(cores)]
                    nodes.start(before=["taskset", "-c", str(core)])
                joined, drove = measured(sweep, nodes.address, Path(place) / f"sweep-{num}")
                shared = f" ({num} share {len(cores)} cores)" if num > len(cores) else ""
                print(
                    f"{num} nodes: {options.trials / drove * 60:6.1f} trials a minute{shared}; "
                    f"joined in {joined:.1f} s, trials {drove:.1f} s"
                )
        finally:
            nodes.close()


if __name__ == "__main__":
    main()
