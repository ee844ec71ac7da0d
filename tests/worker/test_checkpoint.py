"""A checkpoint is a copy of the moment, written beside training, whole or absent, and its failure
is no secret."""

import threading
from types import SimpleNamespace

import pytest
import torch

from sid_sweep.archives import stamp
from sid_sweep.files import Damaged, DiskFull
from sid_sweep.spec import Trial, digest
from sid_sweep.trials import Measurement, TrialFolder
from sid_sweep.worker import checkpoint
from sid_sweep.worker.checkpoint import Checkpoints, copied, restore

TRIAL = Trial.model_validate({"data": {"kind": "mixture"}})
OTHER = Trial.model_validate({"data": {"kind": "mixture"}, "seed": 1})


def progress(images, weights):
    state = {"images": images, "weights": [weights], "rate": 0.5, "name": "θ"}
    return SimpleNamespace(state=lambda: state)


def evaluated(images):
    """An evaluation."""
    made = {"seconds": 0.1, "peak_memory_bytes": 1, "metrics": {"js": 0.1}, "timestamp_ms": 1}
    return Measurement(images=images, **made)


def stopped(checkpoints, error):
    """A trial that fails while its checkpoint is written."""
    with checkpoints.open():
        checkpoints.save(progress(16, torch.ones(2)))
        raise error


def read(folder):
    measured, state = restore(folder, TRIAL, device="cpu")
    return {"measured": measured, **state}


@pytest.fixture
def folder(tmp_path):
    return TrialFolder(tmp_path)


@pytest.fixture
def slow(monkeypatch):
    """Writes that begin when they are let go; how many have begun."""
    gate, begun, write = threading.Event(), [], checkpoint._write

    def wait_and_write(folder, moment, state):
        begun.append(state["images"])
        assert gate.wait(30)
        write(folder, moment, state)

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
    with Checkpoints(folder, TRIAL, seconds=1e-9).open() as checkpoints:
        checkpoints.save(progress(16, weights))
        weights += 1  # what comes later is not in it
        checkpoints.save(progress(32, weights))  # the last one is still under way
        assert not folder.checkpoint.exists()
        slow.gate.set()
    assert slow.begun == [16]
    saved = read(folder)
    assert saved["images"] == 16
    assert torch.equal(saved["weights"][0], torch.zeros(3))


def test_an_evaluation_is_shown_once_a_checkpoint_holds_it_due_or_not(folder, slow):
    with Checkpoints(folder, TRIAL, seconds=1e9).open() as checkpoints:
        checkpoints.save(progress(16, torch.ones(2)), evaluated(16))
        assert folder.measurements() == checkpoints.shown() == []
        slow.gate.set()
        checkpoints.wait()
        assert folder.measurements() == checkpoints.shown() == [evaluated(16)]
        assert checkpoints.shown() == []
        checkpoints.save(progress(32, torch.ones(2)), evaluated(32))
    saved = read(folder)
    assert saved["images"] == 32
    assert saved["measured"] == folder.measurements() == [evaluated(16), evaluated(32)]


def test_an_evaluation_whose_checkpoint_fails_is_never_shown(folder, monkeypatch):
    def full(contents, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.torch, "save", full)
    checkpoints = Checkpoints(folder, TRIAL, seconds=0)
    with pytest.raises(DiskFull), checkpoints.open():
        checkpoints.save(progress(16, torch.ones(2)), evaluated(16))
    assert folder.measurements() == checkpoints.shown() == []


def test_what_the_log_held_last_is_told_again(folder):
    """A process may die between writing and telling."""
    for images in (0, 16):
        folder.append(evaluated(images))
    assert Checkpoints(folder, TRIAL, seconds=0).shown() == [evaluated(16)]


def test_the_end_waits_for_the_write_even_where_the_trial_was_interrupted(folder, slow):
    threading.Timer(0.3, slow.gate.set).start()
    with pytest.raises(KeyboardInterrupt):
        stopped(Checkpoints(folder, TRIAL, seconds=1e-9), KeyboardInterrupt())
    assert read(folder)["images"] == 16


def test_at_zero_seconds_every_look_is_kept(folder):
    with Checkpoints(folder, TRIAL, seconds=0).open() as checkpoints:
        for images in range(0, 80, 16):
            checkpoints.save(progress(images, torch.ones(2)))
    assert read(folder)["images"] == 64


def test_none_is_written_before_it_is_due(folder):
    with Checkpoints(folder, TRIAL, seconds=1e9).open() as checkpoints:
        checkpoints.save(progress(16, torch.ones(2)))
    assert not folder.checkpoint.exists()


def test_a_write_that_fails_fails_the_trial_and_leaves_the_one_before(folder, monkeypatch):
    with Checkpoints(folder, TRIAL, seconds=0).open() as checkpoints:
        checkpoints.save(progress(16, torch.ones(2)))

    def full(contents, path):
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.torch, "save", full)
    checkpoints = Checkpoints(folder, TRIAL, seconds=0)
    with pytest.raises(DiskFull, match=r"the disk is full; free some"), checkpoints.open():
        checkpoints.save(progress(32, torch.ones(2)))
    assert read(folder)["images"] == 16
    assert [path.name for path in folder.path.iterdir()] == ["checkpoint.pt"]
    with pytest.raises(ValueError, match="broken") as caught:
        stopped(Checkpoints(folder, TRIAL, seconds=1e-9), ValueError("broken"))
    assert "the disk is full" in caught.value.__notes__[0]


def test_what_a_killed_process_left_half_written_is_dropped(folder):
    half = folder.path / ".checkpoint.pt.4711.tmp"
    half.touch()
    with Checkpoints(folder, TRIAL, seconds=0).open():
        assert list(folder.path.iterdir()) == []


def saved(folder):
    """A trial that was evaluated at its start, and has a checkpoint."""
    with Checkpoints(folder, TRIAL, seconds=0).open() as checkpoints:
        checkpoints.save(progress(16, torch.arange(1000.0)), evaluated(0))


def test_a_checkpoint_of_another_trial_is_refused_by_its_digest(folder):
    saved(folder)
    assert read(folder)["images"] == 16
    with pytest.raises(Damaged, match="of another trial"):
        restore(folder, OTHER, device="cpu")


def test_one_changed_bit_is_noticed_though_torch_does_not(folder):
    saved(folder)
    content = bytearray(folder.checkpoint.read_bytes())
    content[content.index(torch.arange(1000.0)[100:200].numpy().tobytes())] ^= 1
    folder.checkpoint.write_bytes(content)
    torch.load(folder.checkpoint, weights_only=True)
    with pytest.raises(Damaged, match="its sum is not that of what it holds"):
        read(folder)


def test_a_checkpoint_needs_no_log(folder):
    saved(folder)
    folder.log.unlink()
    assert read(folder)["measured"] == [evaluated(0)]


def test_nothing_is_unpickled(folder):
    """Not even where the words beside it are right."""

    class Evil:
        def __reduce__(self):
            return (open, (str(folder.path / "hacked"), "w"))

    torch.save(Evil(), folder.checkpoint)
    stamp(folder.checkpoint, {"trial": digest(TRIAL), "measured": []})
    with pytest.raises(Damaged, match="more than tensors"):
        read(folder)
    assert not (folder.path / "hacked").exists()
