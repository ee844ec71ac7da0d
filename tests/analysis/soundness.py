"""Sweeps of arms that are all equal, put through the whole pipeline, and how often it errs.

    python tests/analysis/soundness.py --tables 200
    python tests/analysis/soundness.py --tables 50 --grid

prints the rates: of tables with a false verdict, of intervals that hold the truth, and the same of
the naive way in the same simulation: each arm by itself; the arm that screening puts first by the
seeds that chose it (× is how much worse it is on fresh ones); Student's t with Holm at every look.
Every draw is by seed, so the same call prints the same table.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats

from analysis.frame import tidy
from analysis.question import Question
from analysis.verdicts.arms import arms
from analysis.verdicts.referee import kept, outclassed, settled
from analysis.verdicts.statistics import holm, t_interval
from sid_sweep.trials import Measurement, Result
from sid_sweep.trials.rows import rows, stacked

TRUTH = 5.0  # what every arm is worth
SCATTERS = {  # by name: scale of the metric, and a seed's value from a unit normal
    "normal": ("difference", lambda z: TRUTH + z),
    "lognormal .3": ("ratio", lambda z: TRUTH * np.exp(0.3 * z)),
    "lognormal .6": ("ratio", lambda z: TRUTH * np.exp(0.6 * z)),
    "heavy": ("ratio", lambda z: TRUTH * np.exp(0.3 * stats.t.ppf(stats.norm.cdf(z), 3))),
}
CLAIMS = ["better", "worse", "equal"]
KEEP = 3


@dataclass(frozen=True)
class Setting:
    """A sweep of equal arms."""

    num_arms: int
    num_seeds: int
    common: float = 0.5
    """Correlation of two arms over the seeds that they share."""
    scatter: str = "lognormal .3"
    lost: float = 0.0
    """Part of the trials that have no value."""
    how: str = "diverged"
    """diverged or collapsed."""
    tuned: int = 1
    """Every arm but the baseline is the best of so many settings of a nuisance knob."""

    @property
    def scale(self) -> str:
        """ratio or difference."""
        return SCATTERS[self.scatter][0]

    @property
    def none(self) -> float:
        """The effect of no difference."""
        return 1.0 if self.scale == "ratio" else 0.0

    def question(self, **changes) -> Question:
        """Which arm is best? Arm 0 is the baseline."""
        known = {
            "sweep": "null", "question": "Which?", "metric": "m", "goal": "minimize",
            "scientific": ["k"], "nuisance": ["t"] if self.tuned > 1 else [], "baseline": {"k": 0},
            "scale": self.scale,
            "seeds": list(range(self.num_seeds)), "columns": ["modes"], "collapse": {"modes": 8.0},
            "domains": {"k": {"kind": "choice", "values": list(range(self.num_arms))}},
            "num_arms": self.num_settings,
        }  # fmt: skip
        return Question.from_outline(known | changes)

    @property
    def num_settings(self) -> int:
        """Of all arms."""
        return 1 + (self.num_arms - 1) * self.tuned

    def knobs(self, setting: int) -> dict[str, int]:
        """Of one of them."""
        arm = (setting + self.tuned - 1) // self.tuned
        return {"k": arm, "t": setting} if self.tuned > 1 else {"k": setting}


@dataclass(frozen=True)
class Draw:
    """What every trial of a sweep would give: [arm, seed]."""

    values: np.ndarray
    dead: np.ndarray
    setting: Setting

    def frame(self, question: Question, given: np.ndarray | None = None) -> pd.DataFrame:
        """The trials that were run, from the rows that the disk gives."""
        data = []
        for arm, seed in np.argwhere(np.ones_like(self.dead) if given is None else given):
            arm, seed, dead = int(arm), int(seed), self.dead[arm, seed]
            place = {"sweep": "null", "arm": arm, "seed": seed, "trial": f"{arm}/{seed}"}
            spent = {"images": 1, "seconds": 1.0, "peak_memory_bytes": 1}
            gone = dead and self.setting.how == "diverged"
            modes = 4.0 if dead else 8.0
            metrics = {} if gone else {"m": float(self.values[arm, seed]), "modes": modes}
            standing = Result(outcome="diverged" if gone else "finished", **spent)
            measured = [Measurement(**spent, metrics=metrics, timestamp_ms=0)]
            data.append(rows(place | {"run_id": ""}, self.setting.knobs(arm), standing, measured))
        return tidy(stacked(data), question)


def draw(rng: np.random.Generator, setting: Setting, *, gains: np.ndarray | None = None) -> Draw:
    """`gains` moves the arms apart, in deviations: the largest is the best."""
    shape = (setting.num_settings, setting.num_seeds)
    shared, own = rng.standard_normal(setting.num_seeds), rng.standard_normal(shape)
    z = math.sqrt(setting.common) * shared + math.sqrt(1 - setting.common) * own
    if gains is not None:
        z = z - gains[:, None]
    dead = rng.random(shape) < setting.lost
    return Draw(SCATTERS[setting.scatter][1](z), dead, setting)


def claims(table: pd.DataFrame) -> bool:
    """Whether a table says anything, which of equal arms is false."""
    return bool(table["verdict"].isin(CLAIMS).any())


def holds(low: pd.Series, high: pd.Series, truth: float) -> pd.Series:
    """Which intervals, of those that there are, hold the truth."""
    known = low.notna()
    return (low[known] <= truth) & (truth <= high[known])


# ---- one table of all seeds


@dataclass(frozen=True)
class Rates:
    """Parts of the tables, and of their intervals."""

    false_verdict: float
    best: float
    """Tables that call an arm best."""
    arm: float
    """Intervals of arms that hold what they are worth."""
    effect: float
    """Intervals of effects that hold none."""
    naive: float
    """Tables of which some effect's interval does not."""


