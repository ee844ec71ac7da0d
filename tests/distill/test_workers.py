"""Two real workers train what one trains: the random numbers are the trial's, not a rank's."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from methods import IN_PASSES, PLAIN_TEACHERS, RESUMED, SHARED_OUT, TOLERANCES, in_passes

from sid_sweep.distill import distill

WORKER = Path(__file__).with_name("worker.py")
pytestmark = pytest.mark.slow  # processes that each load torch
every_method = pytest.mark.parametrize("name", SHARED_OUT)


@pytest.fixture(scope="module")
def ends(tmp_path_factory, cache):
    """What both ranks ended with, in step and out of step."""
    folder = tmp_path_factory.mktemp("workers")
    command = [sys.executable, str(WORKER)]
    running = [
        subprocess.Popen([*command, str(rank), str(folder / "meeting"), str(folder), str(cache)])
        for rank in (0, 1)
    ]
    assert [process.wait(timeout=600) for process in running] == [0, 0]
    return {path.stem: torch.load(path, weights_only=True) for path in folder.glob("*.pt")}


def weights(state):
    """All weights and moving averages as one vector."""
    networks = state["method"]["networks"].values()
    return torch.cat([tensor.flatten() for network in networks for tensor in network.values()])


def distance(end, one):
    """Largest difference of a weight, relative to the largest weight."""
    return float((weights(end["state"]) - one).abs().max() / one.abs().max())


@every_method
def test_ranks_hold_bitwise_the_same(ends, name):
    first, second = (ends[f"Ranks-{name}-{rank}"] for rank in (0, 1))
    assert torch.equal(weights(first["state"]), weights(second["state"]))
    assert first["metrics"] == second["metrics"]


@every_method
def test_two_workers_train_what_one_trains(ends, straight, name):
    """Up to the order of sums, which half precision rounds more coarsely."""
    solo = straight(name).last
    end = ends[f"Ranks-{name}-0"]
    assert distance(end, weights(solo.state())) < TOLERANCES.get(name, 1e-5)
    assert end["images"] == solo.images
    for cost in ("cost/forwards", "cost/backwards"):
        assert end["metrics"][cost] == solo.metrics[cost]


@pytest.mark.parametrize("name", IN_PASSES)
def test_two_workers_in_several_passes_train_what_one_trains(ends, straight, name):
    solo = straight(name).last
    assert distance(ends[f"Passes-{name}-0"], weights(solo.state())) < TOLERANCES.get(name, 1e-5)


@pytest.mark.parametrize("name", RESUMED)
def test_two_workers_go_on_from_the_state_of_the_first_bitwise(ends, name):
    """Diagnostics included: a look in mid-training leaves the same sums on both ranks."""
    for rank in (0, 1):
        course, whole = (ends[f"{case}-{name}-{rank}"]["course"] for case in ("Resumed", "Ranks"))
        assert course[0]  # the evaluation that the interrupted sums enter
        assert any("diagnostics/" in metric for metric in course[0])
        assert course == whole[-len(course) :]


@every_method
def test_the_number_of_passes_changes_rounding_alone(cache, straight, name):
    """Bitwise it is another sum, so this shows that there were passes at all."""
    whole = straight(name).last
    *_, passes = distill(in_passes(name), cache=cache)
    end = {"state": passes.state()}
    assert 0 < distance(end, weights(whole.state())) < TOLERANCES.get(name, 1e-5)
    for cost in ("cost/forwards", "cost/backwards"):
        assert passes.metrics[cost] == whole.metrics[cost]


@pytest.mark.parametrize("name", PLAIN_TEACHERS)
def test_two_workers_draw_and_judge_bitwise_what_one_does(ends, straight, name):
    """Each its part, noise on the way included; both are told what the first has found."""
    solo = straight(name).last
    first, second = (ends[f"Ranks-{name}-{rank}"] for rank in (0, 1))
    assert first["metrics"] == second["metrics"] == solo.metrics
    assert torch.equal(first["samples"], solo.samples)
    assert second["samples"] is None


def test_ranks_that_do_not_speak_are_noticed(ends, straight):
    solo = straight("sid").last
    first, second = (ends[f"Unsynchronised-sid-{rank}"] for rank in (0, 1))
    assert not torch.equal(weights(first["state"]), weights(second["state"]))
    assert distance(first, weights(solo.state())) > 1e-3
