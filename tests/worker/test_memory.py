"""What is out of memory says what to lower, lets go of what it held, and is not confused with what
is broken."""

import subprocess
import sys
import traceback
import weakref

import pytest
import torch

from sid_sweep.worker.memory import OutOfMemory, told_what_to_lower

CUDA = (
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.11 GiB of "
    "which 1.02 GiB is free."
)


def allocate_too_much():
    torch.empty(2**50)


def raise_(error):
    raise error


@pytest.mark.parametrize(
    ("fail", "line"),
    [
        (allocate_too_much, "this machine has no 4194304.00 GiB left"),
        (lambda: raise_(torch.OutOfMemoryError(CUDA)), "the GPU has no 2.50 GiB left"),
        (lambda: raise_(torch.OutOfMemoryError("")), "the GPU has no memory left"),
        (lambda: raise_(MemoryError()), "this machine has no memory left"),
    ],
)
def test_a_refused_allocation_is_one_line_with_the_knobs(fail, line):
    with pytest.raises(OutOfMemory) as caught, told_what_to_lower():
        fail()
    first, *rest = str(caught.value).splitlines()
    assert first.startswith(f"{line}; lower batch.per_worker ")
    assert rest == []
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("memory")])
def test_what_is_broken_stays_what_it_is(error):
    with pytest.raises(type(error)) as caught, told_what_to_lower():
        raise error
    assert caught.value is error


def test_what_the_failed_step_held_is_let_go():
    """Though the exception, with its traceback, is kept."""
    held = []

    def step():
        activations = torch.zeros(3)
        held.append(weakref.ref(activations))
        allocate_too_much()

    with pytest.raises(OutOfMemory) as caught, told_what_to_lower():
        step()
    trace = "".join(traceback.format_exception(caught.value.__cause__))
    assert "in step" in trace
    assert held[0]() is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_peak_is_the_trials_own_whatever_earlier_ones_have_left():
    """In a process of its own: 64 MiB that stay, and then the same trial again."""
    code = """\
import torch
from sid_sweep.worker.memory import peak_bytes, reset_peak
held, peaks = [], []
for _ in range(5):
    reset_peak("cpu")
    passing = torch.ones(2**23)  # 32 MiB
    del passing
    peaks.append(peak_bytes("cpu") / 2**20)
    held.append(torch.ones(2**24))
print(*peaks)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    _, second, *later = map(float, done.stdout.split())
    assert later == pytest.approx([second] * 3, abs=4)
