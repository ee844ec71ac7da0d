"""How long a checkpoint of a gibibyte holds training up.

    python tests/benchmarks/checkpoint.py [--width 4096] [--steps 30] [--device cpu]

The trial is the ring of eight with networks so wide that θ, its average, ψ and both optimisers'
moments come to a gibibyte; its batch is small, so that a step is short. One checkpoint is begun
after a third of the steps. Said are the pause (the copy), the seconds until the file is whole, and
the median step before it, while it is written, and after. Nothing else should be running.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from sid_sweep import data, teachers
from sid_sweep.distill import Progress
from sid_sweep.distill.build import build
from sid_sweep.distill.method import Method, Setting
from sid_sweep.spec import Trial
from sid_sweep.trials import TrialFolder
from sid_sweep.worker.checkpoint import Checkpoints


def method(width: int, device: torch.device) -> Method:
    """Networks of a width, ready to train."""
    net = {"init": {"kind": "random", "net": {"kind": "mlp", "width": width, "depth": 3}}}
    ring = {"data": {"kind": "mixture", "name": "ring8"}, "batch": {"latents": 4}}
    trial = Trial.model_validate(ring | {"generator": net, "fake_score": net})
    with tempfile.TemporaryDirectory() as cache:
        teacher = teachers.load(trial, cache=Path(cache), device=device)
        return build(Setting(trial, teacher, data.source(trial.data), device))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    own = method(options.width, torch.device(options.device))
    with tempfile.TemporaryDirectory() as place:
        folder = TrialFolder(Path(place))
        checkpoints = Checkpoints(folder, own.trial, seconds=0.001)
        took: dict[str, list[float]] = {"before": [], "during": [], "after": []}
        pause = written = begun = 0.0
        for turn in range(options.steps):
            if turn == options.steps // 3:
                begun = time.perf_counter()
                checkpoints.save(standing(own))
                pause = time.perf_counter() - begun
            phase = "before" if not begun else "after" if folder.checkpoint.exists() else "during"
            start = time.perf_counter()
            own.step(0)
            if own.device.type == "cuda":
                torch.cuda.synchronize()
            took[phase].append(time.perf_counter() - start)
            if begun and not written and folder.checkpoint.exists():
                written = time.perf_counter() - begun
        checkpoints.wait()
        size = folder.checkpoint.stat().st_size / 2**30
    steps = ", ".join(f"{statistics.median(t):.2f} {n}" for n, t in took.items() if t)
    print(f"{size:.2f} GiB: a pause of {pause:.2f} s, whole after {written:.1f} s")
    print(f"median step in seconds: {steps}")


def standing(own: Method) -> Progress:
    """Where training stands, as the loop says it."""
    return Progress(
        0, 0.0, "running", "",
        state=lambda: {"method": own.state()}, student=own.student, references={},
    )  # fmt: skip


if __name__ == "__main__":
    main()
