"""One line for what is wrong: pydantic's findings in the words of the YAML."""

from typing import Any

from pydantic import BaseModel, ValidationError

from .base import models_in
from .knobs import nearest
from .paths import dotted
from .reader import Path_


def finding(error: ValidationError, values: Any) -> tuple[Path_, str, dict[str, Any]]:
    """The first thing that is wrong: where it was written, the sentence, pydantic's detail."""
    errors: list[Any] = list(error.errors())
    detail = _misspelt(errors) or errors[0]
    path = written(detail, values)
    if detail["type"] == "union_tag_invalid":
        tag = str(detail["ctx"]["discriminator"]).strip("'")
        return (*path, tag), sentence(dotted(path), detail), detail
    branches = [e for e in errors if written(e, values) == path]
    if len(branches) > 1:
        return path, _of_branches(dotted(path), branches), detail
    return path, sentence(dotted(path), detail), detail


def _misspelt(errors: list[Any]) -> Any | None:
    """The unknown key that stands where the first finding misses one: the same mistake, seen."""
    first = errors[0]
    unknown = (e for e in errors if e["type"] == "extra_forbidden")
    same_group = (e for e in unknown if e["loc"][:-1] == first["loc"][:-1])
    return next(same_group, None) if first["type"] == "missing" else None


def _of_branches(name: str, branches: list[Any]) -> str:
    """A value that is none of several types."""
    if finite := next((e for e in branches if e["type"] == "finite_number"), None):
        return sentence(name, finite)
    value = branches[0]["input"]
    if isinstance(value, dict):
        return (
            f"{name}: must be one value, not a group; write a path with dots, such as loss.lambda"
        )
    if isinstance(value, list):
        return f"{name}: must be one value, not a list"
    rules = dict.fromkeys(_rule(e) for e in branches)
    return f"{name} = {_shown(value)}: must be {' or '.join(rules)}"


def sentence(name: str, detail: Any) -> str:
    """One line for one finding of pydantic."""
    value, kind, context = detail["input"], detail["type"], detail.get("ctx", {})
    shown = name if isinstance(value, dict | list | BaseModel) else f"{name} = {_shown(value)}"
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
        case "model_type" | "model_attributes_type" | "dict_type":
            tag = "sampler" if name == "search" else "kind"
            inner = f"{tag}: {value}" if isinstance(value, str) else "..."
            return f"{shown}: must be a group, such as {name}: {{{inner}}}"
        case "too_short":
            remedy = "name at least one" if isinstance(value, dict) else "list at least one value"
            return f"{name} is empty; {remedy}"
        case "value_error":
            rule = detail["msg"].removeprefix("Value error, ")
            return f"{name}: {rule}" if name else rule
        case "string_pattern_mismatch":
            return f"{shown}: only a-z, 0-9, _ and -, at most 64, beginning with a letter or digit"
        case _:
            remedy = "; write it without quotes" if _is_quoted_number(value) else ""
            return f"{shown}: must be {_rule(detail)}{remedy}"


def written(detail: Any, values: Any) -> Path_:
    """Where a finding lies, without the names of union branches, which nobody wrote."""
    path: list[str | int] = []
    node: Any = values
    for part in detail["loc"]:
        is_key = isinstance(node, dict) and part in node
        if is_key or (isinstance(node, list) and isinstance(part, int) and part < len(node)):
            node = node[part]  # pyright: ignore
            path.append(part)
    missing = detail["type"] == "missing"
    return (*path, detail["loc"][-1]) if missing else tuple(path)


def keys_at(model: type[BaseModel], path: Path_) -> list[str]:
    """What could stand beside the last part of `path`, in a tree of models."""
    models = [model]
    for part in path[:-1]:
        fields = [own.model_fields[str(part)] for own in models if str(part) in own.model_fields]
        models = [inner for field in fields for inner in models_in(field.annotation)]
    return [field.alias or name for own in models for name, field in own.model_fields.items()]


def _rule(detail: Any) -> str:
    return detail["msg"].removeprefix("Input should be ").replace("'", "")


def _shown(value: Any) -> str:
    return "null" if value is None else repr(value)


def _is_quoted_number(value: Any) -> bool:
    try:
        return isinstance(value, str) and float(value) is not None
    except ValueError:
        return False
