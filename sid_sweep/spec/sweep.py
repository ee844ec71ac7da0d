"""A sweep: one question, its arms and its seeds.

*Scientific* knobs are what the question is about, *nuisance* knobs are tuned so that the comparison
is fair, *fixed* values are neither.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean, geometric_mean
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from .arm import Arm, Scalar
from .base import Count, Positive, Spec, digest, foreign_paths
from .constraints import Constraint, parse
from .domain import Cases, Domain, describe
from .limits import Limits
from .named import named_arm
from .names import Name
from .paths import assign, lookup
from .reader import Path_
from .search import GridSearch, Search
from .seeds import Seeds
from .trial import Trial


class Objective(Spec):
    """What makes a student better. A loss value can never be one: all losses of a family share
    it."""

    metric: str
    """A metric of the data or a cost, taken from the last evaluation of each run."""
    goal: Literal["minimize", "maximize"] = "minimize"
    """Which direction is better."""
    equal_within: Positive | None = None
    """Arms no further apart are equal in practice: a part (0.1 is ±10 %) for a positive metric,
    else a difference; null: nothing is ever called equal, only undecided."""


class Resources(Spec):
    """What a trial runs on. It never changes what a trial computes, beyond rounding."""

    workers: Count = 1
    """Processes that share a trial's batch."""
    cpus_per_worker: Annotated[int, Field(ge=1)] = 1
    """Cores, and threads, of each."""
    gpus_per_worker: Literal["auto"] | Annotated[float, Field(ge=0)] = "auto"
    """GPUs of each; a fraction lets several share one; auto: one where there are any, else none."""
    concurrency: Count | None = None
    """Most trials at a time; null: as many as fit."""
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 20.0
    """Least time between two checkpoints of a trial, beside those of its evaluations."""
    retries: Annotated[int, Field(ge=0)] = 2
    """How often a trial whose process was killed, or whose GPU was full, is tried again at once."""


