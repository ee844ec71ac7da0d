"""The search space as a JSON schema, so that editors complete, explain and check what is written.

It knows each value by itself. What several values decide together, only `load` says: a file that
`load` takes fits the schema, and not the other way round.
"""

import json
from typing import Any

from pydantic.json_schema import models_json_schema

from .domain import DOMAINS
from .knobs import knobs
from .metrics import metrics
from .presets import PRESETS
from .sweep import Sweep
from .trial import Trial

Schema = dict[str, Any]
DRAFT = "http://json-schema.org/draft-07/schema#"  # the one that editors know
HERE = "#/$defs/"
GROUPED = r"^[-+]?[0-9]+(_[0-9]+)+(\.[0-9]*)?$"  # a number to `load`, text to YAML 1.2


def schema_text() -> str:
    """As it lies beside the search spaces."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def schema() -> Schema:
    """Of a whole file."""
    whole = _definitions()
    file = whole.pop("Sweep")
    trial = whole["Trial"]
    del trial["properties"]["seed"]  # repetitions are listed in `seeds`
    trial["properties"]["preset"] = {"enum": list(PRESETS), "description": "Begin with its values."}
    whole["Settings"] = {"type": "object", "properties": trial["properties"]}
    whole["Cases"]["properties"]["cases"]["additionalProperties"] = _ref("Settings")
    whole["Swept"] = _swept()
    _or_count(whole["Seeds"])
    names = {"enum": list(dict.fromkeys(metric.name for metric in metrics()))}
    whole["Objective"]["properties"]["metric"] |= names
    file["properties"]["columns"]["items"] = names
    seeds = whole["Seeds"]["properties"]["screen"]["anyOf"]
    file["properties"] |= {
        "seeds": {"description": _said(file, "seeds"), "anyOf": [*seeds, _ref("Seeds")]},
        "scientific": {"description": _said(file, "scientific"), "minProperties": 1}
        | {"allOf": [_ref("Swept")]},
        "nuisance": {"description": _said(file, "nuisance"), "allOf": [_ref("Swept")]},
        "fixed": {"description": _said(file, "fixed"), "allOf": [_ref("Trial")]},
    }
    return {"$schema": DRAFT, "title": "A sweep of sid_sweep", **file, "$defs": whole}


def _definitions() -> dict[str, Schema]:
    """Every group by its name; those of a trial may be given in part."""
    own = [(Sweep, "validation"), *((domain, "validation") for domain in DOMAINS.values())]
    listed = models_json_schema(own, by_alias=True)[1]["$defs"]
    partial = models_json_schema([(Trial, "validation")], by_alias=True)[1]["$defs"]
    for definition in partial.values():
        definition.pop("required", None)
    return {name: _plain(definition) for name, definition in {**listed, **partial}.items()}


def _plain(node: Any) -> Any:
    """As the draft has it: of a union any member fits, since its kind may be left to a default."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: value for key, value in node.items() if key not in ("title", "discriminator")}
    if kept.get("type") in ("integer", "number"):
        kept |= {"type": [kept["type"], "string"], "pattern": GROUPED}
    for key, name in (("oneOf", "anyOf"), ("prefixItems", "items")):
        if key in kept:
            kept[name] = kept.pop(key)
    return {
        key: {name: _plain(own) for name, own in value.items()}  # of fields, whatever their names
        if key == "properties"
        else _plain(value)
        for key, value in kept.items()
    }


def _swept() -> Schema:
    """A domain for each knob by its path; any other name is one of cases."""
    domains = [_ref(cls.__name__) for name, cls in DOMAINS.items() if name != "cases"]
    docs: dict[str, str] = {}
    for knob in knobs():
        docs.setdefault(knob.path, knob.doc)
    del docs["seed"]
    return {
        "type": "object",
        "properties": {path: {"description": doc, "anyOf": domains} for path, doc in docs.items()},
        "additionalProperties": _ref("Cases"),
    }


def _or_count(seeds: Schema) -> None:
    """Seeds are listed, or their number is given."""
    for name in ("screen", "confirm"):
        listed = seeds["properties"][name]
        said = listed.pop("description")
        count = {"type": "integer", "minimum": 1}
        seeds["properties"][name] = {"description": said, "anyOf": [count, listed]}


def _said(file: Schema, name: str) -> str:
    return file["properties"][name]["description"]


def _ref(name: str) -> Schema:
    return {"$ref": f"{HERE}{name}"}
