"""Seconds per trial, ours against the recipe of Ray's guide, in one run on one machine.

    python tests/benchmarks/orchestration.py [--trials 16] [--recipe-trials 4]

Near-empty trials, so that what is measured is the way to a trial and back. The recipe is the one in
Ray Train's guide to hyperparameter search: a Tune function that runs a TorchTrainer with one
worker, here with the same trial inside. Its cost per trial hardly depends on their number, and a
few suffice.
"""

import argparse
import tempfile
import time
from pathlib import Path

from sid_sweep.orchestration import cluster
from sid_sweep.orchestration.drive import drive
from sid_sweep.orchestration.guard import Guard
from sid_sweep.orchestration.machine import lay_out, this_machine
from sid_sweep.orchestration.signals import Signals
from sid_sweep.search import Ledger
from sid_sweep.spec import Sweep
from sid_sweep.spending import Spending
from sid_sweep.trials import SweepFolder

FIXED = {
    "data": {"kind": "mixture", "name": "ring8"},
    "batch": {"latents": 32},
    "budget": {"images": 32},
    "evaluation": {"times": 1, "samples": 16},
}


def near_empty(num_trials: int) -> Sweep:
    """A sweep of trials that take two steps each."""
    return Sweep.model_validate(
        {
            "question": "How long does nothing take?",
            "sweep": "nothing",
            "objective": {"metric": "js"},
            "seeds": list(range(num_trials)),
            "scientific": {"loss.kind": {"choice": ["sid"]}},
            "fixed": FIXED,
        }
    )


def ours(num_trials: int, folder: Path) -> tuple[float, float]:
    """(seconds all told, seconds in Tune) of a sweep as the command runs it."""
    sweep, guard = near_empty(num_trials), Guard(Signals(), print)
    began = time.perf_counter()
    ledger = Ledger(SweepFolder(folder), sweep)
    layout = lay_out(sweep, this_machine())
    with cluster.local(layout, guard=guard, logs=folder / "logs") as connected:
        driving = time.perf_counter()
        gate = Spending(sweep, ledger.folder, began=time.monotonic())
        drive(ledger, connected, watchers=[], guard=guard, gate=gate, say=print)
        drove = time.perf_counter() - driving
    standings = [entry.folder.standing() for entry in ledger.entries()]
    assert all(standing.outcome == "finished" for standing in standings)
    return time.perf_counter() - began, drove


def recipe(num_trials: int, folder: Path) -> tuple[float, float]:
    """The same of the guide's recipe."""
    import ray
    from ray import tune
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    sweep = near_empty(num_trials)

    def worker(config):
        import ray.train

        from sid_sweep.distill import distill
        from sid_sweep.spec import Trial

        for progress in distill(Trial.model_validate(config["trial"]), cache=folder):
            ray.train.report(progress.metrics)

    def driver(config):
        trainer = TorchTrainer(
            worker,
            train_loop_config=config,
            scaling_config=ScalingConfig(num_workers=1),
            run_config=RunConfig(
                name=f"train-{config['trial']['seed']}",
                storage_path=str(folder),
            ),
        )
        trainer.fit()

    began = time.perf_counter()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    trials = [sweep.trial_values({"loss.kind": "sid"}, seed) for seed in range(num_trials)]
    tuner = tune.Tuner(
        tune.with_resources(driver, {"CPU": 0.01}),
        param_space={"trial": tune.grid_search(trials)},
        tune_config=tune.TuneConfig(max_concurrent_trials=1),
        run_config=tune.RunConfig(name="tune", storage_path=str(folder), verbose=0),
    )
    driving = time.perf_counter()
    results = tuner.fit()
    drove = time.perf_counter() - driving
    ray.shutdown()
    assert results.num_errors == 0, results.errors
    return time.perf_counter() - began, drove


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--recipe-trials", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        our = [s / options.trials for s in ours(options.trials, Path(folder) / "ours")]
    with tempfile.TemporaryDirectory() as folder:
        their = [s / options.recipe_trials for s in recipe(options.recipe_trials, Path(folder))]
    print(f"{'seconds per trial':24}{'all told':>12}{'in Tune':>12}{'trials':>8}")
    print(f"{'sid_sweep':24}{our[0]:12.3f}{our[1]:12.3f}{options.trials:8}")
    print(f"{'recipe of Ray’s guide':24}{their[0]:12.3f}{their[1]:12.3f}{options.recipe_trials:8}")
    print(f"{'ratio':24}{their[0] / our[0]:12.1f}{their[1] / our[1]:12.1f}")


if __name__ == "__main__":
    main()
