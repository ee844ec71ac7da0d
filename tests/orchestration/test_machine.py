"""As many trials at a time as fit; what does not fit at all is refused in one line."""

import os
from pathlib import Path

import pytest

from sid_sweep.orchestration import machine
from sid_sweep.orchestration.machine import Capacity, Layout, lay_out, this_machine
from sid_sweep.spec import SpecError, load

LAMBDA = Path(__file__).parents[1] / "lambda.yaml"


def laid_out(cpus, gpus, **resources):
    overrides = [f"resources.{name}={value}" for name, value in resources.items()]
    return lay_out(load(LAMBDA, ("batch.latents=96", *overrides)), Capacity(cpus, gpus))


@pytest.mark.parametrize(
    ("cpus", "gpus", "resources", "concurrency"),
    [
        (2, 0, {}, 2),
        (1, 0, {}, 1),
        (100, 0, {}, 24),  # all trials that there are
        (8, 0, {"cpus_per_worker": 3}, 2),
        (8, 0, {"workers": 2}, 4),
        (8, 0, {"workers": 2, "cpus_per_worker": 4}, 1),
        (8, 0, {"concurrency": 3}, 3),
        (2, 0, {"concurrency": 3}, 2),
        (8, 2, {}, 2),
        (8, 2, {"workers": 2}, 1),
        (8, 2, {"gpus_per_worker": 2}, 1),
        (8, 2, {"gpus_per_worker": 0}, 8),
        (8, 2, {"gpus_per_worker": 0.5}, 4),
        (8, 1, {"gpus_per_worker": 0.2}, 5),
        (8, 1, {"gpus_per_worker": 0.1, "workers": 2}, 4),
        (2, 1, {"gpus_per_worker": 0.2}, 2),
        (24, 3, {"gpus_per_worker": 0.2, "workers": 3}, 5),  # 3 / (3 * 0.2) is a little below 5
    ],
)
def test_as_many_at_a_time_as_fit_or_as_the_sweep_allows(cpus, gpus, resources, concurrency):
    assert laid_out(cpus, gpus, **resources).concurrency == concurrency


@pytest.mark.parametrize(
    ("gpus", "resources", "each", "device"),
    [
        (0, {}, 0.0, "cpu"),
        (1, {}, 1.0, "cuda"),
        (1, {"workers": 2}, 0.0, "cpu"),  # one GPU cannot be one for each of two
        (2, {"workers": 2}, 1.0, "cuda"),
        (2, {"gpus_per_worker": 0}, 0.0, "cpu"),
        (1, {"gpus_per_worker": 0.25}, 0.25, "cuda"),
    ],
)
def test_auto_is_a_gpu_for_each_worker_where_there_are_as_many(gpus, resources, each, device):
    layout = laid_out(8, gpus, **resources)
    assert (layout.gpus_per_worker, layout.device) == (each, device)
    assert layout.gpus == each * layout.workers


@pytest.mark.parametrize(
    ("resources", "wants"),
    [
        ({"workers": 8}, "8 CPUs and 0 GPUs"),
        ({"cpus_per_worker": 5}, "5 CPUs and 1 GPUs"),
        ({"gpus_per_worker": 1.5}, "1 CPUs and 1.5 GPUs"),
        ({"workers": 4, "gpus_per_worker": 0.5}, "4 CPUs and 2 GPUs"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_with_the_knobs_to_lower(resources, wants):
    with pytest.raises(SpecError) as caught:
        laid_out(4, 1, **resources)
    assert str(caught.value) == (
        f"resources: a trial needs {wants}, and there are 4 and 1; lower resources.workers, "
        "resources.cpus_per_worker or resources.gpus_per_worker"
    )


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        (Layout(1, 1, 0.0, 2), "2 at a time, each 1 worker with 1 CPU"),
        (Layout(2, 3, 0.5, 1), "1 at a time, each 2 workers with 3 CPU and 0.5 GPU"),
    ],
)
def test_a_layout_is_one_phrase(layout, text):
    assert str(layout) == text
    assert layout.cpus == layout.workers * layout.cpus_per_worker


@pytest.mark.parametrize(
    ("visible", "gpus"),
    [
        (None, 2),
        ("0", 1),
        ("0,1", 2),
        ("0,1,2", 2),
        ("", 0),
        ("1, ", 1),
        ("-1", 0),
        ("0,-1,1", 1),
        ("NoDevFiles", 0),
    ],
)
def test_a_gpu_that_is_hidden_or_absent_is_none(tmp_path, monkeypatch, visible, gpus):
    folder = tmp_path / "gpus"
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (folder / name).mkdir(parents=True)
    monkeypatch.setattr(machine, "Path", lambda path: folder)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert this_machine() == Capacity(len(os.sched_getaffinity(0)), gpus)


NODES = (Capacity(1, 0.0), Capacity(3, 1.0), Capacity(2, 2.0))


@pytest.mark.parametrize(
    ("resources", "concurrency"),
    [
        ({"gpus_per_worker": 0}, 6),
        ({}, 3),  # one for each GPU
        ({"workers": 3}, 1),  # of one trial, on two nodes
        ({"workers": 2, "gpus_per_worker": 0}, 3),
        ({"workers": 3, "cpus_per_worker": 2, "gpus_per_worker": 0}, 0),
        (
            {"cpus_per_worker": 2, "gpus_per_worker": 0},
            2,
        ),  # what is left on each is not put together
        ({"gpus_per_worker": 0.5}, 4),
        ({"gpus_per_worker": 2}, 1),
        ({"workers": 4}, 1),  # no GPU for each of four: none, and six cores
    ],
)
def test_workers_are_laid_out_over_nodes(resources, concurrency):
    overrides = [f"resources.{name}={value}" for name, value in resources.items()]
    sweep = load(LAMBDA, ("batch.latents=96", *overrides))
    if concurrency:
        assert lay_out(sweep, *NODES).concurrency == concurrency
    else:
        with pytest.raises(SpecError):
            lay_out(sweep, *NODES)


def test_what_fits_on_no_node_is_refused_with_the_nodes_there_are():
    sweep = load(LAMBDA, ("resources.cpus_per_worker=4",))
    with pytest.raises(SpecError) as caught:
        lay_out(sweep, Capacity(2, 0.0), Capacity(2, 0.0), Capacity(3, 0.0))
    assert str(caught.value) == (
        "resources: a trial of 1 worker with 4 CPU does not fit on the nodes there are (2 x 2 CPUs "
        "and 0 GPUs, 1 x 3 CPUs and 0 GPUs); lower resources.workers, "
        "resources.cpus_per_worker or resources.gpus_per_worker"
    )


def test_room_on_nodes_is_counted_anew_as_they_come_and_go():
    layout = lay_out(load(LAMBDA, ("resources.workers=2", "batch.latents=96")), Capacity(2, 0.0))
    assert layout.fits([Capacity(1, 0.0)]) == 0
    assert layout.fits([Capacity(1, 0.0)] * 5) == 2
    assert layout.fits([]) == 0
