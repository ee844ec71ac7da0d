"""Whatever of Ray dies or hangs, the command ends with all trials done, or says so in bounded
time."""

import contextlib
import os
import re
import signal
import time
from pathlib import Path

import pytest
from real_sweep import Command, wait_for

from sid_sweep.orchestration.home import PLACE, PREFIX

BOUND_SECONDS = 60.0  # to notice; starting anew comes on top

SIGNALS = [signal.SIGKILL] + ([signal.SIGSTOP] if "SID_STOPPED" in os.environ else [])
"""What was stopped is waited for: with SID_STOPPED=1, where there is time for that."""


@pytest.fixture
def command(tmp_path):
    command = Command(tmp_path)
    yield command
    command.kill()


def all_done(command):
    return len(list(command.sweep.path.glob("trials/*/result.json"))) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_lost_ray_is_started_again_and_nothing_is_lost(command, name, number):
    command.wait_for_checkpoint()
    (process,) = command.named(name)
    workers = command.named("ray::")
    os.kill(process.pid, number)
    began = time.monotonic()
    wait_for(lambda: "Ray is lost" in command.output, seconds=BOUND_SECONDS)
    print(f"{name} {number.name}: noticed after {time.monotonic() - began:.0f} s")
    assert command.end() == 0, command.output
    assert all_done(command)
    assert command.output.count("Ray is lost: its " + name) == 1
    assert not any(worker.state() for worker in workers)
    assert "Traceback" not in command.output


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_a_trial_whose_process_dies_or_is_stopped_is_tried_again(command, number):
    command.wait_for_checkpoint(num=2)
    worker = command.named("ray::Implicit")[0]
    os.kill(worker.pid, number)
    began = time.monotonic()
    wait_for(lambda: "tried again (1 of 2)" in command.output, seconds=2 * BOUND_SECONDS)
    print(f"worker {number.name}: noticed after {time.monotonic() - began:.0f} s")
    assert command.end() == 0, command.output
    assert all_done(command)
    assert f"worker-*-{worker.pid}.err" in command.output
    assert list(Path(command.sweep.logs).glob(f"worker-*-{worker.pid}.err"))


@pytest.mark.slow
def test_what_a_killed_command_leaves_is_cleared_away_by_the_next(command, tmp_path):
    command.wait_for_checkpoint()
    tree = command.tree()
    (raylet,) = command.named("raylet")
    home = re.findall(f"{PLACE}/{PREFIX}\\w+", Path(f"/proc/{raylet.pid}/cmdline").read_text())[0]
    assert Path(home).exists()
    os.kill(command.process.pid, signal.SIGKILL)
    began = time.monotonic()
    command.process.wait()
    with contextlib.suppress(AssertionError):  # the next command sees to the rest
        wait_for(lambda: not any(process.state() for process in tree), seconds=30)
    left = [process.name for process in tree if process.state()]
    print(f"after {time.monotonic() - began:.0f} s still there: {left}")
    again = Command(tmp_path)
    try:
        assert again.end() == 0, again.output
        assert all_done(again)
    finally:
        again.kill()
    assert not any(process.state() for process in tree)
    assert not Path(home).exists()
    assert not re.search("Traceback|lost", again.output)
