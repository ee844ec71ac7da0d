"""What CONTRIBUTING.md says is so: its loss is added as it is typed, and its files are those that
are there."""

import ast
import functools
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
from test_doors import ROOMS

from sid_sweep.spec import data, losses, methods, sweep
from sid_sweep.spec.base import models_in

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
PLACEHOLDER = "<name>"
METRICS = ("cost/",)  # these have a slash and are no paths
MADE = ("sweeps/",)  # by a sweep, not in the repository

ADDED = """\
import json, sys
from pathlib import Path
import sid_sweep
from test_costs import counted
from tiny import STEPS, records, tiny
kind, cache = sys.argv[1], Path(sys.argv[2])
trial = tiny(loss={"kind": kind})
*_, last = records(trial)
said, ran = counted(kind, cache)
print(json.dumps({
    "package": sid_sweep.__file__,
    "crosses": type(trial.loss).crosses,
    "promised": list(trial.metrics),
    "outcome": last.outcome,
    "metrics": last.metrics,
    "generator": STEPS * trial.batch.generator_latents,
    "fake_score": STEPS * trial.fake_score.steps * trial.batch.fake_score_latents,
    "counted": [said, ran],
}))
"""


class Block(NamedTuple):
    """Code to add to a file: above the line of an anchor, or in its place."""

    path: str
    where: Literal["above", "in place of"]
    anchor: str
    code: str

    def applied(self, source: str) -> str:
        """The file with the code in it; what stands at the left margin is apart by two lines."""
        if source.count(self.anchor) != 1:
            raise ValueError(f"{self.path}: {self.anchor!r} stands there not once")
        if self.where == "in place of":
            return source.replace(self.anchor, self.code)
        begin = source.rindex("\n", 0, source.index(self.anchor)) + 1
        apart = "\n" if self.code[0].isspace() else "\n\n\n"
        return source[:begin] + self.code + apart + source[begin:]


def section(title: str) -> str:
    """What stands under a heading, down to the next of its level or above."""
    level = title.partition(" ")[0]
    found = re.search(
        rf"^{re.escape(title)}.*?\n(.*?)(?=^#{{2,{len(level)}}} |\Z)", TEXT, re.M | re.S
    )
    assert found, f"there is no heading {title}"
    return found[1]


def blocks(text: str) -> list[Block]:
    """The code blocks that begin with their place."""
    pattern = r"```python\n# (\S+), (above|in place of): (.*?)\n(.*?)\n```"
    return [Block(*found) for found in re.findall(pattern, text, re.S)]


def recipes() -> dict[str, tuple[int, str]]:
    """By what is added: how many files that takes, as its heading says, and the recipe."""
    headings = re.findall(r"^### (An? .*): (\d+) files$", TEXT, re.M)
    return {name: (int(num), section(f"### {name}:")) for name, num in headings}


def listed(recipe: str) -> list[str]:
    """The files to touch, each a line of the list."""
    return re.findall(r"^- `(sid_sweep/\S+)`", recipe, re.M)


def spans() -> list[str]:
    """The code within lines, and the lines of the shell's blocks."""
    shell = [
        line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S) for line in block.split("\n")
    ]
    return shell + re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.S))


def paths() -> set[str]:
    """All files and folders that the text names."""
    words = {word.strip("'") for span in spans() for word in span.split()}
    names = {word for word in words if "/" in word or word.endswith((".py", ".md", ".yaml"))}
    names |= set(re.findall(r"\]\(([^)]+)\)", TEXT)) | {block.path for block in blocks(TEXT)}
    return {name for name in names if not name.startswith((*METRICS, *MADE))}


@pytest.fixture(scope="module")
def added(tmp_path_factory) -> Path:
    """A copy of the package to which the loss was added, as it is typed."""
    folder = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "sid_sweep", folder / "sid_sweep", ignore=ignored)
    for block in blocks(section("### A loss:")):
        path = folder / block.path
        path.write_text(block.applied(path.read_text()))
    return folder


def python(folder: Path, *arguments: str) -> str:
    """What a fresh interpreter prints that finds the package in `folder`."""
    found = os.pathsep.join([str(folder), str(ROOT / "tests" / "distill")])
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=folder,
        env={**os.environ, "PYTHONPATH": found},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def kind_added() -> str:
    """The kind of the loss that the recipe adds."""
    (kind,) = re.findall(r'kind: Literal\["(\w+)"\]', section("### A loss:"))
    return kind


@pytest.mark.slow
def test_a_loss_by_the_recipe_trains_at_the_cost_that_it_declares(added, tmp_path):
    made: dict[str, Any] = json.loads(python(added, "-c", ADDED, kind_added(), str(tmp_path)))
    assert Path(made["package"]).parents[1] == added
    assert made["outcome"] == "finished"
    assert set(made["promised"]) - {"cost/samples_per_second"} <= set(made["metrics"])
    assert all(math.isfinite(value) for value in made["metrics"].values())
    (crosses,) = re.findall(r"crosses: ClassVar\[int\] = (\d)", section("### A loss:"))
    assert made["crosses"] == int(crosses)
    backwards = 2 * made["fake_score"] + (2 + int(crosses)) * made["generator"]
    assert made["metrics"]["cost/backwards"] == backwards
    said, ran = made["counted"]
    assert said == ran


