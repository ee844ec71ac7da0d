"""Images per second of a training step, by network and batch.

    python tests/benchmarks/step.py [--device cuda] [--seconds 2] [--threads 1] [--profile]

Images are latents, of which half enter the generator's loss. `--profile` prints where one step's
time goes instead.
"""

import argparse
import itertools
import tempfile
import time
from pathlib import Path

import torch

from sid_sweep import data, teachers
from sid_sweep.distill.build import build
from sid_sweep.distill.method import Method, Setting
from sid_sweep.spec import Trial

NETS = {
    "mlp 64x3": {"kind": "mlp", "width": 64, "depth": 3},
    "mlp 128x3": {"kind": "mlp", "width": 128, "depth": 3},
    "mlp 256x4": {"kind": "mlp", "width": 256, "depth": 4},
    "residual 256x3": {"kind": "residual_mlp", "width": 256, "depth": 3},
    "residual 512x4": {"kind": "residual_mlp", "width": 512, "depth": 4},
}
BATCHES = (64, 256, 1024)


def method(net: dict, batch: int, device: str) -> Method:
    """SiD on the ring with a network for θ and ψ."""
    init = {"kind": "random", "net": net}
    trial = Trial.model_validate(
        {
            "data": {"kind": "mixture"},
            "generator": {"init": init},
            "fake_score": {"init": init},
            "batch": {"latents": batch},
        }
    )
    with tempfile.TemporaryDirectory() as cache:
        teacher = teachers.load(trial, cache=Path(cache), device=device)
    return build(Setting(trial, teacher, data.source(trial.data), torch.device(device)))


def run(sid: Method, num_steps: int) -> float:
    """Seconds of some steps."""
    began = time.perf_counter()
    for step in range(num_steps):
        sid.step(step * sid.images_per_step)
    sid.trouble(largest=1e9)  # waits for the device
    return time.perf_counter() - began


def images_per_second(sid: Method, batch: int, seconds: float) -> float:
    """Best of three runs of about a third of `seconds`, after a warm-up that sets their length."""
    run(sid, 5)
    num_steps = max(1, round(seconds / 3 / (run(sid, 10) / 10)))
    return max(batch * num_steps / run(sid, num_steps) for _ in range(3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.profile:
        sid = method(NETS["mlp 128x3"], 256, options.device)
        run(sid, 20)
        with torch.profiler.profile() as profiler:
            run(sid, 50)
        print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=25))
        return
    print(f"{'images/s':16}" + "".join(f"{f'batch {batch}':>14}" for batch in BATCHES))
    rates = {}
    for name, batch in itertools.product(NETS, BATCHES):
        sid = method(NETS[name], batch, options.device)
        rates[name, batch] = images_per_second(sid, batch, options.seconds)
    for name in NETS:
        print(f"{name:16}" + "".join(f"{rates[name, batch]:14,.0f}" for batch in BATCHES))


if __name__ == "__main__":
    main()
