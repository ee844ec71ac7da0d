"""Samplers: what asks for the next arm. Each is made anew for each question, from the seed of the
search, the number of the question and what the study was told, so that a sweep that was interrupted
goes on as if it had not been.

| | number and seed | results | kept between questions |
|---|---|---|---|
| random, sobol | yes | no | nothing |
| tpe, gp | yes | all that were told | nothing |
| cmaes | yes | those of whole generations | the generation of an arm, in its proposal |
| nsga2 | yes | those of the last generations | generations and parents, in Optuna's attributes |
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, NSGAIISampler
from optuna.trial import FrozenTrial, TrialState

from sid_sweep.spec import Sweep
from sid_sweep.spec.domain import Cases, Choice, Domain, IntUniform, LogUniform, Uniform
from sid_sweep.spec.search import (
    CMAESSearch,
    GPSearch,
    GridSearch,
    NSGA2Search,
    RandomSearch,
    SobolSearch,
    TPESearch,
)

GENERATION = "generation"
"""Attribute of a proposal that CMA-ES made."""
EARLIER = "earlier"
"""Attribute of a completed trial that an earlier sweep lent: the number of its arm there."""
FIRST_SIGMA = 1 / 6
"""Of CMA-ES, in widths of the domains; Optuna's."""
BEST_PART = 0.1
"""Of earlier arms, from which CMA-ES begins (Nomura et al. 2021)."""


def distribution(domain: Domain) -> BaseDistribution:
    """A domain in Optuna's terms."""
    match domain:
        case Choice() | Cases():
            return CategoricalDistribution(domain.corners())
        case Uniform():
            return FloatDistribution(*domain.uniform)
        case LogUniform():
            return FloatDistribution(*domain.log_uniform, log=True)
        case IntUniform():
            return IntDistribution(*domain.int_uniform)


def sampler(sweep: Sweep, number: int) -> BaseSampler:
    """Of the question with that number."""
    search = sweep.search
    if isinstance(search, GridSearch):  # it is queued whole and never asks its sampler
        return optuna.samplers.RandomSampler(seed=0)
    seed = _hashed(f"{search.seed}/{number}")
    match search:
        case RandomSearch():
            return optuna.samplers.RandomSampler(seed=seed)
        case SobolSearch():
            return SobolSampler(list(sweep.domains), _hashed(f"{search.seed}/sobol"), number)
        case TPESearch():
            return optuna.samplers.TPESampler(seed=seed)
        case GPSearch():
            return optuna.samplers.GPSampler(seed=seed)
        case CMAESSearch():
            return CMAESSampler(sweep, seed, search.population)
        case NSGA2Search():
            return NSGAIISampler(seed=seed, population_size=search.population)


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")


def blind(sweep: Sweep, number: int) -> BaseSampler:
    """Random draws, where a sampler asks for known arms again and again."""
    draws = RandomSearch(sampler="random", arms=1, seed=getattr(sweep.search, "seed", 0))
    return sampler(sweep.model_copy(update={"search": draws}), number)


def join_generation(study: optuna.Study, number: int) -> None:
    """Have an arm that the sampler was not asked for count for its generation, where it has some:
    NSGA-II breeds from those it knows of alone."""
    if isinstance(study.sampler, NSGAIISampler):
        proposal = study.get_trials(deepcopy=False)[number]
        study.sampler.get_trial_generation(study, proposal)


def first_generation(sweep: Sweep) -> dict[str, Any]:
    """Optuna's attributes of a trial that was completed elsewhere, so that NSGA-II breeds from
    it."""
    is_bred = isinstance(sweep.search, NSGA2Search)
    return {NSGAIISampler._get_generation_key(): 0} if is_bred else {}


