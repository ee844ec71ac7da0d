"""The command at its edges: help, plan, and input that is wrong."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from sid_sweep import command as doing
from sid_sweep import manual, run

ROOT = Path(__file__).parents[1]
LAMBDA = ROOT / "tests" / "lambda.yaml"


def command(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "sid_sweep.run", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
    )


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """The one line with which a command is refused, in this process: a new one takes seconds."""
    monkeypatch.chdir(tmp_path)

    def line(*arguments, is_planned=False):
        assert run.main(list(map(str, arguments))) == 2
        told = capsys.readouterr()
        assert is_planned or told.out == ""
        (found,) = told.err.splitlines()
        return found

    return line


def space(folder: Path, *, replace: tuple[str, str] = ("", ""), add: str = "") -> Path:
    """A copy of the λ sweep with one thing changed."""
    text = LAMBDA.read_text()
    assert replace[0] in text
    path = folder / "space.yaml"
    path.write_text(text.replace(*replace) + add)
    return path


BAD_FILES = {
    "unknown key": ({"add": "budgets: 3\n"}, "unknown key budgets"),
    "duplicate key": ({"add": "sweep: again\n"}, "key 'sweep' stands twice"),
    "exponent without point": ({"replace": ("480_000", "1e-5")}, "write 1.0e-5"),
    "text for a number": ({"replace": ("[0.0, 0.25,", "[zero, 0.25,")}, "must be a valid number"),
    "empty choice": (
        {"replace": ("[0.0, 0.25, 0.5, 0.75, 1.0, 1.1, 1.2, 1.5]", "[]")},
        "list at least one value",
    ),
    "unknown metric": ({"replace": ("js", "fid")}, "no such metric"),
    "unknown knob": ({"replace": ("  loss.lambda", "  loss.lamda")}, "did you mean loss.lambda?"),
    "two kinds": ({"replace": ("{kind: vp}", "{kind: vp, sigma: 0.5}")}, "noise.kind = fixed"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_input_is_one_line_with_its_place(case, tmp_path, refused):
    changes, rule = BAD_FILES[case]
    path = space(tmp_path, **changes)
    line = refused(path.name)
    assert line.startswith(f"error: {path.name}:")
    assert rule in line
    assert list(tmp_path.iterdir()) == [path]  # nothing was created


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["nowhere.yaml"], "cannot be read"),
        ([], "no search space given"),
        ([LAMBDA, "--set", "budget.imags=3"], "did you mean budget.images?"),
        ([LAMBDA, "--set", "resources.workers"], "write --set path=value"),
        ([LAMBDA, "--set", "resources.workers=64", "--set", "batch.latents=128"], "there are"),
        ([LAMBDA, "--set", "resources.gpus_per_worker=1000"], "lower resources.workers"),
        ([LAMBDA, "--name", "../up"], "error: --name ../up: sweep = '../up'"),
        ([LAMBDA, "--until", "decided", "--set", "baseline={}"], "error: --until decided: seeds"),
        ([LAMBDA, "--set", "data={kind: digits}"], "error: --set data={kind: digits}: teacher"),
        ([LAMBDA, "--notify", "https://hooks.example/x"], "put it into an environment variable"),
        ([LAMBDA, "--set", "limits.wall_hours=0"], "must be greater than 0"),
        ([LAMBDA, "--storage", "x" * 300], "File name too long; name another place"),
        (["--knobs", "generatr"], "did you mean generator?"),
    ],
)
def test_bad_arguments_are_one_line(arguments, rule, tmp_path, refused):
    assert rule in refused(*arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("teacher", "rule"),
    [
        ("{kind: checkpoint, path: nowhere.safetensors}", "there is no such file or folder"),
        ("{kind: diffusers, path: nowhere}", "there is no such file or folder"),
        ("{kind: diffusers, hf: 'hf://owner/name@main'}", "must be hf://owner/name@<commit>"),
        ("{kind: diffusers}", "needs either path, a folder, or hf"),
        ("{kind: python, factory: no_such_module:f}", "no_such_module cannot be imported"),
        ("{kind: python, factory: no_such_module}", "must be module:function"),
        ("{kind: python}", "teacher.factory is missing"),
    ],
)
def test_a_teacher_that_cannot_be_loaded_is_one_line_and_nothing_is_created(
    teacher, rule, tmp_path, refused
):
    line = refused(LAMBDA, "--set", f"teacher={teacher}", is_planned=True)
    assert line.startswith("error: ")
    assert "teacher" in line
    assert rule in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("storage", "rule"),
    [("/proc/nope", "cannot be written (No such file or directory); see to its rights")],
)
def test_a_storage_in_which_nothing_can_be_made_is_one_line(storage, rule, refused):
    line = refused(LAMBDA, "--storage", storage, is_planned=True)
    assert line.startswith(f"error: {storage}: ")
    assert rule in line


def test_what_is_loaded_before_words_are_understood_is_light():
    """What Ctrl-C interrupts before that is Python itself, which says so in a traceback."""
    code = "import sys; import sid_sweep.run; assert not {'pydantic', 'rich'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_ctrl_c_before_anything_began_is_one_line(monkeypatch, capsys):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(doing, "load", interrupt)
    assert run.main([str(LAMBDA)]) == 130
    assert capsys.readouterr().err == "interrupted, before a trial began\n"


def test_a_dry_run_says_what_will_be_run(tmp_path):
    done = command(LAMBDA, "--dry-run", "--set", "seeds=[0, 1, 2]", cwd=tmp_path)
    assert done.returncode == 0
    assert "8 arms (grid) x 3 seeds = 24" in done.stdout
    estimate = next(line for line in done.stdout.splitlines() if "estimate" in line)
    assert re.search(r"about .* of memory, .* on the disk; within a factor", estimate)
    assert list(tmp_path.iterdir()) == []


def test_until_is_short_for_a_key_of_seeds(tmp_path):
    done = command(LAMBDA, "--dry-run", "--until", "decided", cwd=tmp_path)
    assert "8 arms (grid) x up to 3 seeds = 24 at most" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "lambda"),
        (["--name", "wide", "--storage", "my sweeps"], "wide --storage 'my sweeps'"),
        (["--tracking-uri", "http://host:5000"], "lambda --tracking-uri http://host:5000"),
    ],
)
def test_the_hint_names_the_places_that_the_command_was_given(arguments, words):
    options = run.parser().parse_args([str(LAMBDA), *arguments])
    told = doing._report_command(doing._load(options), options)
    assert told == f"python -m analysis.compare {words}"


def test_a_dry_run_names_every_case(tmp_path):
    done = command(ROOT / "search_spaces" / "methods.yaml", "--dry-run", cwd=tmp_path)
    assert "file says 17 arms x 6 seeds, about 11 minutes on 2 cores" in done.stdout
    knobs = next(line for line in done.stdout.splitlines() if "knobs" in line)
    assert "method in {sid, fgm, sim, " in knobs
    assert knobs.endswith("ddpm_1000}")


def test_help_and_knobs_name_what_there_is(tmp_path):
    assert "--dry-run" in command("--help", cwd=tmp_path).stdout
    listed = command("--knobs", "loss", cwd=tmp_path).stdout
    assert "loss.lambda" in listed
    assert "AFHQ" in listed  # the meaning, not only the name
    ranges = command("--knobs", "scientific.KNOB", cwd=tmp_path).stdout
    assert "[low, high], both positive" in ranges  # brackets are no markup
    metrics = command("--metrics", cwd=tmp_path).stdout
    assert "kid " in metrics
    assert "biased by 1/n" in metrics


def test_a_narrow_terminal_has_a_knob_above_its_meaning(capsys):
    console = Console(width=80, force_terminal=True, no_color=True, highlight=False)
    manual.print_knobs(console, "loss.lambda_end")
    first, *meaning = capsys.readouterr().out.splitlines()
    assert "loss.lambda_end" in first
    assert "type float | null" in first
    assert " ".join(" ".join(meaning).split()).startswith("λ at the end of the budget, reached")
    assert max(map(len, meaning)) <= 80
