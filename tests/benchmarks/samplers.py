"""Samplers against random draws at equal numbers of arms, on the ring's joint space.

    python tests/benchmarks/samplers.py --repetitions 30
    python tests/benchmarks/samplers.py --real --repetitions 10 --arms 24 --jobs 2

Each sampler tries its arms at two seeds and is judged by what the arm is worth that it would
choose, the one of the best mean. Repetitions are paired, and the table's verdicts say which sampler
chose better than random draws.

Without `--real` a repetition is a world of its own, a stand-in: where the optimum lies is drawn,
the same for all samplers, and an arm is worth its value without noise. A stand-in is smooth and
knows no lost modes. With `--real` trials are trained, short ones of equal length, and a repetition
has seeds of its own; an arm is worth its mean on fresh ones.
"""

import argparse
import math
import sys
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch

from analysis.frame import tidy
from analysis.question import Question
from analysis.texts.tables import markdown
from analysis.verdicts.arms import arms
from sid_sweep.distill import distill
from sid_sweep.search.pruning import Pruner
from sid_sweep.search.study import ARM, REPEATED, Count, propose
from sid_sweep.search.telling import OUTCOME, Teller
from sid_sweep.spec import Arm, Sweep, load
from sid_sweep.trials import Result

SPACE = Path(__file__).parents[1] / "lambda.yaml"
KNOBS = (
    "scientific={loss.lambda: {uniform: [0.25, 1.6]}, "
    "generator.weight.exponent: {uniform: [0.0, 3.0]}, "
    "%sgenerator.optim.lr: {log_uniform: [0.0002, 0.02]}}",
    "baseline={}",
    "seeds=2",
)
COSTLY = (
    "batch.generator_fraction: {uniform: [0.1, 0.9]}, fake_score.steps: {int_uniform: [1, 5]}, "
)
SHORT = ("fixed.batch={latents: 512}", "fixed.budget={images: 40_000}")
"""Of a real trial: some 150 steps. What makes some cost more than others is not asked for."""
FRESH = 4
"""Seeds on which a real arm is judged."""
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

    def run(self, arm: Arm, seed: int) -> Result:
        """A trial, noisy anew each time."""
        value = self.log_js(arm)
        if value is None:
            return Result(outcome="diverged", cause="beyond the edge")
        js = math.exp(value + SCATTER * self._draw.standard_normal())
        return Result(outcome="finished", metrics={"js": js})

    def worth(self, arm: Arm) -> float | None:
        """Of an arm that was chosen; None where it diverges."""
        value = self.log_js(arm)
        return None if value is None else math.exp(value)


class Ring:
    """Real trials on the ring of eight, at seeds that no other repetition has."""

    def __init__(self, number: int, sweep: Sweep) -> None:
        self._first, self._sweep = 1000 * number, sweep
        torch.set_num_threads(1)

    def run(self, arm: Arm, seed: int) -> Result:
        """A trial."""
        trial = self._sweep.trial(arm, self._first + seed)
        *_, last = distill(trial, cache=Path("/nonexistent"))  # neither teacher nor judge needs one
        return Result(outcome=last.outcome, cause=last.cause, metrics=last.metrics)

    def worth(self, arm: Arm) -> float | None:
        """Of an arm that was chosen, on fresh seeds; None where it diverges at one."""
        found = [self.run(arm, 100 + seed) for seed in range(FRESH)]
        if any(own.outcome != "finished" for own in found):
            return None
        return self._sweep.mean("js", (own.metrics["js"] for own in found))


class Forgetful(Teller):
    """Tells nothing of what diverged."""

    def _worst(self) -> None:
        return None


def chosen(sweep: Sweep, world: World | Ring, teller: type[Teller]) -> Arm:
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
        results = [world.run(arm, seed) for seed in sweep.seeds.screen]
        tells.tell(len(found), arm, proposal, results)
        lost = any(own.outcome == "diverged" for own in results)
        found[arm] = math.inf if lost else sweep.mean("js", (r.metrics["js"] for r in results))
    return min(found, key=lambda arm: found[arm])


def judged(place: tuple[str, int], *, num_arms: int, real: bool) -> float | None:
    """What the arm is worth that a sampler chooses in a repetition; None where it diverges."""
    name, number = place
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    search = f"search={{sampler: {name.removesuffix(FORGETS)}, arms: {num_arms}, seed: {number}}}"
    scientific, *others = KNOBS
    knobs = (scientific % ("" if real else COSTLY), *others, *(SHORT if real else ()))
    sweep = load(SPACE, (*knobs, search))
    world = Ring(number, sweep) if real else World(number)
    arm = chosen(sweep, world, Forgetful if name.endswith(FORGETS) else Teller)
    value = world.worth(arm)
    print(f"{name} {number}: {value} with {arm}", file=sys.stderr, flush=True)
    return value


def row(arm: int, sampler: str, number: int, value: float | None) -> dict[str, Any]:
    """A trial per sampler and repetition, in the words of a sweep."""
    own = {
        "sweep": "samplers", "arm": arm, "seed": number, "run_id": "",
        "trial": f"{arm:06x}{number:06x}", "outcome": "finished", "cause": "",
        "images": 1, "seconds": 0.0, "peak_memory_bytes": 0.0, "final": True,
        "param.sampler": sampler, "metric.js": value,
    }  # fmt: skip
    return own if value is not None else own | {"outcome": "diverged", "metric.js": math.nan}


def main() -> None:
    """Print the comparison table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=30)
    parser.add_argument("--arms", type=int, default=32)
    parser.add_argument("--samplers", nargs="+", default=list(SAMPLERS))
    parser.add_argument("--real", action="store_true", help="train")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    options = parser.parse_args()
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
    places = [(name, n) for n in range(options.repetitions) for name in options.samplers]
    work = partial(judged, num_arms=options.arms, real=options.real)
    with get_context("spawn").Pool(options.jobs) as pool:
        values = pool.map(work, places, chunksize=1)
    found = [
        row(options.samplers.index(name), name, number, value)
        for (name, number), value in zip(places, values, strict=True)
    ]
    print(markdown(arms(tidy(found, question), question), question))


if __name__ == "__main__":
    main()
