"""What every part of a specification is: a frozen, strict group whose docstrings are its
manual."""

import hashlib
import json
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from .trial import Trial

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Unit = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Foreign:
    """Marks a field that names a file or a folder which someone else made."""

    function: bool = False
    """The field names a function in it, after a colon."""

    def path(self, value: str) -> str | None:
        """The file or folder; None where it is a module, wherever that may lie."""
        if not self.function:
            return value
        place = value.rpartition(":")[0]
        return place if place.endswith(".py") else None


ForeignPath = Annotated[str, Field(min_length=1), Foreign()]
ForeignFunction = Annotated[str, Foreign(function=True)]
TAGS = ("kind", "sampler")  # the keys by which unions are told apart


class SpecError(ValueError):
    """The user's input is wrong. The message is one line: where, what, the rule, the remedy;
    whatever of the input it quotes."""

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message))


class Spec(BaseModel):
    """Unknown keys, wrong types, NaN and infinity are refused; the text under a field describes it.

    A part of a trial carries its own rules: what it refuses, and which metrics it takes away.
    """

    lacks: ClassVar[tuple[str, ...]] = ()
    """Metrics that a trial with this part has not."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        serialize_by_alias=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_groups(cls, values: Any) -> Any:
        """A group that is given in part keeps the rest of this one's default for it.

        `loss: {lambda: 0.5}` means the default kind of loss; another kind starts from its own
        defaults.
        """
        if not isinstance(values, dict):
            return values
        defaults = {
            name: plain(field.default)
            for name, field in cls.model_fields.items()
            if isinstance(field.default, Spec)
        }
        return values | {
            name: fill(defaults[name], values[name]) for name in defaults if name in values
        }

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        """Why this part, which stands at `path`, makes no sense in a valid `trial`: the reason and
        the way out, a sentence each."""
        yield from ()

    def fits(self, pixels: int, path: str) -> Iterator[str]:
        """Why this part, which stands at `path`, is not for pictures of so many pixels a side: what
        it can refuse only when that is known, which may be when their files are read."""
        yield from ()


def parts(spec: Spec, prefix: str = "") -> Iterator[tuple[str, Spec]]:
    """Every part below a specification with its dotted path, outer ones first."""
    for name, field in type(spec).model_fields.items():
        if isinstance(part := getattr(spec, name), Spec):
            path = f"{prefix}{field.alias or name}"
            yield path, part
            yield from parts(part, f"{path}.")


def foreign_paths(spec: Spec) -> dict[str, str]:
    """What a specification names of files that someone else made, by the dotted path of the
    field."""
    groups = [("", spec), *((f"{path}.", part) for path, part in parts(spec))]
    return {
        f"{prefix}{name}": place
        for prefix, group in groups
        for name, field in type(group).model_fields.items()
        for mark in field.metadata
        if isinstance(mark, Foreign)
        and isinstance(value := getattr(group, name), str)
        and (place := mark.path(value)) is not None
    }


def models_in(annotation: Any) -> list[type[Spec]]:
    """The groups that a field may hold."""
    return [
        part
        for part in alternatives(annotation)
        if isinstance(part, type) and issubclass(part, Spec)
    ]


def tag_of(model: type[Spec]) -> str | None:
    """The key that tells a variant from the others of its union."""
    return next((tag for tag in TAGS if tag in model.model_fields), None)


def variants(union: Any, *, tag: str = "kind") -> dict[str, Any]:
    """The members of a union by their kind, in order."""
    return {get_args(m.model_fields[tag].annotation)[0]: m for m in models_in(union)}


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """The types that an annotation unites."""
    if get_origin(annotation) is Annotated:
        return alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(a for part in get_args(annotation) for a in alternatives(part))
    return (annotation,)


def plain(spec: BaseModel) -> dict[str, Any]:
    """The specification as JSON values under its YAML names, defaults included."""
    return spec.model_dump(mode="json", by_alias=True)


def departures(spec: BaseModel) -> dict[str, Any]:
    """What a specification says otherwise than by default, as JSON values under its YAML names."""
    return spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def fill(default: dict[str, Any], given: Any) -> Any:
    """`given`, completed from `default` where both are of one kind."""
    if not isinstance(given, dict):
        return given
    if any(given.get(tag, default.get(tag)) != default.get(tag) for tag in TAGS):
        return given
    nested = {k: fill(default[k], v) for k, v in given.items() if isinstance(default.get(k), dict)}
    return default | given | nested


def digest(spec: BaseModel | dict[str, Any]) -> str:
    """Identity of a resolved specification: 12 hex digits of the SHA-256 of its canonical JSON."""
    values = plain(spec) if isinstance(spec, BaseModel) else spec
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
