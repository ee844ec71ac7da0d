"""What every part of a specification is: a frozen, strict record whose docstrings are its manual."""

import hashlib
import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class SpecError(ValueError):
    """The user's input is wrong. The message is one line: where, what, the rule, the remedy."""


class Spec(BaseModel):
    """Unknown keys, wrong types, NaN and infinity are refused; the text under a field describes it."""

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
    def _default_kinds(cls, values: Any) -> Any:
        """`loss: {lambda: 0.5}` means the default kind of loss."""
        if not isinstance(values, dict):
            return values
        values = dict(values)
        for name, field in cls.model_fields.items():
            tag = field.discriminator
            given = values.get(name)
            if isinstance(tag, str) and isinstance(field.default, Spec) and isinstance(given, dict):
                values[name] = {tag: getattr(field.default, tag), **given}
        return values


def plain(spec: BaseModel) -> dict[str, Any]:
    """The specification as JSON values under its YAML names, defaults included."""
    return spec.model_dump(mode="json", by_alias=True)


def digest(spec: BaseModel | dict[str, Any]) -> str:
    """Identity of a resolved specification: 12 hex digits of the SHA-256 of its canonical JSON."""
    values = plain(spec) if isinstance(spec, BaseModel) else spec
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
