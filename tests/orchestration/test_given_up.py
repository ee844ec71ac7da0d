"""Arms that are given up, by the real command: their trials stop where they are, in the process
that trains them or in a group of several, and nothing goes on with them."""

import sqlite3
import subprocess
import sys

import pytest
from real_sweep import TINY

from sid_sweep.trials import SweepFolder

pytestmark = pytest.mark.slow

RULE = "search={sampler: grid, prune: {kind: halving, eta: 2, least: 0.2}}"
SEEDS = "seeds={screen: [0], confirm: [7], keep: 1}"


def run(folder, *overrides):
    words = [sys.executable, "-m", "sid_sweep.run", "space.yaml"]
    for own in (RULE, SEEDS, *overrides):
        words += ["--set", own]
    done = subprocess.run(
        words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize(
    ("workers", "good", "bad"),
    [  # the bad ones learn nothing
        pytest.param(1, [0.001, 0.002], [1e-7, 2e-7], marks=pytest.mark.long),
        (2, [0.001], [1e-7]),
    ],
)
def test_an_arm_that_is_behind_trains_no_further(tmp_path, workers, good, bad):
    rates = [f"{rate:.7f}" for rate in (*good, *bad)]
    space = TINY.format(
        question="Who is behind?", rates=f"[{', '.join(rates)}]", checkpoint_seconds=0
    )
    (tmp_path / "space.yaml").write_text(space)
    more = ["resources.concurrency=1", f"resources.workers={workers}"]
    output = run(tmp_path, *more)
    assert "pruned by asynchronous successive halving" in output
    folder = SweepFolder(tmp_path / "sweeps" / "tiny")
    entries = [own for own in folder.entries(folder.sweep()) if own.folder.has_begun()]
    ended = {(own.number, own.seed): own.folder.standing().outcome for own in entries}
    behind = {(number, 0) for number in range(len(good), len(rates))}
    assert {pair for pair, outcome in ended.items() if outcome == "pruned"} == behind
    assert {pair for pair in ended if pair[1] == 7} == {(n, 7) for n in range(len(good))}
    for own in entries:
        num = len(own.folder.measurements())
        if own.number < len(good):
            assert num == 6
        elif workers == 1:
            assert num == 2, "the start, and the evaluation for which it was given up"
        else:
            assert num < 6, "a group may hear of it a little later"
        assert not own.folder.checkpoint.exists()
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        runs = dict(database.execute("select name, status from runs"))
    assert "RUNNING" not in runs.values()
    assert [name for name, status in runs.items() if status == "KILLED"] != []
    again = run(tmp_path, *more)
    assert not any(line.startswith("[") for line in again.splitlines())
