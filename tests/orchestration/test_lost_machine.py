"""A machine is lost with all that was on it: the same command on another one goes on from the
replica."""

import os
import shutil
import signal

import pytest
from real_sweep import Command, wait_for

from sid_sweep.trials import SweepFolder, TrialFolder

pytestmark = pytest.mark.slow


def test_another_machine_goes_on_where_the_replica_was(tmp_path):
    there = SweepFolder(tmp_path / "there" / "tiny")
    words = ("--replica", f"file://{there.path.parent}", "--set", "resources.concurrency=1")
    one, two = tmp_path / "one", tmp_path / "two"
    for machine in (one, two):
        machine.mkdir()
    command = Command(one, *words)
    try:
        wait_for(lambda: there.results() and len(list(there.path.glob("trials/*/*.pt"))) == 1)
    finally:
        os.killpg(command.process.pid, signal.SIGKILL)
        command.kill()
    shutil.rmtree(one)
    (done,) = [own for own in there.trials_like("") if own.result() is not None]
    (begun,) = [own for own in there.trials_like("") if own.checkpoint.exists()]
    before = {path: path.read_bytes() for path in done.path.rglob("*") if path.is_file()}
    reached = [own.timestamp_ms for own in begun.measurements()]

    command = Command(two, *words)
    try:
        assert command.end() == 0, command.output
    finally:
        command.kill()
    assert "files taken from there" in command.output
    assert "1 done, 1 interrupted" in command.output
    here = command.sweep
    assert [own.result().outcome for own in here.trials_like("")] == ["finished"] * 2
    assert {path: path.read_bytes() for path in before} == before
    own = TrialFolder(here.trials / begun.path.name)
    kept = [measured.timestamp_ms for measured in own.measurements()]
    assert kept[: len(reached) - 1] == reached[:-1]  # the last may have come after its checkpoint
    assert contents(here) == contents(there)
    assert f"file://{there.path}" in command.output  # where to look


NOT_SAME = ("logs", "ray", "tracking-")
"""What is Ray's, and what was sent to MLflow, which may be sent after the replica is whole."""


def contents(folder):
    """All that is worth keeping of a sweep."""
    kept = [path for path in folder.path.rglob("*") if path.is_file() and path.suffix != ".lock"]
    own = {path.relative_to(folder.path): path.read_bytes() for path in kept}
    return {path: read for path, read in own.items() if not path.parts[0].startswith(NOT_SAME)}
