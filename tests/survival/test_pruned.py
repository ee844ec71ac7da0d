"""A sweep that gives arms up, killed at any write, ends as an undisturbed one does; where a write
fails, and a trial with it, nothing is lost and all arms come to an end."""

import shutil
import sys
from pathlib import Path

import pytest

from sid_sweep.trials import SweepFolder

sys.path.insert(0, str(Path(__file__).parent))
from alone import command, small, table
from faults import Faults
from test_every_write import KINDS, check

pytestmark = pytest.mark.usefixtures("small_pictures")

PRUNED = small(
    seeds={"screen": [0], "confirm": [5], "keep": 1},
    scientific={"loss.lambda": {"choice": [0.5, 1.0, 0.8, 0.2]}},
    search={"sampler": "grid", "prune": {"kind": "halving", "eta": 2.0, "least": 0.3}},
)
STRIDE = 31


@pytest.fixture(scope="module")
def straight(tmp_path_factory, small_pictures):
    storage = tmp_path_factory.mktemp("straight")
    with Faults(storage).installed() as faults:
        command(storage, PRUNED)
    return table(storage, PRUNED), faults.seen, storage


def alike(found, straight):
    """A trial that failed for a while is judged later, by more that is known, and others without
    it: other arms may be given up. What has finished in both is the same, and no arm has no end."""
    both = [place for place in found if found[place][1] == straight[place][1] == "finished"]
    ends = set(outcomes(found).values())
    return bool(both) and all(found[p] == straight[p] for p in both) and "running" not in ends


SAME = {"die": dict.__eq__, "ENOSPC": alike, "EIO": alike}


def outcomes(found):
    return {number: own[1] for (number, seed), own in found.items() if seed == 0}


def test_some_are_given_up(straight):
    found, seen, _ = straight
    assert outcomes(found) == {0: "finished", 1: "finished", 2: "pruned", 3: "pruned"}
    assert {seed for number, seed in found if found[number, seed][1] == "finished"} == {0, 5}
    assert any("pruned.json" in point for point in seen)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_of_writes_that_fail(straight, tmp_path, kind):
    start = KINDS.index(kind) * STRIDE // len(KINDS) + 1
    for nth in range(start, len(straight[1]) + 1, STRIDE):
        check(tmp_path / "sweeps", nth, kind, straight[0], PRUNED, SAME[kind])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_write_of_a_note_that_an_arm_is_given_up(straight, tmp_path, kind):
    points = [nth for nth, point in enumerate(straight[1], 1) if "pruned.json" in point]
    for nth in points:
        check(tmp_path / "sweeps", nth, kind, straight[0], PRUNED, SAME[kind])


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]\n", b'{"cause": 1}', bytes(range(256))])
def test_a_damaged_note_is_set_aside_and_the_arm_is_given_up_again(straight, tmp_path, content):
    shutil.copytree(straight[2], tmp_path / "sweeps")
    folder = SweepFolder(tmp_path / "sweeps" / "small")
    notes = sorted(folder.trials.glob("*/pruned.json"))
    before = notes[0].read_bytes()
    notes[0].write_bytes(content)
    (line,) = command(tmp_path / "sweeps", PRUNED)
    assert str(notes[0]) in line
    assert table(tmp_path / "sweeps", PRUNED) == straight[0]
    assert notes[0].read_bytes() == before
    assert [path.read_bytes() for path in notes[0].parent.glob("pruned.json.damaged*")] == [content]


def test_an_arm_whose_measurements_are_damaged_stays_given_up(straight, tmp_path):
    shutil.copytree(straight[2], tmp_path / "sweeps")
    folder = SweepFolder(tmp_path / "sweeps" / "small")
    note = sorted(folder.trials.glob("*/pruned.json"))[0]
    (note.parent / "measurements.jsonl").write_text("[1]\n[2]\n")
    (line,) = command(tmp_path / "sweeps", PRUNED)
    assert line.endswith("its arm stays given up")
    assert outcomes(table(tmp_path / "sweeps", PRUNED)) == outcomes(straight[0])
    assert command(tmp_path / "sweeps", PRUNED) == []