class Sweep(Spec):
    """One YAML file. Read it with `load`, which also proves that every arm is a valid trial."""

    sweep: Name
    """Its name, also that of its folder and of its experiment in MLflow."""
    question: str
    """What is asked, in one sentence."""
    expect: str = ""
    """What is expected, written before it runs."""
    found: str = ""
    """What came out, with figures, written after it ran."""
    objective: Objective
    """By what arms are compared."""
    cost: Objective | None = None
    """A second objective; the sampler then looks for the best trade between both."""
    constraints: list[str] = Field(default_factory=list)
    """What an arm must keep to be best, by its means: METRIC <= NUMBER, METRIC >= NUMBER, or so
    many times the baseline, such as cost/state_bytes <= 8e9 or off_modes <= 1.1 * baseline."""
    search: Search = GridSearch()
    """Which arms are tried."""
    seeds: Seeds
    """Repetitions, shared by all arms: a list, a count, or which screen and which confirm."""
    scientific: dict[str, Domain] = Field(min_length=1)
    """What the question is about, by knob: a domain, such as loss.lambda: {choice: [0.5, 1.0]}."""
    nuisance: dict[str, Domain] = Field(default_factory=dict)
    """Knobs that are tuned so that the comparison is fair, likewise."""
    baseline: dict[str, Scalar] = Field(default_factory=dict)
    """The arm that others are compared with: values of some swept knobs. Where arms are not a grid
    it is run first, what it does not name at its usual value."""
    fixed: dict[str, Any]
    """What all trials share: any knob of a trial, in groups, and `preset`."""
    columns: list[str] = Field(default_factory=list)
    """Further metrics for the table, such as cost/evaluations."""
    resources: Resources = Resources()
    """What a trial runs on."""
    limits: Limits = Limits()
    """How much may be spent before it stops by itself."""

    @field_validator("constraints")
    @classmethod
    def _said_once(cls, constraints: list[str]) -> list[str]:
        """Each in its one way to be written."""
        texts = [parse(own).text for own in constraints]
        if twice := next((own for own in texts if texts.count(own) > 1), None):
            raise ValueError(f"{twice} stands there twice; keep one of them")
        return texts

    @property
    def domains(self) -> dict[str, Domain]:
        """All swept knobs, scientific first."""
        return {**self.scientific, **self.nuisance}

    def placed_domains(self) -> Iterator[tuple[Path_, Domain]]:
        """Every domain with where it stands in the file."""
        for group in ("scientific", "nuisance"):
            for knob, domain in getattr(self, group).items():
                yield (group, knob), domain

    @property
    def bounds(self) -> list[Constraint]:
        """What the constraints say."""
        return [parse(own) for own in self.constraints]

    @property
    def objectives(self) -> list[Objective]:
        """The objective, and the cost if there is one."""
        return [self.objective, *([self.cost] if self.cost else [])]

    @property
    def num_arms(self) -> int:
        """Arms that this sweep asks for."""
        if isinstance(self.search, GridSearch):
            return sum(1 for _ in self.grid())
        return self.search.arms

    @property
    def num_confirmed(self) -> int:
        """Arms that run on the seeds that confirm, at most: those that are kept, and the
        baseline."""
        wanted = (self.seeds.keep or 0) + bool(self.baseline)
        return min(wanted, self.num_arms) if self.seeds.confirm else 0

    @property
    def num_trials(self) -> int:
        """Trials in all, at most: every arm at the seeds that screen, and those that are
        confirmed."""
        screened = self.num_arms * len(self.seeds.screen)
        return screened + self.num_confirmed * len(self.seeds.confirm)

    @functools.cached_property
    def declared(self) -> list[Arm]:
        """The arms that the file names: all of a grid; else the baseline, then those to try."""
        if isinstance(self.search, GridSearch):
            return list(self.grid())
        named = [*([self.baseline] if self.baseline else []), *self.search.try_]
        return list(dict.fromkeys(named_arm(self, values) for values in named))

    def is_baseline(self, arm: Arm) -> bool:
        """Whether others are compared with it: in a grid with the best of all its nuisance
        settings, else with the first arm."""
        if not self.baseline:
            return False
        if not isinstance(self.search, GridSearch):
            return arm == self.declared[0]
        return all(arm.get(knob) == value for knob, value in self.baseline.items())

    def grid(self) -> Iterator[Arm]:
        """Every combination of choices, each once; a knob whose condition fails is left out."""
        yield from map(Arm, self._combinations({}, tuple(self.domains)))

    def _combinations(
        self, chosen: dict[str, Scalar], left: tuple[str, ...]
    ) -> Iterator[dict[str, Scalar]]:
        """Every way to go on from what is chosen; conditions look at knobs before theirs alone."""
        if not left:
            yield chosen
        elif not self.applies(left[0], chosen):
            yield from self._combinations(chosen, left[1:])
        else:
            for value in self.domains[left[0]].corners():
                yield from self._combinations({**chosen, left[0]: value}, left[1:])

    def first_arm(self) -> Arm:
        """An arm that the space certainly has, for what all trials share."""
        return self.trimmed({knob: domain.corners()[0] for knob, domain in self.domains.items()})

    def foreign(self) -> list[str]:
        """Files and folders that someone else made, of all its trials."""
        first = self.first_arm()
        arms = (
            self.trimmed({**first, knob: value})
            for knob, domain in self.domains.items()
            for value in domain.corners()
        )
        if isinstance(self.search, GridSearch):
            arms = self.grid()
        trials = (self.trial(arm, self.seeds.screen[0]) for arm in (first, *arms))
        return sorted({path for trial in trials for path in foreign_paths(trial).values()})

    def applies(self, knob: str, arm: Mapping[str, Scalar]) -> bool:
        """Whether the conditions of `knob` hold in `arm` or in the fixed values."""
        conditions = self.domains[knob].when
        return all(arm.get(path, lookup(self.fixed, path)) == v for path, v in conditions.items())

    @property
    def set_by_arms(self) -> set[str]:
        """All knobs that arms set, those of cases among them."""
        found: set[str] = set()
        for knob, domain in self.domains.items():
            is_case = isinstance(domain, Cases)
            found |= {p for c in domain.cases for p in domain.settings(c)} if is_case else {knob}
        return found

    def trimmed(self, values: Mapping[str, Scalar]) -> Arm:
        """The arm of `values`, without the knobs whose conditions fail."""
        kept: dict[str, Scalar] = {}
        for knob, value in values.items():
            if self.applies(knob, kept):
                kept[knob] = value
        return Arm(kept)

    def trial(self, arm: Arm, seed: int) -> Trial:
        """The resolved trial of an arm at a seed. An arm is resolved once, and its trials share all
        but the seed: no rule looks at it."""
        if arm not in self._resolved:
            self._resolved[arm] = Trial.model_validate(self.trial_values(arm, seed))
        return self._resolved[arm].model_copy(update={"seed": seed})

    @functools.cached_property
    def _resolved(self) -> dict[Arm, Trial]:
        return {}

    def trials(self, arm: Arm) -> list[Trial]:
        """Those of an arm at all seeds, screening ones first."""
        return [self.trial(arm, seed) for seed in self.seeds.all]

    def trial_values(self, arm: Arm, seed: int) -> dict[str, Any]:
        """The trial's values before validation: fixed, then the arm, then the seed."""
        values = _copy(self.fixed)
        for knob, value in arm.items():
            domain = self.domains.get(knob)
            settings = domain.settings(str(value)) if isinstance(domain, Cases) else {knob: value}
            for path, setting in settings.items():
                assign(values, path.split("."), setting)
        values["seed"] = seed
        return values

    @functools.cached_property
    def _positive(self) -> tuple[str, ...]:
        return self.trial(self.first_arm(), self.seeds.screen[0]).positive

    def mean(self, metric: str, values: Iterable[float]) -> float:
        """Of one arm's seeds, wherever arms are put in order: geometric for what is compared by
        ratios, as in the table."""
        return (geometric_mean if self.is_ratio(metric) else fmean)(values)

    def is_ratio(self, metric: str) -> bool:
        """Whether arms are compared by the ratio of their values of a metric."""
        return metric in self._positive

    def outline(self) -> dict[str, Any]:
        """The question as plain values, for tables that outlive this program's memory."""
        first, seeds = self.trial(self.first_arm(), self.seeds.screen[0]), self.seeds
        return {
            "sweep": self.sweep,
            "question": self.question,
            "metric": self.objective.metric,
            "goal": self.objective.goal,
            "scientific": list(self.scientific),
            "nuisance": list(self.nuisance),
            "baseline": self.baseline,
            "seeds": seeds.reported,
            "screen": seeds.screen if seeds.confirm else [],
            "keep": seeds.keep or 0,
            "sequential": seeds.sequential,
            "num_arms": self.num_arms,
            "collapse": first.data.collapse,
            "columns": self._columns(),
            "scale": "ratio" if self.objective.metric in self._positive else "difference",
            "equal_within": self.objective.equal_within or 0.0,
            "most": first.most.get(self.objective.metric),
            "samples": {} if "evaluation.samples" in self.domains else first.sampled,
            **({"cost": self.cost.metric, "cost_goal": self.cost.goal} if self.cost else {}),
            **({"constraints": self.constraints} if self.constraints else {}),
            **({"kept": first.evaluation.kept} if first.evaluation.keeps else {}),
            **({"pruned_by": self.search.prune.called} if self.search.prune else {}),
            "domains": {knob: describe(domain) for knob, domain in self.domains.items()},
        }

    def _columns(self) -> list[str]:
        """What a table shows beside the objective."""
        usual = self.trial(self.first_arm(), self.seeds.screen[0]).columns
        costs, limited = [self.cost] if self.cost else [], self.bounds
        asked = [*(own.metric for own in (*costs, *limited)), *self.columns]
        return [c for c in dict.fromkeys([*usual, *asked]) if c != self.objective.metric]


def space_digest(sweep: Sweep) -> str:
    """Identity of what a sweep draws from and averages over: domains, sampler, the seeds that
    screen; of one that learns, what it learns of arms."""
    search = sweep.search.model_dump(exclude={"arms", "try_"}, exclude_none=True)
    domains = {knob: domain.model_dump() for knob, domain in sweep.domains.items()}
    values = {"search": search, "domains": domains, "seeds": sorted(sweep.seeds.screen)}
    if sweep.search.learns and sweep.constraints:
        values["constraints"] = sweep.constraints
        if any(own.relative for own in sweep.bounds):
            values["baseline"] = sweep.baseline
    return digest(values)


def _copy(values: Any) -> Any:
    return (
        {key: _copy(value) for key, value in values.items()} if isinstance(values, dict) else values
    )
