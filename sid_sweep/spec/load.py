"""The door: a YAML file and `--set` overrides become a sweep in which every arm is a valid
trial."""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from . import rules
from .arm import Arm
from .base import SpecError
from .domain import Cases, domain_type
from .knobs import nearest, no_such_knob
from .messages import finding, keys_at
from .paths import assign, dotted, leaves
from .reader import Document, Path_, read, read_value
from .search import GridSearch, Problem
from .sweep import Sweep
from .trial import Trial

SET = "--set"
MAX_SHOWN = 120  # characters of an override in a message
_KNOB_GROUPS = ("scientific", "nuisance", "baseline")
_WORDS = ("sweep", "question", "expect", "found", "columns", "resources", "limits")
"""What may be overridden and leave true what the file says was found."""


def load(path: Path, overrides: Sequence[str] = ()) -> Sweep:
    """Read, override, validate.

    What the file says was found is left out where an override asks for something else.

    Args:
        path: the YAML file.
        overrides: `path=value` texts, as after `--set`; a path that begins with a part of a trial
            (such as `budget.images`) means the fixed value.

    Raises:
        SpecError: anything is wrong; one line with the place, the value, the rule and the remedy.
    """
    document = _overridden(path, overrides)
    try:
        return _valid(document)
    except SpecError as error:
        raise _blamed(error, path, overrides) from None


def _overridden(path: Path, overrides: Sequence[str]) -> Document:
    document = read(path)
    written = deepcopy(document.values)
    for override in overrides:
        _override(document, override)
    if _deciding(document.values) != _deciding(written):
        document.values.pop("found", None)
    return document


def _valid(document: Document) -> Sweep:
    sweep = _validate_sweep(document)
    _refuse_first(rules.of_knobs(sweep), document)
    _refuse_first(rules.of_size(sweep), document)
    _check_trials(sweep, document)
    _refuse_first(rules.of_named_arms(sweep), document)
    _refuse_first(rules.of_constraints(sweep), document)
    _refuse_first(sweep.search.cannot(sweep), document)
    return sweep


def _blamed(error: SpecError, path: Path, overrides: Sequence[str]) -> SpecError:
    """What is wrong, said of the override without which it would not be: a rule that looks at
    several values may name a line of the file that was right before."""
    if str(error).startswith(SET) or _refusal(read(path)):
        return error
    refused = (_refusal(_overridden(path, overrides[: n + 1])) for n in range(len(overrides)))
    culprit = next(o for o, own in zip(overrides, refused, strict=True) if own == str(error))
    whole = _overridden(path, overrides)._replace(places={(): f"{SET} {_short(culprit)}"})
    return SpecError(_refusal(whole))


def _refusal(document: Document) -> str:
    try:
        _valid(document)
    except SpecError as error:
        return str(error)
    return ""


def _deciding(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in _WORDS}


def _override(document: Document, text: str) -> None:
    path, separator, value_text = text.partition("=")
    source = f"{SET} {_short(text)}"
    if not separator or not all(part.strip() for part in path.split(".")):
        raise SpecError(f"{source}: write --set path=value, such as --set resources.workers=2")
    value = read_value(value_text, source=source)
    location = _location(path.strip())
    if location[0] == "seeds" and len(location) > 1:
        _name_the_screen(document)
    try:
        assign(document.values, location, value)
    except ValueError as error:
        raise SpecError(f"{source}: {error}") from None
    for known in [place for place in document.places if place[: len(location)] == location]:
        del document.places[known]
    document.places[location] = source


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _name_the_screen(document: Document) -> None:
    """A list or a count of seeds as the mapping that it stands for, so that a key of it can be
    set."""
    written = document.values.get("seeds")
    if written is None or isinstance(written, dict):
        return
    document.values["seeds"] = {"screen": written}
    places = {place: here for place, here in document.places.items() if place[:1] == ("seeds",)}
    document.places.update({("seeds", "screen", *p[1:]): here for p, here in places.items()})


def _location(path: str) -> tuple[str, ...]:
    head, _, rest = path.partition(".")
    if head in _KNOB_GROUPS and rest:
        return (head, rest)
    if head in (*Trial.model_fields, "preset"):
        return ("fixed", *path.split("."))
    return tuple(path.split("."))


def _validate_sweep(document: Document) -> Sweep:
    values = dict(document.values)
    for group in ("scientific", "nuisance"):
        if isinstance(values.get(group), dict):
            values[group] = {
                knob: _domain(domain, (group, knob), document)
                for knob, domain in values[group].items()
            }
    try:
        return Sweep.model_validate(values)
    except ValidationError as error:
        raise _first(error, document, values) from None