def at_once(num: int, setting: Setting, *, seed: int = 0) -> Rates:
    """All arms on all seeds."""
    rng, question = np.random.default_rng(seed), setting.question()
    verdicts = best = naive = 0
    arm_holds, effect_holds = [], []
    for _ in range(num):
        table = arms(draw(rng, setting).frame(question), question)
        verdicts += claims(table)
        best += table["best"].any()
        arm_holds += list(holds(table["low"], table["high"], TRUTH))
        of_effects = holds(table["effect_low"], table["effect_high"], setting.none)
        effect_holds += list(of_effects)
        naive += not of_effects.all()
    return Rates(
        verdicts / num,
        best / num,
        float(np.mean(arm_holds)),
        float(np.mean(effect_holds)),
        naive / num,
    )


# ---- screened on some seeds, confirmed on others


@dataclass(frozen=True)
class Screened:
    """Parts of the tables; `naive_` is of the best arm on the seeds that chose it."""

    false_verdict: float
    covers: float
    """The interval of the arm that screening puts first holds what it is worth."""
    naive_claims: float
    """It is told from the baseline at 5 % by itself."""
    naive_covers: float
    shrinkage: float
    """Mean factor by which the arm put first is worse on fresh seeds."""


def screened(num: int, setting: Setting, *, seed: int = 0) -> Screened:
    """The arms on `num_seeds`, then the best three and the baseline on as many fresh ones."""
    rng, n = np.random.default_rng(seed), setting.num_seeds
    question = setting.question(screen=list(range(n)), seeds=list(range(n, 2 * n)), keep=KEEP)
    whole = replace(setting, num_seeds=2 * n)
    found = []
    for _ in range(num):
        drawn = draw(rng, whole)
        given = np.zeros_like(drawn.dead)
        given[:, :n] = True
        order = kept(drawn.frame(question, given), question)
        given[[0, *order], n:] = True
        table = arms(drawn.frame(question, given), question).set_index("arm")
        first = table.loc[order[0]]
        logs = np.log(drawn.values[[order[0], 0], :n])
        own, effect = t_interval(logs[0]), t_interval(logs[0] - logs[1])
        found.append(
            (
                claims(table),
                first["low"] <= TRUTH <= first["high"],
                not effect.low <= 0 <= effect.high,
                own.low <= math.log(TRUTH) <= own.high,
                math.log(first["shrinkage"]),
            )
        )
    *parts, shrinkage = np.mean(np.array(found, dtype=float), 0)
    return Screened(*map(float, parts), shrinkage=math.exp(shrinkage))


