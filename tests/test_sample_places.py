"""What `sample` takes for a student, what it says where there is none, and that looking makes
nothing."""

import sys
from pathlib import Path

import pytest

from analysis import compare, report
from sid_sweep import sample
from sid_sweep.spec import Sweep
from sid_sweep.trials import SweepFolder, agreement
from sid_sweep.worker.job import Job
from sid_sweep.worker.run import run

sys.path.insert(0, str(Path(__file__).parent / "tracking"))
from small_sweep import measurement

ONE_MODE = {"kind": "mixture", "name": "scattered", "components": 1, "dimensions": 2,
            "deviation": 1.0}  # fmt: skip
SWEEP = Sweep.model_validate(
    {
        "sweep": "small",
        "question": "Which?",
        "objective": {"metric": "js"},
        "seeds": 2,
        "scientific": {"loss.lambda": {"choice": [0.5, 1.0]}},
        "fixed": {
            "data": ONE_MODE,
            "batch": {"latents": 64},
            "budget": {"images": 640},
            "evaluation": {"times": 1, "samples": 256},
        },
    }
)


def begun(folder: Path) -> SweepFolder:
    """The sweep's folder, with its arms asked for."""
    own = SweepFolder(folder / "sweeps" / SWEEP.sweep)
    agreement.agree(own, SWEEP)
    for arm in SWEEP.grid():
        own.append_arm(arm)
    return own


def finish(own: SweepFolder, entry, cache: Path) -> None:
    run(
        Job(trial=entry.trial, folder=entry.folder, cache=cache, checkpoint_seconds=1e9, threads=1),
        lambda figures: None,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    own = begun(folder)
    for entry in own.entries(SWEEP):
        finish(own, entry, folder / "cache")
    return folder


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """One trial has finished, one was judged once, two have not begun."""
    folder = tmp_path_factory.mktemp("half")
    own = begun(folder)
    first, second, *_ = own.entries(SWEEP)
    finish(own, first, folder / "cache")
    second.folder.begin(second.trial)
    second.folder.append(measurement(second, 320))
    return folder


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "named", ["small", "sweeps/small", "sweeps/small/", "{folder}/sweeps/small"]
)
def test_a_sweep_is_taken_by_its_name_and_by_its_folder(named, finished, monkeypatch, capsys):
    monkeypatch.chdir(finished)
    (finished / "x.npz").unlink(missing_ok=True)
    before = files(finished)
    assert sample.main([named.format(folder=finished), "--num", "4", "--out", "x.npz"]) == 0
    assert "4 samples [2] of small: " in capsys.readouterr().out
    assert files(finished) - before == {finished / "x.npz"}


def test_a_folder_beside_that_is_called_like_a_sweep_does_not_hide_it(
    finished, monkeypatch, capsys
):
    monkeypatch.chdir(finished)
    (finished / "small").mkdir()
    assert sample.main(["small", "--num", "4", "--out", "y.npz"]) == 0


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("{unfinished}", "running, last judged at 320 images; run its sweep's command again"),
        ("small", "of its trials 1 have finished; name a trial, such as sweeps/small/"),
        ("sweeps", "no sweep 'sweeps': "),
        ("sweeps/none", "no name of a sweep"),
        ("0123456789abcdef0123456789abcdef", "0123456789abcdef"),
    ],
)
def test_what_is_not_finished_says_in_one_line_what_there_is(
    named, message, half, monkeypatch, capsys
):
    monkeypatch.chdir(half)
    before = files(half)
    unfinished = SweepFolder(half / "sweeps" / "small").entries(SWEEP)[1].folder.path
    assert sample.main([named.format(unfinished=unfinished)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert message in told
    assert files(half) == before


def test_a_device_that_is_not_there_is_one_line(finished, monkeypatch, capsys):
    import torch

    if torch.cuda.is_available():
        pytest.skip("it is there")
    monkeypatch.chdir(finished)
    assert sample.main(["small", "--device", "cuda"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: --device cuda: ")
    assert told.endswith("; use --device cpu\n")
    assert told.count("\n") == 1


@pytest.mark.parametrize("command", [compare, report], ids=["compare", "report"])
def test_looking_makes_no_database(command, half, monkeypatch, tmp_path):
    monkeypatch.chdir(half)
    before = files(half)
    assert command.main(["none"]) == 2
    assert command.main(["small", "--tracking-uri", "sqlite:///mlflow.db"]) == 2
    assert files(half) == before
    out = tmp_path / ("out.html" if command is report else "out")
    assert command.main(["small", "--out", str(out)]) == 0
    assert {path.name for path in files(half) - before} == set()
