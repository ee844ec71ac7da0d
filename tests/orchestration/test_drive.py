"""What Tune raises is told apart: Ray's troubles are a loss, all else is an error of ours."""

from types import SimpleNamespace

import pytest
from ray import tune
from ray.exceptions import OutOfMemoryError

from sid_sweep.orchestration.cluster import Cluster
from sid_sweep.orchestration.drive import drive
from sid_sweep.orchestration.guard import Guard, Lost
from sid_sweep.orchestration.machine import Layout
from sid_sweep.orchestration.signals import Signals

KILLED = "Task was killed due to the node running low on memory.\nMemory on the node was 23 GB."


def driven(tmp_path, monkeypatch, error):
    """Drive a Tune that ends with an error."""

    def fit(tuner):
        raise error

    monkeypatch.setattr(tune.Tuner, "fit", fit)
    ledger = SimpleNamespace(folder=SimpleNamespace(logs=tmp_path))
    layout = Layout(workers=1, cpus_per_worker=1, gpus_per_worker=0.0, concurrency=1)
    guard = Guard(Signals(), lambda reason: None)
    cluster = Cluster(layout, tmp_path)
    drive(ledger, cluster, watchers=[], guard=guard, gate=None, say=print)  # pyright: ignore


@pytest.mark.parametrize(
    "error",
    [OutOfMemoryError(KILLED), RuntimeError(f"Caught unexpected exception: {KILLED}")],
    ids=["Ray", "Tune"],
)
def test_memory_that_ray_takes_back_is_a_loss_in_one_line(tmp_path, monkeypatch, error):
    with pytest.raises(Lost, match=r"^Task was killed due to the node running low on memory\.$"):
        driven(tmp_path, monkeypatch, error)


def test_an_error_of_ours_is_none(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match="ours"):
        driven(tmp_path, monkeypatch, RuntimeError("ours"))
