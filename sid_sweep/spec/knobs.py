"""Every knob of a trial by its dotted path: the manual behind `--knobs` and the messages."""

import builtins
import difflib
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from .base import alternatives, fill, models_in, plain, tag_of
from .domain import DOMAINS, Choice
from .presets import PRESETS
from .sweep import Sweep
from .trial import Trial


class Knob(NamedTuple):
    """One settable value; `kinds` are the choices of enclosing unions under which it exists."""

    path: str
    type: str
    default: Any
    doc: str
    kinds: tuple[tuple[str, str], ...]


def knobs(
    model: type[BaseModel] = Trial,
    prefix: str = "",
    kinds: tuple[tuple[str, str], ...] = (),
    instance: Any = None,
) -> Iterator[Knob]:
    """All leaves below `model`, in the order of their definition.

    Args:
        instance: what stands there by default, whose values are the defaults; None: the model's
        own.
    """
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        default = getattr(instance, name) if isinstance(instance, model) else field.default
        if default is PydanticUndefined:
            default = None
        if isinstance(default, tuple):  # as YAML has it
            default = list(default)
        variants = models_in(field.annotation)
        if not variants:
            doc = _words(field.description or model.__doc__ or "")
            yield Knob(path, _type_name(field.annotation), default, doc, kinds)
        for variant in variants:
            tag = tag_of(variant) if len(variants) > 1 else None
            own = ((path, get_args(variant.model_fields[tag].annotation)[0]),) if tag else ()
            yield from knobs(variant, f"{path}.", kinds + own, default)


def manual() -> Iterator[Knob]:
    """Every key of a search space, what stands under the swept knobs, and every knob of a trial."""
    for name, field in Sweep.model_fields.items():
        groups = models_in(field.annotation)
        if groups:
            written = (groups[0].__doc__ or "") if name == "seeds" else ""
            yield Knob(name, "group", None, _words(f"{field.description} {written}"), ())
        yield from (own for own in knobs(Sweep) if own.path.partition(".")[0] == name)
        for key, domain in DOMAINS.items() if name == "scientific" else ():
            own = domain.model_fields[key]
            doc = _words(f"{domain.__doc__} {own.description}")
            yield Knob(f"{name}.KNOB.{key}", _type_name(own.annotation), None, doc, ())
        if name == "scientific":
            when = Choice.model_fields["when"]
            doc = _words(when.description or "")
            yield Knob(f"{name}.KNOB.when", _type_name(when.annotation), None, doc, ())
    presets = "Begins with the named values instead of the defaults."
    yield Knob("preset", " | ".join(PRESETS), None, presets, ())
    yield from knobs()


def nearest(word: str, known: list[str]) -> str:
    """`; did you mean …?`, or nothing if no known word is close."""
    matches = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {matches[0]}?" if matches else ""


def no_such_knob(path: str, given: dict[str, Any]) -> str:
    """Why `path` cannot be set in a trial of the given values."""
    chosen = chosen_kinds(fill(plain(Trial.model_validate({"data": {"kind": "mixture"}})), given))
    for knob in knobs():
        if knob.path == path:
            for union, kind in knob.kinds:
                if chosen.get(union, kind) != kind:
                    return (
                        f"{path} belongs to {union}.kind = {kind}, and here it is {chosen[union]}"
                    )
    names = list(dict.fromkeys(knob.path for knob in knobs()))
    branches = [name for name in names if name.startswith(f"{path}.")]
    if branches:
        return f"{path} is a group of knobs; set one of them, such as {branches[0]}"
    return f"there is no knob {path}{nearest(path, names)} (--knobs lists them all)"


def chosen_kinds(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The kind of every union in a trial's values, by its path."""
    chosen = {prefix.rstrip("."): values["kind"]} if "kind" in values else {}
    for key, value in values.items():
        if isinstance(value, dict):
            chosen |= chosen_kinds(value, f"{prefix}{key}.")
    return chosen


def _words(text: str) -> str:
    return " ".join(text.split())


def _type_name(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Literal:
        return " | ".join(str(arg) for arg in get_args(annotation))
    match get_origin(annotation), get_args(annotation):
        case (builtins.list, (member,)) | (builtins.tuple, (member, builtins.Ellipsis)):
            return f"list of {_type_name(member)}"
        case (builtins.tuple, members):
            return f"[{', '.join(_type_name(member) for member in members)}]"
        case (builtins.dict, (_, value)):
            return f"group of {_type_name(value)}" if not models_in(value) else "group of domains"
    united = alternatives(annotation)
    if len(united) > 1:
        return " | ".join(_type_name(part) for part in united)
    if annotation is type(None):
        return "null"
    return getattr(annotation, "__name__", str(annotation))