# ---- seeds added until there is a verdict


@dataclass(frozen=True)
class Decided:
    """Parts of the sweeps, each stopped at its first claims."""

    false_verdict: float
    naive: float
    """Student's t with Holm at every look claims something at some look."""
    seeds: float
    """Mean part of the declared trials that were run."""
    missed: float
    """Intervals of effects, at the end, that do not hold the truth."""


def decided(
    num: int, setting: Setting, *, gains: np.ndarray | None = None, seed: int = 0
) -> Decided:
    """Seeds in turn to the arms that are not settled, up to `num_seeds`."""
    rng, question = np.random.default_rng(seed), setting.question(sequential=True)
    verdicts, naive, spent, missed = 0, 0, [], []
    for _ in range(num):
        drawn = draw(rng, setting, gains=gains)
        frame, given = drawn.frame(question), np.zeros_like(drawn.dead)
        for seed_ in range(setting.num_seeds):
            done = settled(given_of(frame, given), question) if seed_ else set()
            given[[arm for arm in range(setting.num_arms) if arm not in done], seed_] = True
        table = arms(given_of(frame, given), question)
        verdicts += claims(table)
        naive += naive_claims(drawn)
        spent.append(given.mean())
        missed += list(~holds(table["effect_low"], table["effect_high"], setting.none))
    return Decided(verdicts / num, naive / num, float(np.mean(spent)), float(np.mean(missed)))


def given_of(frame: pd.DataFrame, given: np.ndarray) -> pd.DataFrame:
    """The rows of the trials that were run."""
    return frame[given[frame["arm"], frame["seed"]]]


def naive_claims(drawn: Draw) -> bool:
    """Whether t tests, Holm's at each look, find something at some look."""
    d = np.log(drawn.values[1:] / drawn.values[0])
    n = np.arange(2, d.shape[1] + 1)
    means, squares = np.cumsum(d, 1)[:, 1:] / n, np.cumsum(d**2, 1)[:, 1:]
    t = means / np.sqrt((squares - n * means**2) / (n - 1) / n)
    p = 2 * stats.t.sf(abs(t), n - 1)
    return any(min(holm(list(look))) < 0.05 for look in p.T)


# ---- a race


@dataclass(frozen=True)
class Race:
    """Of sweeps that drop what is outclassed."""

    best_dropped: float
    """Part of the sweeps that drop the best arm, or one of equal ones that was named before."""
    trials: float
    """Mean part of the declared trials that were run."""


def race(num: int, setting: Setting, *, gains: np.ndarray | None = None, seed: int = 0) -> Race:
    """The last arm is the best one."""
    rng, question = np.random.default_rng(seed), setting.question(sequential=True)
    dropped, spent = 0, []
    for _ in range(num):
        drawn = draw(rng, setting, gains=gains)
        frame, given, out = drawn.frame(question), np.zeros_like(drawn.dead), set()
        for seed_ in range(setting.num_seeds):
            out |= outclassed(given_of(frame, given), question) if seed_ else set()
            given[[arm for arm in range(setting.num_arms) if arm not in out], seed_] = True
        out |= outclassed(given_of(frame, given), question)
        dropped += setting.num_arms - 1 in out
        spent.append(given.mean())
    return Race(dropped / num, float(np.mean(spent)))


# ---- the table of rates


AT_ONCE = (
    Setting(8, 3),
    Setting(8, 10, common=0.8),
    Setting(8, 5, scatter="normal"),
    Setting(8, 5, common=0.0, scatter="heavy"),
    Setting(8, 10, scatter="lognormal .6", lost=0.1),
    Setting(8, 10, lost=0.1, how="collapsed"),
    Setting(32, 5),
    Setting(4, 5, tuned=8),
)
SCREENED = (
    Setting(8, 3),
    Setting(8, 5),
    Setting(8, 10),
    Setting(32, 5, common=0.0),
    Setting(32, 10, common=0.0),
)
UNTIL_DECIDED = (Setting(8, 30), Setting(8, 20, lost=0.1, how="collapsed"))
RACED = (("equal", np.zeros(8)), ("½ deviation apart", np.arange(8) / 2))


