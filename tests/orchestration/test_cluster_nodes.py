"""Sweeps on a real cluster of several nodes: where trials run, who comes and goes, what is refused.

One cluster of two nodes with a core each lives through the module; each test leaves it so.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ray_nodes import RayCluster, free_port, ray_cluster
from real_sweep import Command, wait_for

import sid_sweep

pytestmark = pytest.mark.slow

BOUND_SECONDS = 5.0
REACH = """\
import sys, time
import ray
from sid_sweep.orchestration.reach import reach
from sid_sweep.spec import SpecError
began = time.monotonic()
try:
    print(len(reach(sys.argv[1]).nodes), "nodes")
except SpecError as error:
    print(error)
print(time.monotonic() - began)
"""
HOLD = """\
import sys, ray
ray.init(address=sys.argv[1], log_to_driver=False)
ray.get(ray.util.placement_group([{"CPU": 1}]).ready())
print("held", flush=True)
sys.stdin.read()
"""
LONG = ("--set", "budget.images=200_000", "--set", "evaluation.times=10")
WORKER, RANK = "ray::ImplicitFu", "ray::RayTrainWo"  # names are cut at fifteen characters


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with ray_cluster(tmp_path_factory.mktemp("nodes"), nodes=2) as cluster:
        yield cluster


@pytest.fixture
def command(cluster: RayCluster, tmp_path):
    """Starts the command at the cluster, and kills it whatever happens."""
    running = []

    def start(*arguments, folder=tmp_path, **environment):
        given = {"RAY_AUTH_TOKEN_PATH": str(cluster.token)} | environment
        running.append(Command(folder, "--address", cluster.address, *arguments, **given))
        return running[-1]

    yield start
    for own in running:
        own.kill()


def asked(address: str, environment: dict[str, str]) -> str:
    """What is said of an address, in time."""
    done = subprocess.run(
        [sys.executable, "-c", REACH, address], env=environment, capture_output=True, text=True
    )
    assert done.stderr == "", done.stderr
    *lines, seconds = done.stdout.splitlines()
    assert len(lines) == 1
    assert float(seconds) < BOUND_SECONDS
    return lines[0]


def refused(command: Command) -> str:
    """The one line of a command that does not begin."""
    assert command.end() == 2, command.output
    assert "Traceback" not in command.output
    (line,) = [own for own in command.output.splitlines() if own.startswith("error: ")]
    return line


def results(command: Command) -> int:
    return len(list(command.sweep.path.glob("trials/*/result.json")))


def test_the_token_opens_it_and_nothing_else_does(cluster, tmp_path):
    tokenless = {k: v for k, v in cluster.environment.items() if not k.startswith("RAY_AUTH")}
    tokenless["HOME"] = str(tmp_path)
    path = tmp_path / ".ray" / "auth_token"
    path.parent.mkdir()
    assert "it asks for a token, and none is here" in asked(cluster.address, tokenless)
    path.write_text("1" * 64)
    assert "it does not take the token, that in ~/.ray" in asked(cluster.address, tokenless)
    named = tokenless | {"RAY_AUTH_TOKEN_PATH": str(cluster.token)}
    assert asked(cluster.address, named) == "2 nodes"
    shutil.copy(cluster.token, path)
    assert asked(cluster.address, tokenless) == "2 nodes"
    given = tokenless | {"RAY_AUTH_TOKEN": cluster.token.read_text()}
    assert asked(cluster.address, given) == "2 nodes"


def test_a_command_with_another_token_is_refused_in_one_line(command, tmp_path):
    (tmp_path / "other").write_text("1" * 64)
    line = refused(command(RAY_AUTH_TOKEN_PATH=str(tmp_path / "other")))
    assert "it does not take the token" in line
    assert not (tmp_path / "sweeps").exists()


def test_what_can_never_fit_is_refused_before_anything_begins(command, tmp_path):
    line = refused(command("--set", "resources.workers=3", "--set", "batch.latents=96"))
    assert "a trial needs 3 CPUs and 0 GPUs, and there are 2 and 0" in line
    line = refused(command("--set", "resources.cpus_per_worker=2"))
    assert "with 2 CPU does not fit on the nodes there are (2 x 1 CPUs" in line
    assert not (tmp_path / "sweeps").exists()


def test_trials_are_spread_over_the_nodes(cluster, command):
    own = command()
    wait_for(lambda: all(node.runs(WORKER) for node in cluster.nodes))
    assert own.end() == 0, own.output
    assert results(own) == 2


@pytest.mark.long
def test_workers_of_one_trial_run_on_two_nodes_once_both_are_free(cluster, command):
    """While another holds a core, the board says what the trial waits for."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, cluster.address],
        env=cluster.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        own = command("--set", "resources.workers=2", "--set", "seeds=[0]")
        waits = "a trial waits for 2 workers with 1 CPU each: free are 1 CPU on all nodes"
        wait_for(lambda: waits in own.output)
        assert not any(node.runs(RANK) for node in cluster.nodes)
    finally:
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()
    wait_for(lambda: all(node.runs(RANK) for node in cluster.nodes))
    assert own.end() == 0, own.output
    assert results(own) == 1


