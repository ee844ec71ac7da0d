"""A disk that is full in truth: the command says so in one line, and goes on once there is room."""

import contextlib
import itertools
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from sid_sweep.trials import SweepFolder
from sid_sweep.worker.job import Job
from sid_sweep.worker.run import run

sys.path.insert(0, str(Path(__file__).parent))
from alone import SWEEP, command, small, table


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk, *, but=0):
    """Take all that is left of it, but for some bytes."""
    with (disk / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(max(0, file.tell() - but))


def settle(folder):
    """Until nothing is being written: a checkpoint that takes the place of another frees its room,
    in which the trial could then just end."""
    before = None
    while before != (now := written(folder)):
        before = now
        time.sleep(0.2)


def written(folder):
    """Every file with its time; one that is gone meanwhile has none."""
    found = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            found[path] = path.stat().st_mtime_ns
    return found


@pytest.mark.parametrize("but", [0, 4096, 16384])
def test_a_trial_keeps_its_last_whole_checkpoint_and_goes_on(disk, tmp_path, but):
    """The disk fills up while it runs, to different degrees: to the last byte, to some pages."""
    sweep = small(scientific={"loss.lambda": {"choice": [1.0]}})
    trial = sweep.trial(sweep.first_arm(), 0)
    own = SweepFolder(disk / "small").trial(trial)
    seen = itertools.count(1)

    def report(figures):
        if next(seen) == 2:
            settle(own.path)
            fill(disk, but=but)

    job = Job(trial=trial, folder=own, cache=tmp_path, checkpoint_seconds=0.0, threads=1)
    with pytest.raises(OSError, match="the disk is full; free some space") as caught:
        run(job, report)
    assert str(disk) in str(caught.value)
    assert "\n" not in str(caught.value)
    (disk / "ballast").unlink()
    seen_before = own.measurements()
    again = []
    run(job, again.append)
    assert all(figures["images"] > 0 for figures in again)  # from its checkpoint, or its end
    assert own.measurements()[: len(seen_before)] == seen_before
    command(tmp_path / "straight", sweep)
    command(disk, sweep)
    assert table(disk, sweep) == table(tmp_path / "straight", sweep)


@pytest.mark.slow
def test_the_command_says_it_in_one_line_and_goes_on_from_what_is_there(disk, tmp_path):
    space = tmp_path / "small.yaml"
    changes = {"seeds": [0, 1, 2], "resources": {"gpus_per_worker": 0, "checkpoint_seconds": 0}}
    space.write_text(yaml.safe_dump(SWEEP | changes))
    argv = [sys.executable, "-m", "sid_sweep.run", str(space), "--storage", str(disk)]

    def ran():
        return subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, timeout=200)

    fill(disk, but=150_000)  # a trial or two
    done = ran()
    assert done.returncode == 1, done.stdout
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith(f"error: {disk}")
    assert "the disk is full; free some space" in lines[0]
    assert "Traceback" not in done.stdout
    (disk / "ballast").unlink()
    done = ran()
    assert done.returncode == 0, done.stderr
    sweep = small(**changes)
    command(tmp_path / "straight", sweep)
    assert table(disk, sweep) == table(tmp_path / "straight", sweep)