class SobolSampler(BaseSampler):
    """A point of a scrambled Sobol sequence, a coordinate for each knob. Knobs whose conditions
    fail leave theirs unused, which keeps those of the others where they are."""

    def __init__(self, knobs: Sequence[str], seed: int, number: int) -> None:
        from scipy.stats import qmc  # which takes half a second to load

        design = qmc.Sobol(len(knobs), scramble=True, rng=np.random.default_rng(seed))
        if number:
            design.fast_forward(number)
        point = design.random()[0]
        self._point = dict(zip(knobs, point.tolist(), strict=True))

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return placed(self._point[param_name], param_distribution)


class CMAESSampler(BaseSampler):
    """CMA-ES in the unit cube, by the library of Optuna's authors.

    Optuna's own sampler keeps its state as a pickle in the journal, and a journal may come from
    anywhere: here the state is made again from the arms of whole generations, the first of each
    that were told.
    """

    def __init__(self, sweep: Sweep, seed: int, population: int | None) -> None:
        applied = {k: d for k, d in sweep.domains.items() if sweep.applies(k, {})}
        self._space = {knob: distribution(domain) for knob, domain in applied.items()}
        self._seed, self._population = seed, population
        self._sign = 1 if sweep.objective.goal == "minimize" else -1

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._space

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        state = self._state(study)
        optuna.Trial(study, trial._trial_id).set_user_attr(GENERATION, state.generation)
        state.reseed_rng(self._seed)
        return {
            knob: placed(float(place), self._space[knob])
            for knob, place in zip(self._space, state.ask(), strict=True)
        }

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        raise AssertionError(f"{param_name} is no knob of every arm")

    def _state(self, study: optuna.Study) -> Any:
        """After all generations that are whole."""
        told = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        told.sort(key=lambda own: own.datetime_complete or own.datetime_start)  # pyright: ignore
        state = self._begun([own for own in told if GENERATION not in own.user_attrs])
        while True:
            own = [t for t in told if t.user_attrs.get(GENERATION) == state.generation]
            if len(own) < state.population_size:
                return state
            state.tell([self._solution(trial) for trial in own[: state.population_size]])

    def _begun(self, others: list[FrozenTrial]) -> Any:
        """In the middle, or where the best of the arms of an earlier sweep are."""
        import cmaes

        dim = len(self._space)
        mean, sigma, cov = np.full(dim, 0.5), FIRST_SIGMA, None
        if source := [self._solution(own) for own in others if EARLIER in own.user_attrs]:
            part = max(BEST_PART, 1 / len(source))
            mean, sigma, cov = cmaes.get_warm_start_mgd(source, gamma=part)
        return cmaes.CMA(
            mean=mean,
            sigma=sigma,
            cov=cov,
            bounds=np.array([[0.0, 1.0]] * dim),
            n_max_resampling=10 * dim,
            population_size=self._population,
        )

    def _solution(self, trial: FrozenTrial) -> tuple[np.ndarray, float]:
        assert trial.value is not None
        places = [place_of(trial.params[knob], own) for knob, own in self._space.items()]
        return np.array(places), self._sign * trial.value


def placed(place: float, own: BaseDistribution) -> Any:
    """The value at a place between 0 and 1 of a distribution."""
    match own:
        case CategoricalDistribution():
            return own.choices[min(int(place * len(own.choices)), len(own.choices) - 1)]
        case IntDistribution():
            return min(own.low + int(place * (own.high - own.low + 1)), own.high)
        case FloatDistribution(log=True):
            low, high = np.log(own.low), np.log(own.high)
            return float(np.clip(np.exp(low + place * (high - low)), own.low, own.high))
        case FloatDistribution():
            return float(np.clip(own.low + place * (own.high - own.low), own.low, own.high))
    raise AssertionError(f"no domain has the distribution {own}")


def place_of(value: Any, own: BaseDistribution) -> float:
    """Where a number lies in its distribution; of a whole number the middle of its share."""
    match own:
        case IntDistribution():
            return (value - own.low + 0.5) / (own.high - own.low + 1)
        case FloatDistribution(log=True):
            return float(np.log(value / own.low) / np.log(own.high / own.low))
        case FloatDistribution():
            return (value - own.low) / (own.high - own.low)
    raise AssertionError(f"{value!r} is no number")
