"""A machine is lost with all that was on it, the head of a cluster included: the same command on
another one goes on, from the sweep's folder or from its replica."""

import os
import shutil
import signal

import pytest
from ray_nodes import ray_cluster
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


LONG = ("--set", "budget.images=200_000", "--set", "evaluation.times=10")


@pytest.mark.long
@pytest.mark.parametrize("disk", ["shared", "lost"])
def test_another_cluster_goes_on_where_the_head_was_lost(tmp_path, disk):
    """The command ran on another node, and says so in time; or it dies with the head and its
    disk."""
    one, two, there = tmp_path / "one", tmp_path / "two", tmp_path / "there"
    for folder in (one, two):
        folder.mkdir()
    words = (*LONG, *(("--replica", f"file://{there}") if disk == "lost" else ()))
    where = there / "tiny" if disk == "lost" else one / "sweeps" / "tiny"
    with ray_cluster(one, nodes=2) as cluster:
        command = on(cluster, one, words)
        try:
            wait_for(lambda: [len(own) >= 3 for own in evaluations(where).values()] == [True] * 2)
            if disk == "lost":
                os.killpg(command.process.pid, signal.SIGKILL)
            cluster.nodes[0].kill()
            if disk == "shared":
                assert command.end() == 1, command.output
        finally:
            command.kill()
        said = command.output
    seen = evaluations(where)
    assert len(seen) == 2
    if disk == "shared":
        assert "Ray is lost: it has not answered for 60 s" in said
        assert "what was done is kept; to go on:" in said
        assert "Traceback" not in said
        two = one
    else:
        shutil.rmtree(one)
    with ray_cluster(two, nodes=1) as cluster:
        command = on(cluster, two, words)
        try:
            assert command.end() == 0, command.output
        finally:
            command.kill()
    assert [own.result().outcome for own in command.sweep.trials_like("")] == ["finished"] * 2
    after = evaluations(command.sweep.path)
    for name, times in seen.items():  # the last may have come after its checkpoint was copied
        kept = times if disk == "shared" else times[:-1]
        assert after[name][: len(kept)] == kept
        assert len(after[name]) == 11


def on(cluster, folder, words):
    """The command, at a cluster."""
    token = str(cluster.token)
    return Command(folder, "--address", cluster.address, *words, RAY_AUTH_TOKEN_PATH=token)


def evaluations(sweep):
    """When each trial was evaluated."""
    own = SweepFolder(sweep).trials_like("")
    return {trial.path.name: [m.timestamp_ms for m in trial.measurements()] for trial in own}


NOT_SAME = ("logs", "ray", "tracking-")
"""What is Ray's, and what was sent to MLflow, which may be sent after the replica is whole."""


def contents(folder):
    """All that is worth keeping of a sweep."""
    kept = [path for path in folder.path.rglob("*") if path.is_file() and path.suffix != ".lock"]
    own = {path.relative_to(folder.path): path.read_bytes() for path in kept}
    return {path: read for path, read in own.items() if not path.parts[0].startswith(NOT_SAME)}
