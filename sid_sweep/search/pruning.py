"""Which arms are given up before their budget is spent.

Arms are compared as the seeds of a table are: paired. After an evaluation at which the rule looks,
an arm stands where it stands among all arms that were evaluated as often on the same seeds, by the
mean over those of its seeds that have come so far. One that diverged or collapsed before is the
worst from then on; one that was given up counts up to there. The baseline is never given up, since
others are compared with it.

What is known is what the trials' folders say, so an interrupted sweep goes on with the same. With
one trial at a time the same arms are given up then; with several it hangs on which came first, as
it does in what was published.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from statistics import fmean

from sid_sweep.spec import Sweep
from sid_sweep.trials import Entry, Result

Place = tuple[int, int]
"""Of a trial: the number of its arm, and its seed."""


class Pruner:
    """What screening trials came to so far, and which arms were given up for it."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep, self._rule = sweep, sweep.search.prune
        self._metric = sweep.objective.metric
        self._seeds = sweep.seeds.screen if self._rule else []
        self._courses: defaultdict[Place, dict[int, float]] = defaultdict(dict)
        """By trial: the metric by images, less is better, in logarithms where arms are compared by
        ratios; not of the start."""
        self._lost: set[Place] = set()
        self._causes: dict[int, str] = {}
        """Of the arms that were given up."""

    def recall(self, entry: Entry) -> None:
        """Note what a trial has come to, as its folder says."""
        if entry.seed in self._seeds and entry.folder.path.is_dir():
            for own in entry.folder.measurements():
                self.evaluated(entry, own.images, own.metrics)

    def evaluated(self, entry: Entry, images: int, metrics: Mapping[str, float]) -> None:
        """Note an evaluation; that of the start says nothing yet."""
        if entry.seed in self._seeds and images and self._metric in metrics:
            sign = 1 if self._sweep.objective.goal == "minimize" else -1
            value = metrics[self._metric]
            if self._sweep.is_ratio(self._metric):
                value = math.log(value) if value > 0 else -math.inf
            self._courses[entry.number, entry.seed][images] = sign * value

    def give_up(self, number: int, cause: str) -> None:
        """Note that an arm was given up."""
        self._causes.setdefault(number, cause)

    def ended(self, entry: Entry, result: Result) -> None:
        """Note how a trial ended; one that failed is tried again, and says nothing of its arm."""
        if result.outcome == "pruned":
            self.give_up(entry.number, result.cause)
        elif result.outcome in ("diverged", "collapsed"):
            self._lost.add((entry.number, entry.seed))

    def why(self, entry: Entry, images: float = math.inf) -> str:
        """Why a trial that has come so far trains no further: its arm was given up, or is now; ""
        if it does. To be asked of trials without an end alone, since the trial's own note that it
        was given up is what remembers it."""
        if entry.seed not in self._seeds:
            return ""
        if entry.number not in self._causes and (cause := self._judged(entry, images)):
            self.give_up(entry.number, cause)
        return self._causes.get(entry.number, "")

    def last_values(self, number: int) -> tuple[int, float] | None:
        """The last evaluation that an arm has had, counted from 1, and the mean of the metric over
        its seeds there; None where it has none."""
        turns = {seed: len(self._courses.get((number, seed), ())) for seed in self._seeds}
        last = max(turns.values(), default=0)
        values = [self._at((number, seed), last) for seed, turn in turns.items() if turn == last]
        known = [value for value in values if value is not None]
        return (last, self._told(fmean(known))) if last and known else None

    # ---- the comparison

    def _judged(self, entry: Entry, images: float) -> str:
        rule, place = self._rule, (entry.number, entry.seed)
        turn = sum(own <= images for own in self._courses.get(place, ()))
        times = entry.trial.evaluation.times
        if rule is None or turn not in rule.looks(times) or self._sweep.is_baseline(entry.arm):
            return ""
        seeds = [seed for seed in self._seeds if self._at((entry.number, seed), turn) is not None]
        means = {arm: self._mean(arm, seeds, turn) for arm in {arm for arm, _ in self._known()}}
        standing = {arm: mean for arm, mean in means.items() if mean is not None}
        own = standing[entry.number]
        num_better = sum(mean < own for mean in standing.values())
        if rule.spares(num_better, len(standing)):
            return ""
        at = "seed " if len(seeds) == 1 else "the mean of seeds "
        return (
            f"{self._metric} {self._told(own):.4g} at {turn} of {times} evaluations, "
            f"{at}{', '.join(map(str, seeds))}: {num_better} of {len(standing) - 1} other arms "
            "are better"
        )

    def _known(self) -> set[Place]:
        return {*self._courses, *self._lost}

    def _mean(self, arm: int, seeds: list[int], turn: int) -> float | None:
        """Of an arm, after so many evaluations; None where it lacks one on one of these seeds."""
        values = [self._at((arm, seed), turn) for seed in seeds]
        known = [value for value in values if value is not None]
        return fmean(known) if len(known) == len(values) else None

    def _at(self, place: Place, turn: int) -> float | None:
        """What a trial came to by an evaluation, counted from 1."""
        course = self._courses.get(place, {})
        if len(course) < turn:
            return math.inf if place in self._lost else None
        return course[sorted(course)[turn - 1]]

    def _told(self, value: float) -> float:
        """As the metric has it."""
        own = value if self._sweep.objective.goal == "minimize" else -value
        return math.exp(own) if self._sweep.is_ratio(self._metric) else own
