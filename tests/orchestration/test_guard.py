"""What dies is noticed at once, what hangs within a stated number of looks; who was asked nothing
is told nothing."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from sid_sweep.orchestration import guard as guards
from sid_sweep.orchestration.guard import Guard, Lost
from sid_sweep.orchestration.processes import children_of
from sid_sweep.orchestration.signals import Interrupted, Signals

PATIENCE = 5.0


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """A second takes ten milliseconds."""
    monkeypatch.setattr(guards, "TICK_SECONDS", 0.01)


@pytest.fixture
def programs():
    """Two processes that do nothing, in the places of raylet and GCS."""
    started = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
    yield started
    for program in started:
        program.kill()
        program.wait()


class Resort:
    """What is called where the main thread hangs; it must not be called again and again."""

    def __init__(self):
        self.reasons = []

    def __call__(self, reason):
        self.reasons.append(reason)
        threading.Event().wait()


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def turn(guard, *, busy=True):
    """Tune's loop, as long as nothing is lost."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        guard.check(busy)
        time.sleep(0.005)


def watched(ask=lambda: True):
    guard = Guard(Signals(), Resort())
    guard.connected(children_of(os.getpid()), ask)
    return guard


def test_a_death_is_noticed_at_the_next_turn_without_the_thread(programs):
    guard = watched()
    guard.check(True)
    programs[1].kill()
    programs[1].wait()
    with pytest.raises(Lost, match="its sleep has died"):
        guard.check(True)
    guard._over.set()


def test_a_death_while_ray_starts_is_a_loss_although_the_main_thread_waits(programs):
    guard = Guard(Signals(), Resort())
    guard.starting(lambda: children_of(os.getpid()))
    with guard.watching():
        until(lambda: len(guard.core) == 2)
        programs[1].kill()
        programs[1].wait()
        until(lambda: guard.last_resort.reasons)
        assert guard._now < guards.IDLE_TICKS
    assert guard.last_resort.reasons == ["its sleep has died"]


def test_what_was_stopped_is_lost_after_its_time_and_not_before(programs):
    guard = watched()
    with guard.watching():
        os.kill(programs[0].pid, signal.SIGSTOP)
        time.sleep(0.1)
        os.kill(programs[0].pid, signal.SIGCONT)
        time.sleep(0.5)
        guard.check(True)
        os.kill(programs[0].pid, signal.SIGSTOP)
        with pytest.raises(Lost, match="has been stopped for 30 s"):
            turn(guard)


def raising():
    raise RuntimeError("no")


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (lambda: False, "no node that is alive"),
        (raising, "has not answered for 60 s"),
        (threading.Event().wait, "has not answered for 60 s"),
    ],
)
def test_a_ray_that_does_not_answer_or_has_no_node_is_lost(ask, reason):
    guard = watched(ask)
    with guard.watching(), pytest.raises(Lost, match=reason):
        turn(guard)


def test_trials_that_wait_while_none_runs_are_a_loss(programs):
    guard = watched()
    with guard.watching(), pytest.raises(Lost, match="no trial has begun for 180 s"):
        turn(guard, busy=False)


def test_a_loop_that_turns_while_a_trial_runs_is_never_lost(programs, monkeypatch):
    monkeypatch.setattr(guards, "TICK_SECONDS", 0.002)
    monkeypatch.setattr(guards, "IDLE_TICKS", 100)
    guard = watched()
    with guard.watching():
        while guard._now <= 2 * guards.IDLE_TICKS:
            guard.check(True)
            time.sleep(0.005)


@pytest.mark.parametrize(("turns", "patience"), [(True, 60), (False, 180)])
def test_where_the_main_thread_hangs_the_last_resort_is_taken_once(programs, turns, patience):
    guard = watched()
    if turns:
        guard.check(True)
    with guard.watching():
        until(lambda: guard.last_resort.reasons)
        assert guard._now >= patience + guards.LEAVE_TICKS
        time.sleep(0.1)
    assert guard.last_resort.reasons == [f"Tune has stood still for {patience} s"]


def test_a_worker_that_was_stopped_is_killed_and_nothing_else(programs):
    """Its trial is then tried again."""
    parent = subprocess.Popen(["sh", "-c", "sleep 60 & sleep 60 & wait"])
    until(lambda: len(children_of(parent.pid)) == 2)
    first, second = children_of(parent.pid)
    guard = Guard(Signals(), Resort())
    core = [process for process in children_of(os.getpid()) if process.pid == parent.pid]
    guard.connected(core, lambda: True)
    with guard.watching():
        os.kill(first.pid, signal.SIGSTOP)
        until(lambda: (guard.check(True), first.state() in ("", "Z"))[1])
        assert second.state() == "S"
        second.kill()
    parent.kill()
    parent.wait()


def test_a_signal_comes_first():
    guard = watched()
    guard.signals.received, guard.loss = signal.SIGINT, "lost"
    with pytest.raises(Interrupted):
        guard.check(True)
    guard._over.set()


HANGING = """\
import os, sys, threading
from sid_sweep.orchestration import guard
from sid_sweep.orchestration.guard import Guard
from sid_sweep.orchestration.signals import Signals
guard.TICK_SECONDS = 0.005
def again(reason):
    print(reason, flush=True)
    os.execv(sys.executable, [sys.executable, "-c", "import os; print('again', os.getpid())"])
own = Guard(Signals(), again)
own.check(True)
print(os.getpid())
with own.watching():
    threading.Event().wait()
"""


def test_a_command_whose_main_thread_hangs_can_become_a_new_one():
    """From another thread, as the same process."""
    command = [sys.executable, "-c", HANGING]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    own, reason, again = done.stdout.splitlines()
    assert reason == "Tune has stood still for 60 s"
    assert again == f"again {own}"
    assert done.returncode == 0