def test_a_loss_by_the_recipe_is_listed_with_its_knobs(added):
    rows = python(added, "-m", "sid_sweep.run", "--knobs", "loss").splitlines()
    own = [row for row in rows if f"loss={kind_added()}" in row]
    fields = re.findall(r"^    (\w+): (?!ClassVar)", section("### A loss:"), re.M)
    assert [row.split()[0] for row in own] == [f"loss.{field}" for field in fields]


def test_a_loss_by_the_recipe_is_clean_once_formatted(added):
    files = [str(added / path) for path in listed(section("### A loss:"))]
    config = ["--config", str(ROOT / "pyproject.toml"), "--no-cache", "-q"]
    python(added, "-m", "ruff", "format", *config, *files)
    python(added, "-m", "ruff", "check", *config, *files)


def test_a_block_whose_anchor_is_gone_or_doubled_is_refused():
    block = Block("file.py", "above", "x = 1", "y = 2")
    assert block.applied("a\nx = 1\n") == "a\ny = 2\n\n\nx = 1\n"
    for source in ("x = 2\n", "x = 1\nx = 1\n"):
        with pytest.raises(ValueError, match="stands there not once"):
            block.applied(source)


@pytest.mark.parametrize("parent", [losses._Loss, losses.SidLoss])
def test_a_loss_that_does_not_say_what_it_crosses_cannot_be_written(parent):
    with pytest.raises(TypeError, match="Silent must say how many networks its gradient crosses"):

        class Silent(parent):
            """A loss, by itself or after another."""


@pytest.mark.parametrize("parent", [methods._Method, methods.KD])
def test_a_method_that_does_not_say_what_it_trains_cannot_be_written(parent):
    with pytest.raises(TypeError, match="Silent must say which groups of a trial it trains"):

        class Silent(parent):
            """A method, by itself or after another."""


def test_there_is_a_recipe_for_all_that_is_added_often():
    assert {name.split()[-1] for name in recipes()} == {
        "loss", "method", "metric", "source", "pictures", "teacher", "sampler",
        "tracker",
    }  # fmt: skip


@pytest.mark.parametrize("name", recipes())
def test_a_recipe_lists_as_many_files_as_its_heading_says(name):
    num, recipe = recipes()[name]
    assert len(set(listed(recipe))) == num
    if found := blocks(recipe):
        assert {block.path for block in found} == set(listed(recipe))


@functools.cache
def names_by_file() -> dict[str, set[str]]:
    """All names that the code of each file holds."""
    return {
        str(path.relative_to(ROOT)): {
            getattr(node, field, None)
            for node in ast.walk(ast.parse(path.read_text()))
            for field in ("id", "attr", "name")
        }
        for path in (ROOT / "sid_sweep").rglob("*.py")
    }


UNIONS = {
    "A loss": (losses.Loss, losses.SidLoss),
    "A method": (methods.Method, methods.Sid),
    "A data source": (data.Data, data.Mixture),
    "A search sampler": (sweep.Search, sweep.GridSearch),
}


@pytest.mark.parametrize("name", UNIONS)
def test_what_is_there_stands_in_the_files_of_its_recipe_and_nowhere_else(name):
    """Each kind but the default, which others fall back on."""
    union, default = UNIONS[name]
    _, recipe = recipes()[name]
    certain = {path for path in listed(recipe) if PLACEHOLDER not in path}
    allowed = set(re.findall(r"`(sid_sweep/\S+\.py)`", recipe))
    pattern = "|".join(re.escape(path).replace(PLACEHOLDER, r"\w+") for path in allowed)
    kinds = [kind for kind in models_in(union) if kind is not default]
    assert kinds
    for kind in kinds:
        spelt = {path for path, names in names_by_file().items() if kind.__name__ in names}
        assert certain <= spelt, kind
        assert [path for path in spelt if not re.fullmatch(pattern, path)] == [], kind


def test_every_path_exists():
    """A placeholder stands for any file of a folder that does."""
    named = paths()
    assert len(named) > 40
    places = (ROOT, ROOT / "sid_sweep")
    missing = [
        name
        for name in named
        if not any((own / name.partition(PLACEHOLDER)[0]).exists() for own in places)
    ]
    assert missing == []


def test_what_is_said_to_be_in_a_file_is_in_it():
    said = re.findall(r"`([^`\n]+)`\s+in\s+`([^`<\n]+)`", TEXT)
    assert len(said) > 8
    assert [pair for pair in said if pair[0] not in (ROOT / pair[1]).read_text()] == []


def test_every_room_is_told_in_the_architecture():
    told = re.findall(r"^\| `(\w+)(?:/|\.py)` \| \w", section("## The way of the data"), re.M)
    assert sorted(told) == sorted(ROOMS)