def test_a_node_that_is_lost_costs_time_and_one_that_joins_is_used(cluster, command):
    own = command(*LONG, "--set", "resources.retries=0", "--set", "seeds=[0, 1, 2, 3]")
    own.wait_for_checkpoint(num=2)
    cluster.stop(cluster.nodes[1])
    wait_for(lambda: "its node is lost; it goes on elsewhere" in own.output)
    wait_for(lambda: "has left; 1 trial fits" in own.output)
    joined = cluster.start()
    wait_for(lambda: f"node {joined.name} has joined; 2 trials fit at a time" in own.output)
    wait_for(lambda: joined.runs(WORKER))
    assert own.end() == 0, own.output
    assert results(own) == 4
    assert "tried again" not in own.output


@pytest.mark.long
def test_a_killed_command_is_taken_up_by_another_elsewhere(command, tmp_path):
    shorter = (*LONG, "--set", "budget.images=80_000")
    first = command(*shorter)
    first.wait_for_checkpoint()
    os.kill(first.process.pid, signal.SIGKILL)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    second = command(*shorter, "--storage", str(tmp_path / "sweeps"), folder=elsewhere)
    assert second.end() == 0, second.output
    assert results(first) == 2
    assert "2 interrupted" in second.output or "1 interrupted" in second.output


@pytest.mark.long
def test_a_local_run_does_not_join(cluster, tmp_path):
    short = ("--set", "seeds=[0]", "--set", "budget.images=6_400")
    own = Command(tmp_path, *short, **cluster.environment, RAY_ADDRESS=cluster.address)
    try:
        wait_for(lambda: own.named("ray::Implicit"))
        assert not any(node.runs(WORKER) for node in cluster.nodes)
        assert own.end() == 0, own.output
        assert results(own) == 1
    finally:
        own.kill()


def test_a_node_with_other_code_is_refused_with_the_difference(cluster, command, tmp_path):
    package = Path(sid_sweep.__file__).parent
    copy = tmp_path / "other" / "sid_sweep"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "__init__.py").write_text('"""Another."""\n')
    node = cluster.start(PYTHONPATH=str(copy.parent))
    try:
        line = refused(command())
        assert f"node {node.name}: its code " in line
        assert "install the same versions on all nodes" in line
    finally:
        cluster.stop(node)
    wait_for(lambda: asked(cluster.address, cluster.environment) == "2 nodes")


@pytest.mark.long
@pytest.mark.skipif(os.getuid() != 0, reason="hides a folder from a node, which takes root")
def test_a_node_that_does_not_see_the_storage_is_refused(cluster, command, tmp_path):
    hide = f'mount -t tmpfs none {tmp_path} && exec "$@"'
    node = cluster.start(before=["unshare", "-m", "sh", "-c", hide, "sh"])
    try:
        line = refused(command())
        assert f"node {node.name}: it does not share {tmp_path / 'sweeps' / 'tiny'} (" in line
        assert "--storage must be a folder" in line
    finally:
        cluster.stop(node)
    wait_for(lambda: asked(cluster.address, cluster.environment) == "2 nodes")


def test_nobody_at_the_address_is_one_line(tmp_path):
    began = time.monotonic()
    own = Command(tmp_path, "--address", f"127.0.0.2:{free_port()}")
    assert "nothing answers there (Connection refused)" in refused(own)
    print(f"{time.monotonic() - began:.1f} s with the start of the command")
