"""Whichever write, sync or rename fails, or is the last before the process dies: the same command
ends in the table of an undisturbed run, with nothing lost and nothing twice."""

import collections
import os
import shutil
import sys
from pathlib import Path

import pytest

from sid_sweep.trials import SweepFolder

sys.path.insert(0, str(Path(__file__).parent))
from alone import command, small, table
from faults import DIED, Faults

pytestmark = pytest.mark.usefixtures("small_pictures", "eager_teachers")

TEACHER = {"kind": "trained", "images": 48, "batch": 16, "net": {"width": 8, "depth": 1}}
TAUGHT = small(fixed=small().fixed | {"teacher": TEACHER})

KINDS = ("ENOSPC", "EIO", "die")
STRIDE = 89  # of the fast test
WAYS = {"all": 1, "third": len(KINDS)}
"""All points in each of three ways, or each point in one of them."""


@pytest.fixture(scope="module")
def straight(tmp_path_factory, small_pictures, eager_teachers):
    """What an undisturbed run comes to, and all that it does to the disk."""
    storage = tmp_path_factory.mktemp("straight")
    with Faults(storage).installed() as faults:
        command(storage, TAUGHT)
    return table(storage, TAUGHT), faults.seen


def seen(storage, sweep):
    """All evaluations that anybody may have seen, with what the clock said, by the trial's name."""
    trials = SweepFolder(storage / sweep.sweep).trials_like("")
    return {own.path.name: own.measurements() for own in trials}


def disturbed(storage, nth, kind, sweep):
    """Run in a process of its own, in which the Nth point goes wrong; returns how it ended."""
    if (child := os.fork()) == 0:
        ended = 1
        try:
            with Faults(storage, nth=nth, kind=kind).installed():
                command(storage, sweep)
            ended = 0
        finally:
            os._exit(ended)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def check(storage, nth, kind, straight, sweep=TAUGHT, same=dict.__eq__):
    """Disturb, run again, compare; returns how the disturbed run ended."""
    ended = disturbed(storage, nth, kind, sweep)
    assert ended == DIED if kind == "die" else ended in (0, 1)
    shown = seen(storage, sweep)
    lines = command(storage, sweep)
    assert lines == []  # what is torn is no damage
    assert same(table(storage, sweep), straight)
    now = seen(storage, sweep)
    assert all(now[name][: len(own)] == own for name, own in shown.items())
    left = [p.name for p in storage.rglob("*") if p.name.endswith((".tmp", ".pt"))]
    assert left == []
    assert not any(storage.rglob("*.damaged*"))
    folder = SweepFolder(storage / sweep.sweep)
    before = {p: p.stat().st_mtime_ns for p in folder.trials.rglob("*")}
    command(storage, sweep)
    assert {p: p.stat().st_mtime_ns for p in folder.trials.rglob("*")} == before
    assert len(folder.arms()) == len(set(folder.arms()))
    assert folder.commands()
    assert folder.held().gpu_seconds > 0
    shutil.rmtree(storage)
    return ended


def test_every_kind_of_point_is_counted(straight):
    """So that the tests here can fail: what reaches the disk is seen."""
    _, seen = straight
    kinds = collections.Counter(point.partition(" ")[0] for point in seen)
    assert {"open", "write", "fsync", "mkdir", "unlink", "replace"} <= set(kinds)
    names = ["checkpoint.pt", "generator.safetensors", "result.json", "ledger.journal"]
    names += ["commands.jsonl", "spending.json", "mixture-"]
    for name in names:
        assert any(name in point for point in seen)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_of_writes_that_fail(straight, tmp_path, kind):
    start = KINDS.index(kind) * STRIDE // len(KINDS) + 1
    for nth in range(start, len(straight[1]) + 1, STRIDE):
        check(tmp_path / "sweeps", nth, kind, straight[0])


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_every_write_that_fails(straight, tmp_path, kind):
    """Each in one of three ways, with SID_EVERY_WRITE=all in each; `pytest -s` prints how many, and
    how the disturbed runs ended."""
    stride = WAYS[os.environ.get("SID_EVERY_WRITE", "third")]
    ends, wrong = collections.Counter(), []
    for nth, point in list(enumerate(straight[1], 1))[KINDS.index(kind) % stride :: stride]:
        try:
            ends[check(tmp_path / "sweeps", nth, kind, straight[0])] += 1
        except BaseException as error:
            wrong.append((nth, point, f"{type(error).__name__}: {str(error)[:200]}"))
            shutil.rmtree(tmp_path / "sweeps", ignore_errors=True)
    print(f"{kind}: {ends.total()} of {len(straight[1])} points, ended {dict(ends)}, wrong {wrong}")
    assert wrong == []
