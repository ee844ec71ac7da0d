"""What pruning saves, and what it costs, by replaying a finished sweep in many orders.

    python tests/benchmarks/pruning.py sweeps/NAME --orders 400

The sweep's arms, all of which were trained to the end at several seeds, are taken in random orders.
Some seeds, drawn too, screen; the others are fresh and say what an arm is worth. Each rule is asked
what it would have given up, one trial after another, and the arm of the best mean of what is left
is chosen, as it is without pruning on the same seeds. A line of the table:

    spent          images trained, of what screening to the end takes
    lost           how often the arm was given up that screening to the end chooses
    best lost      how often the arm was given up that is best on the fresh seeds
    worth          of the chosen arm on fresh seeds, over that of the one chosen without pruning:
                   the geometric mean of the ratios over orders, and the share of orders below 1,
                   at 1, and above it (worse, where less is better)

Orders share their trials: the figures describe these trials, and are no test of a rule.
"""

import argparse
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from sid_sweep.search.pruning import Pruner
from sid_sweep.spec import Sweep
from sid_sweep.spec.pruning import Halving, Median
from sid_sweep.spec.seeds import Seeds
from sid_sweep.trials import Entry, Measurement, Result, SweepFolder

RULES = {
    "halving, eta 2 from 1/10": Halving(kind="halving", eta=2, least=0.1),
    "halving, eta 3 from 1/10": Halving(kind="halving", eta=3, least=0.1),
    "halving, eta 4 from 1/10": Halving(kind="halving", eta=4, least=0.1),
    "halving (eta 3 from 1/3)": Halving(kind="halving"),
    "median from 1/4": Median(kind="median", least=0.25),
    "median (from 1/2)": Median(kind="median"),
}


class Trained(NamedTuple):
    """A trial that was trained to its end."""

    entry: Entry
    course: list[Measurement]
    result: Result


class Outcome(NamedTuple):
    """What screening came to."""

    images: int
    left: list[int]
    """The arms that were not given up."""
    chosen: int


def trained(folder: SweepFolder, sweep: Sweep) -> dict[tuple[int, int], Trained]:
    """All trials by arm and seed.

    Raises:
        ValueError: one has no end.
    """
    found = {}
    for entry in folder.entries(sweep):
        result = entry.folder.result()
        if result is None or result.outcome == "pruned":
            raise ValueError(f"{entry}: {entry.folder.path} was not trained to its end")
        found[entry.number, entry.seed] = Trained(entry, entry.folder.measurements(), result)
    return found


def screened(
    sweep: Sweep, trials: Mapping[tuple[int, int], Trained], order: Sequence[int]
) -> Outcome:
    """Replay the screening of arms in an order, on the seeds that screen."""
    pruner, images, left = Pruner(sweep), 0, []
    for arm in order:
        is_up = False
        for seed in sweep.seeds.screen:
            entry, course, result = trials[arm, seed]
            for own in course if not is_up else ():
                pruner.evaluated(entry, own.images, own.metrics)
                if is_up := own.images < result.images and bool(pruner.why(entry, own.images)):
                    images += own.images
                    break
            else:
                images += 0 if is_up else result.images
                pruner.ended(entry, result)
        left += [] if is_up else [arm]
    return Outcome(images, left, min(left, key=lambda arm: worth(sweep, trials, arm)))


def worth(
    sweep: Sweep,
    trials: Mapping[tuple[int, int], Trained],
    arm: int,
    seeds: Sequence[int] | None = None,
) -> float:
    """The mean on some seeds (those that screen), less is better; infinite where it lost one."""
    results = [trials[arm, seed].result for seed in seeds or sweep.seeds.screen]
    if any(own.outcome != "finished" for own in results):
        return math.inf
    metric, goal = sweep.objective.metric, sweep.objective.goal
    mean = sweep.mean(metric, (own.metrics[metric] for own in results))
    return mean if goal == "minimize" else -mean


def with_rule(sweep: Sweep, rule: Any, screen: list[int]) -> Sweep:
    """The sweep, pruned by a rule on some of its seeds."""
    others = [seed for seed in sweep.seeds.all if seed not in screen]
    seeds = Seeds.model_validate({"screen": screen, "confirm": others, "keep": 1})
    search = sweep.search.model_copy(update={"prune": rule})
    return sweep.model_copy(update={"search": search, "seeds": seeds})


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="of a finished sweep")
    parser.add_argument("--orders", type=int, default=400)
    parser.add_argument("--screen", type=int, default=1, help="seeds that screen")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = SweepFolder(options.folder)
    sweep = folder.sweep()
    trials, draw = trained(folder, sweep), random.Random(options.seed)
    arms = sorted({arm for arm, _ in trials})
    seeds = sweep.seeds.all
    print(f"{len(arms)} arms, {len(seeds)} seeds of which {options.screen} screen\n")
    drawn = [
        (draw.sample(arms, len(arms)), draw.sample(seeds, options.screen))
        for _ in range(options.orders)
    ]
    print("| rule | spent | lost | best lost | worth | better, same, worse |")
    print("| :--- | ---: | ---: | ---: | ---: | ---: |")
    for name, rule in RULES.items():
        spent, lost, best_lost, ratios = [], [], [], []
        for order, screen in drawn:
            fresh = [seed for seed in seeds if seed not in screen]
            whole = screened(with_rule(sweep, None, screen), trials, order)
            own = screened(with_rule(sweep, rule, screen), trials, order)
            value = {arm: worth(sweep, trials, arm, fresh) for arm in arms}
            spent.append(own.images / whole.images)
            lost.append(whole.chosen not in own.left)
            best_lost.append(min(arms, key=lambda arm: value[arm]) not in own.left)
            ratios.append(value[own.chosen] / value[whole.chosen])
        known = [ratio for ratio in ratios if math.isfinite(ratio)]
        mean = math.exp(fmean(map(math.log, known)))
        parts = [
            sum(ratio < 1 for ratio in known),
            sum(ratio == 1 for ratio in known),
            len(ratios) - sum(ratio <= 1 for ratio in known),
        ]
        shares = ", ".join(f"{part / len(ratios):.0%}" for part in parts)
        print(
            f"| {name} | {fmean(spent):.0%} | {fmean(lost):.0%} | {fmean(best_lost):.0%} | "
            f"{mean:.3f} | {shares} |"
        )


if __name__ == "__main__":
    main()
