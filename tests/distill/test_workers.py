"""Two real workers train what one trains: the random numbers are the trial's, not a rank's."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import records, tiny

WORKER = Path(__file__).with_name("worker.py")


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """What both ranks ended with, in step and out of step."""
    folder = tmp_path_factory.mktemp("workers")
    command = [sys.executable, str(WORKER)]
    running = [
        subprocess.Popen([*command, str(rank), str(folder / "meeting"), str(folder)])
        for rank in (0, 1)
    ]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    return {path.stem: torch.load(path, weights_only=True) for path in folder.glob("*.pt")}


def weights(end):
    """All weights and moving averages as one vector."""
    networks = [end["state"]["method"][name] for name in ("generator", "fake_score", "student")]
    return torch.cat([tensor.flatten() for network in networks for tensor in network.values()])


def test_ranks_hold_bitwise_the_same(ends):
    assert torch.equal(weights(ends["Ranks-0"]), weights(ends["Ranks-1"]))
    assert ends["Ranks-0"]["metrics"] == ends["Ranks-1"]["metrics"]
    assert not torch.equal(weights(ends["Unsynchronised-0"]), weights(ends["Unsynchronised-1"]))


def test_two_workers_train_what_one_trains(ends):
    """Up to the order of sums; ranks that do not speak are far off."""
    solo = records(tiny())[-1]
    one = weights({"state": solo.state()})
    scale = float(one.abs().max())
    in_step, out_of_step = (
        float((weights(ends[f"{kind}-0"]) - one).abs().max()) / scale
        for kind in ("Ranks", "Unsynchronised")
    )
    assert in_step < 1e-6
    assert out_of_step > 1e-3
    assert ends["Ranks-0"]["images"] == solo.images
    assert ends["Ranks-0"]["metrics"] == pytest.approx(solo.metrics, rel=1e-3, abs=1e-4)
