"""What the README says to type works, in the order in which it says it."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sid_sweep import run
from sid_sweep.spec import Data, Teacher, load
from sid_sweep.spec.base import variants
from sid_sweep.spec.knobs import knobs
from sid_sweep.spec.limits import Limits
from sid_sweep.spec.presets import PRESETS
from sid_sweep.spec.sweep import Resources
from sid_sweep.spec.trial import METHODS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
HANGS = ("guard", "groups")  # files of orchestration
SMALL = ["--set", "budget.images=2_000", "--set", "evaluation.times=2", "--set", "seeds=[0]"]
EASY = "data={kind: mixture, name: scattered, components: 1, dimensions: 2, deviation: 1.0}"


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


LONG = ("digits", "mnist")  # their teachers take minutes


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", [line for line in commands() if not any(name in line for name in LONG)]
)
def test_a_command_of_the_readme_runs(line, clone):
    arguments = [sys.executable, *line.split()[1:]]
    small = [*SMALL, "--set", EASY] if "sid_sweep.run" in line else []
    done = subprocess.run([*arguments, *small], capture_output=True, text=True, cwd=clone)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_commands_that_do_not_run_here_name_what_exists():
    spaces = [line.split()[-1] for line in commands() if "sid_sweep.run" in line]
    sweeps = {load(ROOT / space).sweep for space in spaces}
    compared = {line.split()[-1] for line in commands() if "analysis.compare" in line}
    assert compared == sweeps


def test_the_examples_of_questions_are_valid_sweeps(tmp_path):
    """The first stands alone; the second is other `seeds` for it, the third another search, the
    fourth other knobs."""
    whole, seeds, pruned, cases = (yaml.safe_load(text) for text in blocks("yaml"))
    for changes, num_arms in (
        ({}, 3),
        (seeds, 3),
        (pruned, 60),
        ({**cases, "baseline": {"method": "sid"}}, 4),
    ):
        (tmp_path / "space.yaml").write_text(yaml.safe_dump(whole | changes))
        assert load(tmp_path / "space.yaml").num_arms == num_arms


def test_the_table_of_methods_names_them_all():
    table = README.partition("## Methods")[2].partition("##")[0]
    assert [kind for kind in METHODS if f"| `{kind}` |" not in table] == []
    presets = README.partition("a preset begins")[2].partition(":")[0]
    assert [name for name in PRESETS if f"`{name}`" not in presets] == []


def test_the_table_of_limits_names_them_all():
    table = README.partition("## Limits")[2].partition("##")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(Limits.model_fields)
    for text in re.findall(r"limits\.\w+(?:=[\d.]+)?", README):
        key, _, value = text.removeprefix("limits.").partition("=")
        assert Limits.model_validate({key: float(value)} if value else {key: None})


def test_the_table_of_data_names_them_all():
    table = README.partition("## Data")[2].partition("##")[0]
    assert [kind for kind in variants(Data) if f"| `{kind}` |" not in table] == []


@pytest.mark.slow
def test_the_lines_of_python_draw_from_a_student(clone):
    """As typed, where a trial has left its file."""
    (text,) = [text for text in blocks("python") if "Student.load" in text]
    student = next((clone / "sweeps").rglob("generator.safetensors"))
    done = subprocess.run(
        [sys.executable, "-c", f"{text}\nprint(samples.shape)"],
        capture_output=True, text=True, cwd=student.parent,
    )  # fmt: skip
    assert done.stdout.strip() == "torch.Size([64, 2])", done.stderr


def test_the_lines_that_train_without_a_sweep_do(tmp_path, monkeypatch):
    """As typed, with a budget of a few steps."""
    (text,) = [text for text in blocks("python") if "distill(" in text]
    short = text.replace("20_000", "1_024").replace("1024", "64")
    monkeypatch.chdir(tmp_path)
    exec(short, own := {"__name__": "notebook"})
    assert own["points"].shape == (64, 2)


def test_the_knobs_of_the_first_hour_exist():
    table = README.partition("## In the first hour")[2].partition("##")[0]
    named = re.findall(r"`((?:batch|compute|evaluation)\.[a-z_.]+)", table)
    assert len(named) >= 3
    assert [name for name in named if not any(k.path.startswith(name) for k in knobs())] == []
    for name in re.findall(r"`(?:--set )?resources\.([a-z_]+)", table):
        assert name in Resources.model_fields


def test_the_table_of_teachers_names_them_all():
    table = README.partition("## Teachers")[2].partition("##")[0]
    assert [kind for kind in variants(Teacher) if f"| `{kind}` |" not in table] == []


@pytest.mark.slow
def test_the_network_of_ones_own_is_a_teacher(clone):
    """As typed, in the file that the text names."""
    (text,) = [text for text in blocks("python") if "def load" in text]
    (clone / "research.py").write_text(text)
    teacher = re.findall(r"`teacher: (\{kind: python, .*?\})`", README)[0]
    done = subprocess.run(
        [sys.executable, "-m", "sid_sweep.run", "search_spaces/lambda.yaml", *SMALL,
         "--set", EASY, "--set", f"teacher={teacher}", "--name", "research",
         "--set", "generator.init={kind: teacher}"],
        capture_output=True, text=True, cwd=clone,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_bounds_within_which_a_hang_is_noticed_are_those_of_the_code():
    bounds = re.findall(
        r"^(\w+_(?:TICKS|SECONDS)) = (\d+)",
        "".join((ROOT / f"sid_sweep/orchestration/{own}.py").read_text() for own in HANGS),
        re.MULTILINE,
    )
    stated = dict(bounds)
    named = ("IDLE_TICKS", "LEAVE_TICKS", "COLLECTIVE_SECONDS")
    assert all(f"after {stated[name]} s" in README for name in named)
    assert f"stopped (in {stated['FROZEN_TICKS']})" in README
    assert f"silent (in {stated['SILENT_TICKS']})" in README


def test_the_file_tree_names_every_file_and_room():
    tree = README.partition("```\nsearch_spaces/")[2].partition("```")[0]
    package = ROOT / "sid_sweep"
    names = [p.name for p in package.glob("*.py") if p.name != "__init__.py"]
    names += [f"{p.name}/" for p in package.iterdir() if (p / "__init__.py").exists()]
    assert [name for name in names if not re.search(rf"[ ,]{re.escape(name)}[ ,]", tree)] == []


def test_every_search_space_is_listed():
    names = [path.name for path in (ROOT / "search_spaces").glob("*.yaml")]
    table = README.partition("## Questions that come with it")[2].partition("##")[0]
    assert [name for name in names if f"`{name}`" not in table] == []


def test_every_search_space_says_what_was_found():
    spaces = (ROOT / "search_spaces").glob("*.yaml")
    assert [path.name for path in spaces if not load(path).found] == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "search_spaces").glob("*.yaml")), ids=lambda path: path.stem
)
def test_what_was_found_ends_with_the_command_that_finds_it(path):
    found = load(path).found
    named = re.findall(r"`python -m sid_sweep\.run ([^`]+)`", found)
    assert named
    assert found.endswith(f"{named[-1]}`")
    assert named[0] == f"search_spaces/{path.name}"
    for words in named:
        options = run.parser().parse_args(shlex.split(words))
        assert load(ROOT / options.space, options.overrides).seeds
