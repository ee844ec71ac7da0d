"""Images per second of a training step, by network and batch.

    python tests/benchmarks/step.py [--device cuda] [--seconds 2] [--threads 1]
        [--profile | --extras]

Images are latents, of which half enter the generator's loss. `--profile` prints where one step's
time goes instead; `--extras` what the diagnostics and some knobs add to a step, with and without
in turns.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from pathlib import Path

import torch

from sid_sweep import data, teachers
from sid_sweep.distill.build import build
from sid_sweep.distill.method import Method, Setting
from sid_sweep.spec import Trial
from sid_sweep.spec.base import fill

NETS = {
    "mlp 64x3": {"kind": "mlp", "width": 64, "depth": 3},
    "mlp 128x3": {"kind": "mlp", "width": 128, "depth": 3},
    "mlp 256x4": {"kind": "mlp", "width": 256, "depth": 4},
    "residual 256x3": {"kind": "residual_mlp", "width": 256, "depth": 3},
    "residual 512x4": {"kind": "residual_mlp", "width": 512, "depth": 4},
}
BATCHES = (64, 256, 1024)


def method(net: dict, batch: int, device: str, **values: dict) -> Method:
    """SiD on the ring with a network for θ and ψ, and other values."""
    init = {"kind": "random", "net": net}
    base = {
        "data": {"kind": "mixture"},
        "generator": {"init": init},
        "fake_score": {"init": init},
        "batch": {"latents": batch},
    }
    trial = Trial.model_validate(fill(base, values))
    with tempfile.TemporaryDirectory() as cache:
        teacher = teachers.load(trial, cache=Path(cache), device=device)
    return build(Setting(trial, teacher, data.source(trial.data), torch.device(device)))


EXTRAS = {
    "diagnostics": {},
    "importance of both": {"generator": {"importance": {}}, "fake_score": {"importance": {}}},
    "bfloat16": {"precision": "bfloat16"},
    "weight sid_legacy": {"generator": {"weight": {"kind": "sid_legacy"}}},
    "4 more steps of ψ": {"fake_score": {"steps": 5}},
}


def extras(options: argparse.Namespace) -> None:
    """A step's time relative to the default's, medians over rounds that take turns."""
    plain = method(NETS["mlp 128x3"], 256, options.device)
    num_steps = max(1, round(options.seconds / 10 / (run(plain, 20) / 20)))
    for name, values in EXTRAS.items():
        other = method(NETS["mlp 128x3"], 256, options.device, **values)
        if name == "diagnostics":
            other._observe = lambda *drawn: None  # the step without them
        run(other, 20)
        ratios = [run(other, num_steps) / run(plain, num_steps) for _ in range(10)]
        ratio = statistics.median(ratios)
        added = 1 - ratio if name == "diagnostics" else ratio - 1
        print(f"{name:20} {added:+7.1%} of a step (mlp 128x3, batch 256)")


def run(sid: Method, num_steps: int) -> float:
    """Seconds of some steps."""
    began = time.perf_counter()
    for step in range(num_steps):
        sid.step(step * sid.images_per_step)
    sid.monitor.trouble(sigma_data=1e7)  # waits for the device
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
    parser.add_argument("--extras", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.extras:
        extras(options)
        return
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
