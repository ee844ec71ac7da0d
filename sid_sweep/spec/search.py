"""Which arms a sweep tries: every combination, draws, a design, or what a sampler makes of those
before.

A sampler says itself what it cannot do of a sweep, which is refused when the file is read.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from .arm import Scalar
from .base import Count, Spec, variants
from .domain import Cases, Choice
from .pruning import Pruning
from .reader import Path_

if TYPE_CHECKING:
    from .sweep import Sweep

Problem = tuple[Path_, str]
"""Where in the file, and the sentence; one that begins with a space goes on from there."""


class _Search(Spec):
    learns: ClassVar[bool] = False
    """Whether what it asks for depends on results, so that arms must be told to it as they end."""

    prunes: ClassVar[bool] = True
    """Whether arms may be given up early: it learns nothing, or also from those."""

    sampler: str
    prune: Pruning | None = None
    """When an arm is given up early, on the seeds that screen; null: never."""

    def cannot(self, sweep: "Sweep") -> Iterator[Problem]:
        """What it cannot do of this sweep, and the way out."""
        if self.prune is not None:
            yield from self._cannot_prune(sweep)

    def _cannot_prune(self, sweep: "Sweep") -> Iterator[Problem]:
        path = ("search", "prune")
        if not self.prunes:
            sentence = f"{self.sampler} learns from whole arms alone; leave it out, or search with "
            yield path, sentence + ", ".join(key for key, own in SAMPLERS.items() if own.prunes)
        if not sweep.seeds.confirm:
            sentence = "the seeds on which arms are given up flatter those that stay; judge them "
            yield path, sentence + "on fresh ones, such as seeds: {screen: 1, confirm: 5, keep: 3}"
        if sweep.seeds.race:
            yield path, "seeds.race gives arms up too, between seeds; choose one of the two"
        for key in ("cost", "constraints"):
            if getattr(sweep, key):
                sentence = f"arms are given up by the objective alone, and there is {key}; "
                yield path, sentence + "leave one of the two out"
        for knob in sorted(sweep.set_by_arms & {"budget.images", "evaluation.times"}):
            yield path, f"arms are compared at as many images, and {knob} is swept; fix it"


class GridSearch(_Search):
    """Every combination of the choices."""

    sampler: Literal["grid"] = "grid"

    def cannot(self, sweep: "Sweep") -> Iterator[Problem]:
        yield from super().cannot(sweep)
        for path, domain in sweep.placed_domains():
            if not isinstance(domain, Choice | Cases):
                others = ", ".join([*SAMPLERS][1:])
                yield path, f"a grid needs {{choice: [...]}}; or search with {others}"


class _Sampled(_Search):
    arms: Count
    """Arms to try in all, the baseline and those that are tried first among them."""
    seed: int = 0
    """Of the sampler, not of the trials."""
    try_: list[dict[str, Scalar]] = Field(default_factory=list, alias="try")
    """Arms that are tried before the sampler is asked, after the baseline: values by knob; a knob
    that is not named has its usual value."""
    from_: str | None = Field(default=None, alias="from")
    """An earlier sweep whose ended arms a sampler that learns is told of before it is asked: its
    name, or its folder. They are none of this sweep's."""

    def cannot(self, sweep: "Sweep") -> Iterator[Problem]:
        yield from super().cannot(sweep)
        if (num := len(sweep.declared)) > self.arms:
            sentence = f" = {self.arms}, and {num} arms are named; ask for {num} or more"
            yield ("search", "arms"), sentence
        if self.from_ is not None and not self.learns:
            others = ", ".join(key for key, own in SAMPLERS.items() if own.learns)
            sentence = f"{self.sampler} learns nothing from results; leave it out, or search with "
            yield ("search", "from"), sentence + others


class RandomSearch(_Sampled):
    """Independent draws from the domains."""

    sampler: Literal["random"]


class SobolSearch(_Sampled):
    """A scrambled Sobol sequence (Sobol 1967; Owen 1998): it fills the domains more evenly than
    independent draws. Its n-th point depends on the seed and n alone."""

    sampler: Literal["sobol"]


class _Learning(_Sampled):
    learns: ClassVar[bool] = True

    def cannot(self, sweep: "Sweep") -> Iterator[Problem]:
        yield from super().cannot(sweep)
        if sweep.seeds.screened_in_turn:
            key = "race" if sweep.seeds.race else "until"
            remedy = "search with grid, random or sobol"
            remedy += ", or add confirm" if key == "until" else ""
            sentence = (
                f"screening seeds are handed out in turn over all arms, and {self.sampler} "
                f"chooses an arm by the means of those before; {remedy}"
            )
            yield ("seeds", key), sentence


class TPESearch(_Learning):
    """Tree-structured Parzen estimator (Bergstra et al. 2011), as Optuna has it; draws are random
    until it knows ten arms. For any domains, conditions, a cost and constraints."""

    sampler: Literal["tpe"]


class _Joint(_Learning):
    """Draws all knobs together, so every arm has all of them."""

    prunes: ClassVar[bool] = False

    def cannot(self, sweep: "Sweep") -> Iterator[Problem]:
        yield from super().cannot(sweep)
        for path, domain in sweep.placed_domains():
            if swept := next((own for own in domain.when if own in sweep.domains), None):
                sentence = (
                    f"{self.sampler} draws knobs that every arm has, and {path[-1]} is there for "
                    f"some {swept} alone; search with random, sobol or tpe"
                )
                yield (*path, "when"), sentence


class GPSearch(_Joint):
    """A Gaussian process and its expected improvement (Jones et al. 1998), as Optuna has it;
    draws are random until it knows ten arms. For any domains, a cost and constraints; it estimates
    one noise level for all arms."""

    sampler: Literal["gp"]


class CMAESSearch(_Joint):
    """Evolution of a normal distribution (CMA-ES, Hansen & Ostermeier 2001), from the middle of the
    ranges. For ranges and one objective."""

    sampler: Literal["cmaes"]
    population: Annotated[int, Field(ge=4)] | None = None
    """Arms of a generation; null: 4 + 3 ln(knobs), rounded down."""

    def cannot(self, sweep: "Sweep") -> Iterator[Problem]:
        yield from super().cannot(sweep)
        for path, domain in sweep.placed_domains():
            if isinstance(domain, Choice | Cases):
                sentence = (
                    "cmaes moves along ranges, and this is a choice; write a range such as "
                    "{uniform: [low, high]}, or search with tpe, gp or nsga2"
                )
                yield path, sentence
        for key in ("cost", "constraints"):
            if getattr(sweep, key):
                yield (key,), f"cmaes has one objective and no {key}; search with tpe, gp or nsga2"


class NSGA2Search(_Joint):
    """A genetic algorithm by non-dominated sorting (NSGA-II, Deb et al. 2002), as Optuna has it;
    the first generation are random draws. For any domains, a cost and constraints."""

    sampler: Literal["nsga2"]
    population: Annotated[int, Field(ge=4)] = 16
    """Arms of a generation."""

    def cannot(self, sweep: "Sweep") -> Iterator[Problem]:
        yield from super().cannot(sweep)
        if self.arms <= self.population:
            sentence = (
                f"{self.arms} arms of nsga2 are its first generation of {self.population}, which "
                "is drawn at random; ask for more, or for a smaller search.population"
            )
            yield ("search", "arms"), sentence


Search = Annotated[
    GridSearch | RandomSearch | SobolSearch | TPESearch | GPSearch | CMAESSearch | NSGA2Search,
    Field(discriminator="sampler"),
]
SAMPLERS: dict[str, type[_Search]] = variants(Search, tag="sampler")
