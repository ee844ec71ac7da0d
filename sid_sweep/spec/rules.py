"""What the parts of a sweep refuse of each other: where it was written, and the sentence."""

from collections.abc import Iterator

from pydantic import ValidationError

from .arm import Scalar
from .domain import Cases
from .ends import size_problem
from .knobs import knobs, nearest, no_such_knob
from .messages import finding
from .named import named_arm
from .paths import lookup
from .reader import Path_
from .search import GridSearch, Problem
from .sweep import Sweep
from .trial import Trial


def of_knobs(sweep: Sweep) -> Iterator[Problem]:
    """Knobs that are none, or cannot be swept like that, and seeds that cannot be handed out so."""
    yield from _of_seeds(sweep)
    names = {knob.path for knob in knobs()}
    for path, domain in sweep.placed_domains():
        knob = str(path[-1])
        if isinstance(domain, Cases):
            if problem := _cases_problem(sweep, knob, domain, names):
                yield path, problem
        elif knob not in names:
            yield path, no_such_knob(knob, {})
        if knob == "seed":
            yield path, "seeds are repetitions, not a knob; list them in seeds"
        if lookup(sweep.fixed, knob) is not None:
            yield path, "also stands under fixed; remove one of the two"
        if problem := _condition_problem(sweep, knob):
            yield path, problem
    if both := set(sweep.scientific) & set(sweep.nuisance):
        yield ("nuisance", min(both)), "is scientific too; a knob is one or the other"
    if isinstance(sweep.search, GridSearch):  # before its arms are counted
        yield from sweep.search.cannot(sweep)


def of_size(sweep: Sweep) -> Iterator[Problem]:
    """More than can be run: a plan without an end is not begun, nor written out."""
    if problem := size_problem(sweep):
        yield problem


def of_named_arms(sweep: Sweep) -> Iterator[Problem]:
    """Arms that the file names and that are none of the space: the baseline and those to try."""
    for knob, value in sweep.baseline.items():
        if knob not in sweep.domains:
            yield ("baseline", knob), f" is not swept{nearest(knob, list(sweep.domains))}"
        elif not sweep.domains[knob].holds(value):
            yield ("baseline", knob), f" = {value!r} is outside the domain of the knob"
    if isinstance(sweep.search, GridSearch):
        return
    named: list[tuple[Path_, dict[str, Scalar]]] = []
    named += [(("baseline",), sweep.baseline)] if sweep.baseline else []
    named += [(("search", "try", place), own) for place, own in enumerate(sweep.search.try_)]
    for path, values in named:
        for knob in values:
            if knob not in sweep.domains:
                yield (*path, knob), f" is not swept{nearest(knob, list(sweep.domains))}"
        try:
            arm = named_arm(sweep, values)
            Trial.model_validate(given := sweep.trial_values(arm, sweep.seeds.screen[0]))
        except ValidationError as error:
            yield path, finding(error, given)[1]
        except ValueError as error:
            yield path, str(error)


def of_constraints(sweep: Sweep) -> Iterator[Problem]:
    """Bounds that nothing sets."""
    for place, own in enumerate(sweep.bounds):
        if own.relative and not sweep.baseline:
            sentence = f"{own.text}: there is no baseline; add one, or write a number instead"
            yield ("constraints", place), sentence


def _of_seeds(sweep: Sweep) -> Iterator[Problem]:
    if sweep.seeds.until == "decided" and not sweep.baseline:
        sentence = (
            "decided means the verdicts against a baseline, and there is none; add one, such as "
            f"baseline: {{{next(iter(sweep.scientific))}: ...}}"
        )
        yield ("seeds", "until"), sentence


def _cases_problem(sweep: Sweep, knob: str, cases: Cases, names: set[str]) -> str:
    """Why named groups of settings cannot be swept under this name, or ""."""
    if knob in names:
        return "is a knob; give the cases a name of their own, such as method or setting"
    for case in cases.cases:
        if both := set(cases.settings(case)) & set(sweep.domains):
            return f"case {case} sets {min(both)}, which is swept too; keep one of the two"
    return ""


def _condition_problem(sweep: Sweep, knob: str) -> str:
    """Why the `when` of a knob could never mean anything, or ""."""
    names = list(sweep.domains)
    for path, value in sweep.domains[knob].when.items():
        if path in names[: names.index(knob)]:
            if not sweep.domains[path].holds(value):
                return f"when {path} is {value!r}, which {path} never is"
        elif path in names:
            return f"when {path}: is swept after it; define {path} first"
        elif lookup(sweep.fixed, path) is None:
            return (
                f"when {path}: is neither swept nor fixed{nearest(path, names)}; write it in fixed"
            )
    return ""
