"""One name for five commands: what it says, whom it calls, and how little it loads."""

import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from sid_sweep import __main__ as entry

ROOT = Path(__file__).parents[1]


def test_alone_it_says_what_there_is(capsys):
    for words in ([], ["--help"], ["-h"], ["help"]):
        assert entry.main(words) == 0
        told = capsys.readouterr().out
        assert [name for name in entry.COMMANDS if f"\n  {name} " not in told] == []


def test_an_unknown_command_is_one_line(capsys):
    assert entry.main(["rum"]) == 2
    assert capsys.readouterr().err == "error: rum is none of run, sample, compare, report, verify\n"


@pytest.mark.parametrize("name", entry.COMMANDS)
def test_a_command_gets_the_words_after_its_name(name, monkeypatch):
    module = "sid_sweep" if name in ("run", "sample") else "analysis"
    monkeypatch.setattr(import_module(f"{module}.{name}"), "main", lambda words: words)
    assert entry.main([name, "lambda", "--out", "x"]) == ["lambda", "--out", "x"]


def test_the_installed_name_and_the_module_are_this_one():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"sid-sweep": "sid_sweep.__main__:main"}
    done = subprocess.run(
        [sys.executable, "-m", "sid_sweep", "run", "nowhere.yaml"],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "error: nowhere.yaml: cannot be read (No such file or directory)\n"


def test_all_options_are_known_to_one_parser():
    """Of which a shell's completion is made."""
    options = entry._parser({}).parse_args(["compare", "lambda", "--trace", "3"])
    assert (options.sweeps, options.trace) == (["lambda"], "3")


def test_completion_is_a_script_or_one_line(capsys):
    code = entry.main(["completion", "bash"])
    told = capsys.readouterr()
    if find_spec("shtab") is None:
        assert (code, told.err) == (2, "error: completion needs shtab; pip install shtab\n")
    else:
        assert "--tracking-uri" in told.out
