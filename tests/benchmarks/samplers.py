"""Samplers against random draws at equal numbers of arms, on a stand-in for the ring's joint space.

    python tests/benchmarks/samplers.py --repetitions 30

A repetition is a world of its own: where the optimum lies is drawn, the same for all samplers. Each
tries its arms at two noisy seeds and is judged by the true value of the arm that it would choose,
the one of the best mean. So repetitions are paired, and the table's verdicts say which sampler
chose better than random draws. A stand-in is smooth and knows no lost modes: what it says of real
trials is what to expect of them, and no more.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from analysis.frame import tidy
from analysis.question import Question
from analysis.texts.tables import markdown
from analysis.verdicts.arms import arms
from sid_sweep.search.pruning import Pruner
from sid_sweep.search.study import ARM, REPEATED, Count, propose
from sid_sweep.search.telling import OUTCOME, Teller
from sid_sweep.spec import Arm, Sweep, load
from sid_sweep.trials import Result

SPACE = Path(__file__).parents[1] / "lambda.yaml"
KNOBS = (
    "scientific={loss.lambda: {uniform: [0.25, 1.6]}, "
    "batch.generator_fraction: {uniform: [0.1, 0.9]}, "
    "generator.weight.exponent: {uniform: [0.0, 3.0]}, "
    "fake_score.steps: {int_uniform: [1, 5]}, "
    "generator.optim.lr: {log_uniform: [0.0002, 0.02]}}",
    "baseline={}",
    "seeds=2",
)
SCATTER = 0.15
"""Of ln js between seeds, as on the ring."""
SAMPLERS = ("random", "sobol", "tpe", "gp", "cmaes", "nsga2")
FORGETS = "+forgets"
"""Of a sampler that is not told of what diverged."""


class World:
    """ln js as a function of an arm, with figures of the ring: a bowl with a valley, and an edge
    beyond which students diverge."""

    def __init__(self, number: int) -> None:
        self._draw = np.random.default_rng((number, 1))
        where = np.random.default_rng((number, 0)).standard_normal(4)
        self.best_lambda, self.best_fraction = 0.75 + 0.1 * where[0], 0.6 + 0.1 * where[1]
        self.best_exponent, self.best_rate = 1.5 + 0.4 * where[2], -2.6 + 0.2 * where[3]

    def log_js(self, arm: Arm) -> float | None:
        """Without noise; None where it diverges."""
        own = {knob: float(value) for knob, value in arm.items()}
        lam = own["loss.lambda"] - self.best_lambda
        rate = math.log10(own["generator.optim.lr"]) - self.best_rate
        if own["loss.lambda"] + 0.3 * rate > 1.35:
            return None
        fraction = own["batch.generator_fraction"] - self.best_fraction
        exponent = own["generator.weight.exponent"] - self.best_exponent
        bowl = 1.2 * lam**2 + 0.5 * lam * rate + 0.35 * rate**2
        rest = 0.8 * fraction**2 + 0.05 * exponent**2 - 0.08 * math.log(own["fake_score.steps"])
        return math.log(0.14) + bowl + rest

    def run(self, arm: Arm) -> Result:
        """One seed."""
        value = self.log_js(arm)
        if value is None:
            return Result(outcome="diverged", cause="beyond the edge")
        js = math.exp(value + SCATTER * self._draw.standard_normal())
        return Result(outcome="finished", metrics={"js": js})


class Forgetful(Teller):
    """Tells nothing of what diverged."""

    def _worst(self) -> None:
        return None


def chosen(sweep: Sweep, world: World, teller: type[Teller]) -> Arm:
    """The arm of the best mean, of as many as the sweep asks for."""
    study = optuna.create_study(direction="minimize")
    tells, found, count = teller(study, sweep, Pruner(sweep)), dict[Arm, float](), Count()
    while len(found) < sweep.search.arms:  # pyright: ignore
        proposal, arm = propose(study, sweep, count)
        if arm in found:
            proposal.set_user_attr(OUTCOME, REPEATED)
            study.tell(proposal, state=optuna.trial.TrialState.FAIL)
            count.repeated()
            continue
        count.drawn, count.repeats_in_a_row = count.drawn + 1, 0
        proposal.set_user_attr(ARM, dict(arm))
        results = [world.run(arm) for _ in sweep.seeds.screen]
        tells.tell(len(found), arm, proposal, results)
        lost = any(own.outcome == "diverged" for own in results)
        found[arm] = math.inf if lost else sweep.mean("js", (r.metrics["js"] for r in results))
    return min(found, key=lambda arm: found[arm])


def rows(samplers: list[str], repetitions: int, num_arms: int) -> Iterator[dict[str, Any]]:
    """A trial per sampler and repetition, in the words of a sweep."""
    for place, name in enumerate(samplers):
        key = name.removesuffix(FORGETS)
        for number in range(repetitions):
            search = f"search={{sampler: {key}, arms: {num_arms}, seed: {number}}}"
            sweep, world = load(SPACE, (*KNOBS, search)), World(number)
            arm = chosen(sweep, world, Forgetful if name.endswith(FORGETS) else Teller)
            value = world.log_js(arm)
            assert value is not None, "a sampler chose what diverges"
            yield {
                "sweep": "samplers", "arm": place, "seed": number, "run_id": "",
                "trial": f"{place:06x}{number:06x}", "outcome": "finished", "cause": "",
                "images": 1, "seconds": 0.0, "peak_memory_bytes": 0.0, "final": True,
                "param.sampler": name, "metric.js": math.exp(value),
            }  # fmt: skip
        print(f"{name} done", file=sys.stderr, flush=True)


def main() -> None:
    """Print the comparison table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=30)
    parser.add_argument("--arms", type=int, default=32)
    parser.add_argument("--samplers", nargs="+", default=list(SAMPLERS))
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    question = Question(
        sweep="samplers",
        question="Which sampler chooses best?",
        metric="js",
        goal="minimize",
        scientific=("sampler",),
        nuisance=(),
        baseline={"sampler": options.samplers[0]},
        seeds=tuple(range(options.repetitions)),
        domains={"sampler": {"kind": "choice", "values": options.samplers}},
    )
    found = list(rows(options.samplers, options.repetitions, options.arms))
    print(markdown(arms(tidy(found, question), question), question))


if __name__ == "__main__":
    main()
