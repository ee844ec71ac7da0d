"""The real command stops at its limits, and the one that it names goes on to the table of a run
that was never stopped."""

import json
import sqlite3
import sys
import time

import pytest
from real_sweep import Command, wait_for

from sid_sweep.spending import GIGABYTE_BYTES, bytes_in
from sid_sweep.trials import TrialFolder

RATES = ("--set", "scientific.generator.optim.lr={choice: [0.001, 0.002]}")
ONE_AT_A_TIME = ("--set", "resources.concurrency=1")
SECRET = "T0K3N0FAW3BH00K"
BRITTLE = """\
import pathlib
import torch

class Denoiser(torch.nn.Module):
    shape, sigma_data, num_classes = (2,), 1.0, 0

    def forward(self, x, sigma, labels=None):
        if len(x) >= 32 and pathlib.Path("broken").exists():  # not when it is loaded
            raise RuntimeError("the dongle is not there")
        return x / (1 + sigma**2)[:, None]

def make():
    return Denoiser()
"""
TELL = """\
import pathlib, sys
pathlib.Path(__file__).with_suffix(".json").write_text(sys.stdin.read())
"""


def ends(command):
    """What the trials came to, by the digest of each."""
    return {
        path.parent.name: [
            (own.images, own.metrics["js"], own.metrics["mode_kl"])
            for own in TrialFolder(path.parent).measurements()
        ]
        for path in command.sweep.path.glob("trials/*/result.json")
    }


def runs(folder):
    """Status and outcome of MLflow's runs, by level."""
    with sqlite3.connect(folder / "mlflow.db") as database:
        found = database.execute(
            "select level.value, runs.status, outcome.value from runs "
            "join tags level on level.run_uuid = runs.run_uuid and level.key like '%level' "
            "left join tags outcome on outcome.run_uuid = runs.run_uuid "
            "and outcome.key like '%.outcome'"
        )
        return sorted(found, key=str)


def run(folder, *arguments, status):
    command = Command(folder, *RATES, *arguments)
    try:
        assert command.end(seconds=500) == status, command.output
    finally:
        command.kill()
    return command


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A run without limits: what its trials came to, the seconds until one had a checkpoint and
    until all had an end, and the size of it all."""
    began, folder = time.time(), tmp_path_factory.mktemp("straight")
    command = Command(folder, *RATES, *ONE_AT_A_TIME)
    try:
        command.wait_for_checkpoint()
        first = time.time() - began
        wait_for(lambda: len(ends(command)) == 4, seconds=500)
        last = time.time() - began
        assert command.end(seconds=500) == 0, command.output
    finally:
        command.kill()
    return ends(command), first, last, bytes_in(command.sweep.path)


@pytest.mark.slow
def test_a_limit_of_trials_lets_what_runs_end_and_the_command_that_it_names_does_the_rest(
    straight, tmp_path, monkeypatch
):
    (tmp_path / "tell.py").write_text(TELL)
    told = f"{sys.executable} {tmp_path / 'tell.py'}"
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:9/{SECRET}")
    notify = ("--notify", told, "--notify", "webhook:HOOK")
    own = run(tmp_path, "--set", "limits.trials=3", *notify, status=3)
    assert (
        "limits.trials = 3 is reached (3 of 3 trials); 3 of 4 trials done; to go on" in own.output
    )
    assert "  limits    3 trials\n" in own.output
    assert len(ends(own)) == 3
    assert ("sweep", "KILLED", "3 finished; stopped at limits.trials") in runs(tmp_path)
    assert {status for level, status, _ in runs(tmp_path) if level == "seed"} == {"FINISHED"}
    document = json.loads((tmp_path / "tell.json").read_text())
    assert (document["event"], document["trials"]["finished"]) == ("limit", 3)
    records = [path for path in tmp_path.rglob("*.json*") if path.name != "tell.json"]
    assert "tell.py" not in "".join(path.read_text() for path in records)
    assert own.output.count("webhook:HOOK could not be told how it ended") == 1
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []

    again = run(tmp_path, "--set", "limits.trials=3", status=3)
    assert "nothing was started: limits.trials = 3 is reached" in again.output
    assert "Ray" not in again.output

    assert "--set limits.trials=6" in own.output
    done = run(tmp_path, "--set", "limits.trials=6", status=0)
    assert ends(done) == straight[0]
    assert ("sweep", "FINISHED", "4 finished") in runs(tmp_path)


@pytest.mark.slow
def test_a_limit_of_time_stops_at_a_checkpoint_and_the_same_command_ends_in_the_same_table(
    straight, tmp_path
):
    expected, first, last, _ = straight
    seconds = first + 0.5 * (last - first)
    limit = (*ONE_AT_A_TIME, "--set", f"limits.wall_hours={seconds / 3600:.6f}")
    stopped = run(tmp_path, *limit, status=3)
    assert "limits.wall_hours = " in stopped.output
    assert "1 interrupted; to go on:" in stopped.output
    assert "RUNNING" not in {status for _, status, _ in runs(tmp_path)}
    (parent,) = [own for own in runs(tmp_path) if own[0] == "sweep"]
    assert parent[1] == "KILLED"
    assert parent[2].endswith("stopped at limits.wall_hours")
    for _ in range(8):
        command = Command(tmp_path, *RATES, *limit)
        try:
            status = command.end(seconds=500)
        finally:
            command.kill()
        assert status in (0, 3), command.output
        if status == 0:
            break
    assert ends(command) == expected


@pytest.mark.slow
def test_a_limit_of_the_disk_stops_at_checkpoints_and_more_room_ends_in_the_same_table(
    straight, tmp_path
):
    expected, *_, whole = straight
    limit = f"limits.disk_gigabytes={whole / 2 / GIGABYTE_BYTES:.9f}"
    stopped = run(tmp_path, *ONE_AT_A_TIME, "--set", limit, status=3)
    assert "limits.disk_gigabytes = " in stopped.output
    assert len(ends(stopped)) < 4
    assert "RUNNING" not in {status for _, status, _ in runs(tmp_path)}
    (parent,) = [own for own in runs(tmp_path) if own[0] == "sweep"]
    assert parent[1:] == ("KILLED", parent[2])
    assert parent[2].endswith("stopped at limits.disk_gigabytes")
    again = run(tmp_path, "--set", limit, status=3)
    assert "nothing was started: limits.disk_gigabytes" in again.output
    done = run(tmp_path, "--set", "limits.disk_gigabytes=1", status=0)
    assert ends(done) == expected


@pytest.mark.slow
def test_a_limit_of_failures_begins_no_other_trial_until_the_cause_is_gone(tmp_path):
    (tmp_path / "brittle.py").write_text(BRITTLE)
    teacher = ("--set", "fixed.teacher={kind: python, factory: 'brittle:make'}")
    asked = (*teacher, *ONE_AT_A_TIME, "--set", "limits.failures=2")
    (tmp_path / "broken").touch()
    stopped = run(tmp_path, *asked, status=3)
    assert "limits.failures = 2 is reached (2 of 2 failures)" in stopped.output
    assert "RuntimeError: the dongle is not there" in stopped.output
    begun = [path.parent.name for path in stopped.sweep.path.glob("trials/*/failure.json")]
    assert len(begun) == 2
    (tmp_path / "broken").unlink()
    done = run(tmp_path, *asked, status=0)
    assert len(ends(done)) == 4
    assert ends(done).keys() > set(begun)