def _domain(values: Any, path: Path_, document: Document) -> Any:
    try:
        return domain_type(values).model_validate(values)
    except SpecError as error:
        raise SpecError(f"{document.place(path)}: {dotted(path)}: {error}") from None
    except ValidationError as error:
        raise _first(error, document, values, prefix=path) from None


def _refuse_first(problems: Iterable[Problem], document: Document) -> None:
    for path, sentence in problems:
        colon = "" if sentence.startswith(" ") else ": "
        raise SpecError(f"{document.place(path)}: {dotted(path)}{colon}{sentence}")


def _check_trials(sweep: Sweep, document: Document) -> None:
    for arm in _representatives(sweep):
        trial = _trial(sweep, arm, document)
        _check_metrics(sweep, arm, trial, document)
        workers = sweep.resources.workers
        for name, latents in (
            ("generator", trial.batch.generator_latents),
            ("fake score", trial.batch.fake_score_latents),
        ):
            if trial.method.groups and latents % workers:
                raise SpecError(
                    f"{document.place(('resources', 'workers'))}: resources.workers = {workers}: "
                    f"the {name}'s {latents} latents of a step cannot be shared equally; "
                    "change workers, batch.latents or batch.generator_fraction"
                )


def _check_metrics(sweep: Sweep, arm: Arm, trial: Trial, document: Document) -> None:
    asked: dict[Path_, str] = {("objective", "metric"): sweep.objective.metric}
    if sweep.cost is not None:
        asked["cost", "metric"] = sweep.cost.metric
    asked |= {("columns", index): name for index, name in enumerate(sweep.columns)}
    asked |= {("constraints", index): own.metric for index, own in enumerate(sweep.bounds)}
    for path, metric in asked.items():
        if metric not in trial.metrics:
            raise SpecError(
                f"{document.place(path)}: {dotted(path)} = {metric}: there is no such metric with "
                f"data.kind = {trial.data.kind} and noise.kind = {trial.noise.kind}"
                f"{nearest(metric, list(trial.metrics))} (it has {', '.join(trial.metrics)})"
            )


def _representatives(sweep: Sweep) -> list[Arm]:
    """Arms that together visit every choice and every end of a range."""
    if isinstance(sweep.search, GridSearch):
        return list(sweep.grid())
    first = {knob: domain.corners()[0] for knob, domain in sweep.domains.items()}
    return [
        sweep.trimmed({**first, knob: value})
        for knob, domain in sweep.domains.items()
        for value in domain.corners()
    ]


def _trial(sweep: Sweep, arm: Arm, document: Document) -> Trial:
    if "seed" in sweep.fixed:
        path = ("fixed", "seed")
        raise SpecError(f"{document.place(path)}: fixed.seed: list repetitions in seeds instead")
    try:
        values = sweep.trial_values(arm, sweep.seeds.screen[0])
    except ValueError as error:
        raise SpecError(f"{document.place(('fixed',))}: {error}") from None
    try:
        return Trial.model_validate(values)
    except ValidationError as error:
        path, sentence, detail = finding(error, values)
        if detail["type"] == "extra_forbidden":
            first = next(iter(leaves(detail["input"], "")), ("", None))[0]
            sentence = no_such_knob(".".join(filter(None, (dotted(path), first))), values)
        if not path:
            sentence += f" (in the arm {arm})"
        raise SpecError(f"{document.place(_origin(sweep, arm, path))}: {sentence}") from None


def _origin(sweep: Sweep, arm: Arm, path: Path_) -> Path_:
    """Where in the YAML the value at `path` of an arm's trial was written."""
    for group in ("scientific", "nuisance"):
        for knob, domain in getattr(sweep, group).items():
            if knob == dotted(path):
                return (group, knob)
            if isinstance(domain, Cases) and knob in arm:
                case = str(arm[knob])
                if any(own.startswith(dotted(path)) for own in domain.settings(case)):
                    return (group, knob, "cases", case, *path)
    return ("fixed", *path)


def _first(
    error: ValidationError, document: Document, values: Any, *, prefix: Path_ = ()
) -> SpecError:
    path, sentence, detail = finding(error, values)
    place = document.place(prefix + path)
    if prefix:
        sentence = f"{dotted(prefix)}.{sentence}" if path else f"{dotted(prefix)}: {sentence}"
    elif detail["type"] == "extra_forbidden":
        sentence += nearest(str(path[-1]), keys_at(Sweep, path))
    return SpecError(f"{place}: {sentence}")
