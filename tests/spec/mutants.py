"""Search spaces that someone got wrong: the shipped files with values, keys and lines changed."""

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

SPACES = sorted((Path(__file__).parents[2] / "search_spaces").glob("*.yaml"))
VALUES: list[Any] = [
    None, True, False, 0, 1, 2, -1, 3.5, -0.0, 10**9, -(10**9), 2**63, 2**64, 10**29, 1e300,
    1e-300, float("inf"), float("nan"), "", " ", "a", "λ", "a\nb", "1", "1.0e-5", "a" * 300, "a:b",
    "\x85", "[red]", "../up", "mixture", "grid", "sid", "cases", "choice", [], [[]], [None], [1],
    [1, 1], [0, True], ["a", {}], [1e300, 2], [[1, 2], [3]], {}, {"": {}}, {"a": 1}, {"kind": None},
    {"kind": []}, {"kind": {}}, {"kind": "vp"}, {"a.b": {"c": []}}, {".": 1}, {"sampler": []},
    {"preset": []}, {"preset": {}}, {"choice": [1, 2]}, {"choice": {}}, {"cases": []},
    {"cases": {"a": []}}, {"cases": {"a": {}, "b": {"a": []}}}, {"uniform": [0, 10**29]},
    {"uniform": [0.0, 1e300]}, {"uniform": [-1e308, 1e308]}, {"log_uniform": [1e-308, 1e308]},
    {"int_uniform": [0, 2**64]}, {"int_uniform": [0.5, 1]}, {"screen": [], "confirm": 3},
    {"choice": [1], "when": {"a": []}}, {"screen": 10**9}, 100_000, {"screen": 3, "confirm": 2},
]  # fmt: skip
KEYS = ["kind", "preset", "sampler", "seed", "a", "", ".", "a.b", "lambda", "when", "self", "init"]


def mutants(seed: int) -> Iterator[tuple[str, str]]:
    """Names and texts, without end; the name says how to make a mutant again."""
    texts = {path.stem: path.read_text() for path in SPACES}
    number = 0
    while True:
        name = f"{seed}-{number}"
        draw = random.Random(name)
        text = texts[draw.choice(list(texts))]
        yield name, _of_lines(text, draw) if draw.random() < 0.2 else _of_values(text, draw)
        number += 1


def _of_values(text: str, draw: random.Random) -> str:
    """One to three values or keys are others."""
    values = yaml.safe_load(text)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        places = list(_places(values))
        parent, key = draw.choice(places)
        match draw.randrange(6):
            case 0:
                del parent[key]
            case 1 if isinstance(parent, dict):
                new = draw.choice([*KEYS, *(str(name) for _, name in places)])
                parent[new] = parent.pop(key)
            case 2:
                parent[key] = [parent[key]]
            case 3:
                other, name = draw.choice(places)
                parent[key] = copy.deepcopy(other[name])
            case 4:
                parent[key] = {draw.choice(KEYS): parent[key]}
            case _:
                parent[key] = copy.deepcopy(draw.choice(VALUES))
        if not values:
            break
    return yaml.safe_dump(values, allow_unicode=True, sort_keys=False, width=1000)


def _places(values: Any) -> Iterator[tuple[Any, Any]]:
    """Every group or list with each of its keys."""
    for key in values if isinstance(values, dict) else range(len(values)):
        yield values, key
        if isinstance(values[key], dict | list):
            yield from _places(values[key])


def _of_lines(text: str, draw: random.Random) -> str:
    """A line is gone, stands twice or lies elsewhere, or a character is another."""
    lines = text.splitlines()
    at = draw.randrange(len(lines))
    match draw.randrange(4):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[at])
        case 2:
            lines.insert(draw.randrange(len(lines)), lines.pop(at))
        case _:
            column = draw.randrange(len(lines[at]) + 1)
            new = draw.choice([*":{}[],'\"#&*!|>-?%@`\t λ0.", "\x00", "\n", ""])
            lines[at] = lines[at][:column] + new + lines[at][column + draw.randrange(2) :]
    return "\n".join(lines) + "\n"
