"""How busy a trial keeps its machine is measured, and what no system tells is left out."""

import sys
import time
from contextlib import closing

import pytest
import torch

from sid_sweep.worker import usage
from sid_sweep.worker.usage import Usage


def spin(seconds):
    """Keep a core busy."""
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass


def test_one_that_computes_is_busy_and_one_that_waits_is_not():
    with closing(Usage("cpu", threads=1)) as own:
        spin(0.3)
        busy = own.look()
        time.sleep(0.3)
        idle = own.look()
    assert busy["cpu_utilization_percentage"] > 5 * idle["cpu_utilization_percentage"]
    assert 0 <= idle["cpu_utilization_percentage"] < busy["cpu_utilization_percentage"] < 150
    if sys.platform == "linux":
        assert 50 < busy["process_memory_usage_megabytes"] < 50_000
    assert not any("gpu" in name for name in busy)


def test_it_is_of_all_threads_that_it_may_use():
    with closing(Usage("cpu", threads=4)) as own:
        spin(0.3)
        assert own.look()["cpu_utilization_percentage"] < 35


@pytest.fixture
def gpu(monkeypatch):
    """One that is busier with every look at it."""
    seen = iter(range(10, 100, 10))
    monkeypatch.setattr(usage, "SAMPLE_SECONDS", 0.01)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 3_000_000)
    monkeypatch.setattr(torch.cuda, "utilization", lambda device: next(seen))


def looked(own):
    """Once there is something to see."""
    deadline = time.monotonic() + 30
    while not own._gpu and time.monotonic() < deadline:
        time.sleep(0.01)
    return own.look()


def test_a_gpu_is_looked_at_all_the_while(gpu):
    with closing(Usage("cuda", threads=1)) as own:
        first, second = looked(own), looked(own)
    assert first["gpu_memory_usage_megabytes"] == 3
    assert 10 <= first["gpu_utilization_percentage"] < second["gpu_utilization_percentage"] <= 90


def test_a_gpu_that_does_not_tell_is_no_trouble(gpu, monkeypatch):
    def refuse(device):
        raise RuntimeError("Not Supported")

    monkeypatch.setattr(torch.cuda, "utilization", refuse)
    with closing(Usage("cuda", threads=1)) as own:
        time.sleep(0.1)
        found = own.look()
    assert "gpu_utilization_percentage" not in found
    assert "gpu_memory_usage_megabytes" in found