def grid(num: int) -> Iterator[str]:
    """Every size with every correlation and scatter, `num` tables each: per line the mean over
    these twelve, and the worst of them."""
    yield "| equal arms | tables | false verdict | worst | arm held | effect held | naive |"
    yield f"| :--- |{' ---: |' * 6}"
    sizes = [(k, n, lost) for k in (8, 32) for n in (3, 5, 10) for lost in (0.0, 0.1)]
    for num_arms, num_seeds, lost in sizes:
        found = [
            at_once(num, Setting(num_arms, num_seeds, common, scatter, lost), seed=seed)
            for seed, (common, scatter) in enumerate(product((0.0, 0.5, 0.8), SCATTERS))
        ]
        verdicts = [own.false_verdict for own in found]
        means = [np.mean([getattr(own, of) for own in found]) for of in ("arm", "effect", "naive")]
        name = f"{num_arms} arms, {num_seeds} seeds{', 10% diverged' if lost else ''}"
        parts = (np.mean(verdicts), max(verdicts), *means)
        yield _line(name, str(num * len(found)), *map(_percent, parts))


def report(num: int) -> Iterator[str]:
    """Lines of Markdown; fewer tables where one takes long."""
    yield "| all seeds at once | tables | false verdict | a best | arm held | effect held | naive |"
    yield f"| :--- |{' ---: |' * 6}"
    for seed, setting in enumerate(AT_ONCE):
        tables = num if setting.num_arms < 32 else num // 2
        own = at_once(tables, setting, seed=seed)
        parts = (own.false_verdict, own.best, own.arm, own.effect, own.naive)
        yield _line(_name(setting), str(tables), *map(_percent, parts))
    yield "\n| screened, confirmed | tables | false verdict | held | naive false | naive held | × |"
    yield f"| :--- |{' ---: |' * 6}"
    for seed, setting in enumerate(SCREENED, start=10):
        tables = num if setting.num_arms < 32 else num // 3
        own = screened(tables, setting, seed=seed)
        parts = (own.false_verdict, own.covers, own.naive_claims, own.naive_covers)
        yield _line(_name(setting), str(tables), *map(_percent, parts), f"{own.shrinkage:.2f}")
    yield "\n| until decided | tables | false verdict | naive | effect missed | trials run |"
    yield f"| :--- |{' ---: |' * 5}"
    for seed, setting in enumerate(UNTIL_DECIDED, start=20):
        own = decided(num // 2, setting, seed=seed)
        parts = (own.false_verdict, own.naive, own.missed, own.seeds)
        yield _line(_name(setting), str(num // 2), *map(_percent, parts))
    yield "\n| race | tables | best dropped | trials run |"
    yield f"| :--- |{' ---: |' * 3}"
    for seed, (name, gains) in enumerate(RACED, start=30):
        setting = Setting(len(gains), 15)
        own = race(num // 2, setting, gains=gains, seed=seed)
        parts = (own.best_dropped, own.trials)
        yield _line(f"{_name(setting)}, {name}", str(num // 2), *map(_percent, parts))


def _percent(part: float) -> str:
    return f"{part:.1%}"


def _name(setting: Setting) -> str:
    lost = f", {setting.lost:.0%} {setting.how}" if setting.lost else ""
    return (
        f"{setting.num_arms} arms, {setting.num_seeds} seeds, {setting.scatter}, "
        f"ρ = {setting.common:g}{lost}{f', the best of {setting.tuned}' * (setting.tuned > 1)}"
    )


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description="How often tables err.")
    parser.add_argument("--tables", type=int, default=200, help="simulated tables of each setting")
    parser.add_argument("--grid", action="store_true", help="all sizes, correlations and scatters")
    options = parser.parse_args()
    for line in (grid if options.grid else report)(options.tables):
        print(line, flush=True)


if __name__ == "__main__":
    main()
