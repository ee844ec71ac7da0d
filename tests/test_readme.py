"""What the README says to type works, in the order in which it says it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sid_sweep.spec import load

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SMALL = ["--set", "budget.images=2_000", "--set", "evaluation.times=2"]


def blocks(language: str) -> list[str]:
    """The README's code blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[str]:
    """The lines of its shell blocks that run this project's modules."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("python -m ")]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "search_spaces", folder / "search_spaces")
    return folder


@pytest.mark.parametrize("line", [line for line in commands() if "digits" not in line])
def test_a_command_of_the_readme_runs(line, clone):
    arguments = [sys.executable, *line.split()[1:]]
    small = SMALL if "sid_sweep.run" in line else []
    done = subprocess.run([*arguments, *small], capture_output=True, text=True, cwd=clone)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_commands_on_digits_name_what_exists():
    spaces = [line.split()[-1] for line in commands() if "sid_sweep.run" in line]
    sweeps = {load(ROOT / space).sweep for space in spaces}
    compared = {line.split()[-1] for line in commands() if "analysis.compare" in line}
    assert compared == sweeps


def test_the_example_of_a_question_is_a_valid_sweep(tmp_path):
    for text in blocks("yaml"):
        (tmp_path / "space.yaml").write_text(text)
        assert load(tmp_path / "space.yaml").num_arms == len(
            yaml.safe_load(text)["scientific"]["fake_score.steps"]["choice"]
        )


def test_the_file_tree_names_every_file_and_room():
    tree = README.partition("```\nsearch_spaces/")[2].partition("```")[0]
    package = ROOT / "sid_sweep"
    names = [p.name for p in package.glob("*.py") if p.name != "__init__.py"]
    names += [f"{p.name}/" for p in package.iterdir() if (p / "__init__.py").exists()]
    assert [name for name in names if f"  {name} " not in tree] == []
