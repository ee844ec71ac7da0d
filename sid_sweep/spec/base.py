"""What every part of a specification is: a frozen, strict record whose docstrings are its
manual."""

import hashlib
import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Unit = Annotated[float, Field(ge=0, le=1)]
TAGS = ("kind", "sampler")  # the keys by which unions are told apart


class SpecError(ValueError):
    """The user's input is wrong. The message is one line: where, what, the rule, the remedy."""


class Spec(BaseModel):
    """Unknown keys, wrong types, NaN and infinity are refused; the text under a field describes
    it."""

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
        """A group that is given in part keeps the rest of this record's default for it.

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


def plain(spec: BaseModel) -> dict[str, Any]:
    """The specification as JSON values under its YAML names, defaults included."""
    return spec.model_dump(mode="json", by_alias=True)


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
