"""A checkpoint is a copy of the moment, written beside training, whole or absent, and its failure
is no secret."""

import threading
from types import SimpleNamespace

import pytest
import torch

from sid_sweep.trials import TrialFolder
from sid_sweep.worker import checkpoint
from sid_sweep.worker.checkpoint import Checkpoints, copied


def progress(images, weights):
    state = {"weights": [weights], "rate": 0.5, "name": "θ"}
    return SimpleNamespace(images=images, state=lambda: state)


def stopped(checkpoints, error):
    """A trial that fails while its checkpoint is written."""
    with checkpoints.open():
        checkpoints.save_if_due(progress(16, torch.ones(2)))
        raise error


def read(folder):
    return torch.load(folder.checkpoint, weights_only=True)


@pytest.fixture
def folder(tmp_path):
    return TrialFolder(tmp_path)


@pytest.fixture
def slow(monkeypatch):
    """Writes that begin when they are let go; how many have begun."""
    gate, begun, write = threading.Event(), [], checkpoint._write

    def wait_and_write(folder, contents):
        begun.append(contents["images"])
        assert gate.wait(30)
        write(folder, contents)

    monkeypatch.setattr(checkpoint, "_write", wait_and_write)
    return SimpleNamespace(gate=gate, begun=begun)


def test_a_copy_shares_nothing_and_keeps_all():
    weights = torch.arange(6.0).view(2, 3).T
    state = {"a": [weights, (1, None)], 3: {"b": torch.tensor(True), "c": "θ"}}
    own = copied(state)
    weights += 1
    assert torch.equal(own["a"][0], weights - 1)
    assert own["a"][1] == [1, None]
    assert own[3]["b"].dtype == torch.bool
    assert own[3]["c"] == "θ"


def test_training_goes_on_while_its_checkpoint_is_written(folder, slow):
    weights = torch.zeros(3)
    with Checkpoints(folder, seconds=1e-9).open() as checkpoints:
        checkpoints.save_if_due(progress(16, weights))
        weights += 1  # what comes later is not in it
        checkpoints.save_if_due(progress(32, weights))  # the last one is still under way
        assert not folder.checkpoint.exists()
        slow.gate.set()
    assert slow.begun == [16]
    saved = read(folder)
    assert saved["images"] == 16
    assert torch.equal(saved["state"]["weights"][0], torch.zeros(3))


def test_the_end_waits_for_the_write_even_where_the_trial_was_interrupted(folder, slow):
    threading.Timer(0.3, slow.gate.set).start()
    with pytest.raises(KeyboardInterrupt):
        stopped(Checkpoints(folder, seconds=1e-9), KeyboardInterrupt())
    assert read(folder)["images"] == 16


def test_at_zero_seconds_every_look_is_kept(folder):
    with Checkpoints(folder, seconds=0).open() as checkpoints:
        for images in range(0, 80, 16):
            checkpoints.save_if_due(progress(images, torch.ones(2)))
    assert read(folder)["images"] == 64


def test_none_is_written_before_it_is_due(folder):
    with Checkpoints(folder, seconds=1e9).open() as checkpoints:
        checkpoints.save_if_due(progress(16, torch.ones(2)))
    assert not folder.checkpoint.exists()


def test_a_write_that_fails_fails_the_trial_and_leaves_the_one_before(folder, monkeypatch):
    with Checkpoints(folder, seconds=0).open() as checkpoints:
        checkpoints.save_if_due(progress(16, torch.ones(2)))

    def full(contents, path):
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.torch, "save", full)
    with pytest.raises(OSError, match="No space"), Checkpoints(folder, seconds=0).open() as own:
        own.save_if_due(progress(32, torch.ones(2)))
    assert read(folder)["images"] == 16
    assert [path.name for path in folder.path.iterdir()] == ["checkpoint.pt"]
    with pytest.raises(ValueError, match="broken") as caught:
        stopped(Checkpoints(folder, seconds=0), ValueError("broken"))
    assert "No space" in caught.value.__notes__[0]


def test_what_a_killed_process_left_half_written_is_dropped(folder):
    half = folder.path / ".checkpoint.pt.4711.tmp"
    half.touch()
    with Checkpoints(folder, seconds=0).open():
        assert list(folder.path.iterdir()) == []
