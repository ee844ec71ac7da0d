"""The door: a YAML file and `--set` overrides become a sweep in which every arm is a valid
trial."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from .base import SpecError
from .domain import Choice, domain_type
from .knobs import knobs, nearest, no_such_knob
from .reader import Document, Path_, read, read_value
from .sweep import Arm, GridSearch, Sweep, assign, lookup
from .trial import Trial

_KNOB_GROUPS = ("scientific", "nuisance", "baseline")


def load(path: Path, overrides: Sequence[str] = ()) -> Sweep:
    """Read, override, validate.

    Args:
        path: the YAML file.
        overrides: `path=value` texts, as after `--set`; a path that begins with a part of a trial
            (such as `budget.images`) means the fixed value.

    Raises:
        SpecError: anything is wrong; one line with the place, the value, the rule and the remedy.
    """
    document = read(path)
    for override in overrides:
        _override(document, override)
    sweep = _validate_sweep(document)
    _check_knobs(sweep, document)
    _check_trials(sweep, document)
    _check_baseline(sweep, document)
    return sweep


def _override(document: Document, text: str) -> None:
    path, separator, value_text = text.partition("=")
    source = f"--set {text}"
    if not separator or not path.strip():
        raise SpecError(f"{source}: write --set path=value, such as --set resources.workers=2")
    value = read_value(value_text, source=source)
    location = _location(path.strip())
    try:
        assign(document.values, list(location), value)
    except ValueError as error:
        raise SpecError(f"{source}: {error}") from None
    for known in [place for place in document.places if place[: len(location)] == location]:
        del document.places[known]
    document.places[location] = source


def _location(path: str) -> tuple[str, ...]:
    head, _, rest = path.partition(".")
    if head in _KNOB_GROUPS and rest:
        return (head, rest)
    if head in Trial.model_fields:
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
        raise _first(error, document, values, known=_keys(Sweep)) from None


def _domain(values: Any, path: Path_, document: Document) -> Any:
    try:
        return domain_type(values).model_validate(values)
    except SpecError as error:
        raise SpecError(f"{document.place(path)}: {_dotted(path)}: {error}") from None
    except ValidationError as error:
        raise _first(error, document, values, prefix=path) from None


def _check_knobs(sweep: Sweep, document: Document) -> None:
    def refuse(path: Path_, sentence: str) -> SpecError:
        return SpecError(f"{document.place(path)}: {_dotted(path)}: {sentence}")

    if len(set(sweep.seeds)) < len(sweep.seeds):
        raise refuse(
            ("seeds",), f"{sweep.seeds} names a seed twice; the unit of a table is the seed"
        )
    names = {knob.path for knob in knobs()}
    for group, domains in (("scientific", sweep.scientific), ("nuisance", sweep.nuisance)):
        for knob, domain in domains.items():
            if knob not in names:
                raise refuse((group, knob), no_such_knob(knob, {}))
            if knob == "seed":
                raise refuse((group, knob), "seeds are repetitions, not a knob; list them in seeds")
            if lookup(sweep.fixed, knob) is not None:
                raise refuse((group, knob), "also stands under fixed; remove one of the two")
            if isinstance(sweep.search, GridSearch) and not isinstance(domain, Choice):
                raise refuse(
                    (group, knob), "a grid needs {choice: [...]}; or search with random, tpe"
                )
            if problem := _condition_problem(sweep, knob):
                raise refuse((group, knob), problem)
    if both := set(sweep.scientific) & set(sweep.nuisance):
        raise refuse(("nuisance", min(both)), "is scientific too; a knob is one or the other")


def _check_trials(sweep: Sweep, document: Document) -> None:
    for arm in _representatives(sweep):
        trial = _trial(sweep, arm, document)
        metrics = trial.data.metrics
        metric = sweep.objective.metric
        if metric not in metrics:
            raise SpecError(
                f"{document.place(('objective', 'metric'))}: objective.metric = {metric}: "
                f"data.kind = {trial.data.kind} has no such metric"
                f"{nearest(metric, list(metrics))} (it has {', '.join(metrics)})"
            )
        workers = sweep.resources.workers
        for name, latents in (
            ("generator", trial.batch.generator_latents),
            ("fake score", trial.batch.fake_score_latents),
        ):
            if latents % workers:
                raise SpecError(
                    f"{document.place(('resources', 'workers'))}: resources.workers = {workers}: "
                    f"the {name}'s {latents} latents of a step cannot be shared equally; "
                    "change workers, batch.latents or batch.generator_fraction"
                )


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


def _check_baseline(sweep: Sweep, document: Document) -> None:
    for knob, value in sweep.baseline.items():
        here = f"{document.place(('baseline', knob))}: baseline.{knob}"
        if knob not in sweep.domains:
            raise SpecError(f"{here} is not swept{nearest(knob, list(sweep.domains))}")
        if not sweep.domains[knob].holds(value):
            raise SpecError(f"{here} = {value!r} is outside the domain of the knob")


def _representatives(sweep: Sweep) -> list[Arm]:
    """Arms that together visit every choice and every end of a range."""
    if isinstance(sweep.search, GridSearch):
        return list(sweep.grid())
    first = {knob: domain.examples()[0] for knob, domain in sweep.domains.items()}
    arms = [
        {**first, knob: value}
        for knob, domain in sweep.domains.items()
        for value in domain.examples()
    ]
    return [sweep.prune(arm) for arm in arms]


def _trial(sweep: Sweep, arm: Arm, document: Document) -> Trial:
    if "seed" in sweep.fixed:
        path = ("fixed", "seed")
        raise SpecError(f"{document.place(path)}: fixed.seed: list repetitions in seeds instead")
    try:
        values = sweep.trial_values(arm, sweep.seeds[0])
    except ValueError as error:
        raise SpecError(f"{document.place(('fixed',))}: {error}") from None
    try:
        return Trial.model_validate(values)
    except ValidationError as error:
        detail = error.errors()[0]
        path = _written(detail["loc"], values)
        knob = _dotted(path)
        group = next((g for g in ("scientific", "nuisance") if knob in getattr(sweep, g)), None)
        place = document.place((group, knob) if group else ("fixed", *path))
        if detail["type"] == "extra_forbidden":
            raise SpecError(f"{place}: {no_such_knob(knob, _chosen_kinds(values))}") from None
        raise SpecError(f"{place}: {_sentence(knob, detail)}") from None


def _first(
    error: ValidationError,
    document: Document,
    values: Any,
    *,
    prefix: Path_ = (),
    known: list[str] | None = None,
) -> SpecError:
    detail = error.errors()[0]
    path = prefix + _written(detail["loc"], values)
    place = document.place(path)
    if detail["type"] == "extra_forbidden" and known is not None:
        name = str(path[-1])
        return SpecError(f"{place}: unknown key {_dotted(path)}{nearest(name, known)}")
    return SpecError(f"{place}: {_sentence(_dotted(path), detail)}")


def _sentence(name: str, detail: Any) -> str:
    """One line for one pydantic error."""
    value, kind, context = detail["input"], detail["type"], detail.get("ctx", {})
    shown = f"{name} = {value!r}" if not isinstance(value, dict | list | BaseModel) else name
    match kind:
        case "missing":
            return f"{name} is missing"
        case "extra_forbidden":
            return f"unknown key {name}"
        case "union_tag_invalid":
            tag = str(context["discriminator"]).strip("'")
            options = context["expected_tags"].replace("'", "").split(", ")
            hint = nearest(str(context["tag"]), options)
            return f"{name}.{tag} = {context['tag']}{hint} (it is one of {', '.join(options)})"
        case "union_tag_not_found":
            tag = str(context["discriminator"]).strip("'")
            return f"{name} needs a {tag}, such as {name}: {{{tag}: ...}}"
        case "too_short":
            return f"{name} is empty; list at least one value"
        case "value_error":
            rule = detail["msg"].removeprefix("Value error, ")
            return f"{name}: {rule}" if name else rule
        case "string_pattern_mismatch":
            return f"{shown}: only a-z, 0-9, _ and -, at most 64, beginning with a letter or digit"
        case _:
            rule = detail["msg"].removeprefix("Input should be ").replace("'", "")
            remedy = "; write it without quotes" if _is_quoted_number(value) else ""
            return f"{shown}: must be {rule}{remedy}"


def _is_quoted_number(value: Any) -> bool:
    try:
        return isinstance(value, str) and float(value) is not None
    except ValueError:
        return False


def _written(location: Sequence[str | int], values: Any) -> Path_:
    """A pydantic location without the union tags, which nobody wrote."""
    path: list[str | int] = []
    node: Any = values
    for index, part in enumerate(location):
        is_key = isinstance(node, dict) and part in node
        if is_key or (isinstance(node, list) and isinstance(part, int) and part < len(node)):
            node = node[part]  # pyright: ignore
            path.append(part)
        elif index == len(location) - 1 and not _is_tag(part, node):
            path.append(part)
    return tuple(path)


def _is_tag(part: str | int, values: Any) -> bool:
    return isinstance(values, dict) and part in (values.get("kind"), values.get("sampler"))


def _chosen_kinds(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    chosen = {prefix.rstrip("."): values["kind"]} if "kind" in values else {}
    for key, value in values.items():
        if isinstance(value, dict):
            chosen |= _chosen_kinds(value, f"{prefix}{key}.")
    return chosen


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _dotted(path: Path_) -> str:
    return ".".join(str(part) for part in path)
