"""The command with real Ray, real MLflow and real files: a sweep that is interrupted, killed and
grown.

One folder lives through the whole module, as a user's would; each test takes it one step further.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from real_sweep import TINY
from row_wise import row_wise

from sid_sweep.tracking import read_sweep
from sid_sweep.trials import TrialFolder

SPACE = TINY.format(
    question="Does it all hold together?", rates="[0.001, 0.002, 1000.0]", checkpoint_seconds=0
)

STRAIGHT = """\
import json, sys, torch
from pathlib import Path
from sid_sweep.distill import distill
from sid_sweep.spec import Trial
torch.set_num_threads(1)
for path in map(Path, sys.argv[1:]):
    records = list(distill(Trial.model_validate(json.loads(path.read_text())), cache=path.parent))
    evaluations = [[record.images, record.metrics] for record in records if record.metrics]
    print(json.dumps([*evaluations, records[-1].outcome, records[-1].cause]))
"""


def start(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "sid_sweep.run", "space.yaml", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(folder, *arguments, status=0):
    process = start(folder, *arguments)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == status, output
    return output


def wait_for(condition, *, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.1)


def trials(folder):
    """The trials' folders by (learning rate, seed)."""
    found = {}
    for path in (folder / "sweeps" / "tiny" / "trials").glob("*"):
        if (path / "trial.json").exists():
            values = json.loads((path / "trial.json").read_text())
            found[values["generator"]["optim"]["lr"], values["seed"]] = TrialFolder(path)
    return found


def statuses(folder):
    with sqlite3.connect(folder / "mlflow.db") as database:
        return [status for (status,) in database.execute("select status from runs")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("user")
    (folder / "space.yaml").write_text(SPACE)
    return folder


@pytest.mark.slow
def test_ctrl_c_ends_cleanly_and_says_how_to_go_on(folder):
    process = start(folder)
    wait_for(lambda: any(trial.checkpoint.exists() for trial in trials(folder).values()))
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "python -m sid_sweep.run space.yaml" in output
    assert "Traceback" not in output
    assert "RUNNING" not in statuses(folder)
    assert any(trial.checkpoint.exists() for trial in trials(folder).values())


@pytest.mark.long
def test_a_killed_worker_is_a_failed_trial_and_the_others_go_on(folder):
    began = time.time()
    process = start(folder, "--set", "resources.retries=0")
    wait_for(lambda: _newest_checkpoint(folder) > began)
    os.kill(_worker(process.pid), signal.SIGKILL)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 1, output
    assert "its process died" in output
    assert "failed" in output
    results = [trial.result() for trial in trials(folder).values()]
    assert results.count(None) == 1
    assert "RUNNING" not in statuses(folder)


@pytest.mark.slow
def test_the_same_command_finishes_what_failed(folder):
    output = run(folder)
    assert "[6/6]" in output
    results = {key: trial.result() for key, trial in trials(folder).items()}
    assert {key: r.outcome for key, r in results.items()} == {
        (0.001, 0): "finished",
        (0.001, 1): "finished",
        (0.002, 0): "finished",
        (0.002, 1): "finished",
        (1000.0, 0): "diverged",
        (1000.0, 1): "diverged",
    }
    assert "2 diverged" in output
    assert sorted(statuses(folder)) == ["FINISHED"] * 7 + ["KILLED"] * 3  # two seeds and their arm


def without_speed(metrics):
    """All but the one metric that is measured by the clock."""
    return {name: value for name, value in metrics.items() if name != "cost/samples_per_second"}


@pytest.mark.slow
def test_interrupted_or_not_first_or_fifth_a_trial_is_a_function_of_its_specification(folder):
    run(folder)
    ran = list(trials(folder).values())
    paths = [str(trial.specification) for trial in ran]
    done = subprocess.run(
        [sys.executable, "-c", STRAIGHT, *paths], capture_output=True, text=True, check=True
    )
    for trial, line in zip(ran, done.stdout.splitlines(), strict=True):
        *expected, outcome, cause = json.loads(line)
        assert [[r.images, without_speed(r.metrics)] for r in trial.measurements()] == expected
        assert all(r.metrics["cost/samples_per_second"] > 0 for r in trial.measurements())
        assert [trial.result().outcome, trial.result().cause] == [outcome, cause]


@pytest.mark.slow
def test_a_finished_sweep_launches_nothing(folder):
    output = run(folder)
    assert "nothing is left to run" in output
    assert not any(line.startswith("[") for line in output.splitlines())


@pytest.mark.slow
def test_mlflow_holds_what_the_folders_hold_once(folder, monkeypatch):
    monkeypatch.chdir(folder)
    found, question = read_sweep("tiny")
    rows = row_wise(found)
    assert question["question"] == "Does it all hold together?"
    for (value, seed), trial in trials(folder).items():
        own = [r for r in rows if (r["param.generator.optim.lr"], r["seed"]) == (value, seed)]
        records, result = trial.measurements(), trial.result()
        evaluated = [row for row in own if "metric.js" in row]
        assert [row["images"] for row in evaluated] == [record.images for record in records]
        for row, record in zip(evaluated, records, strict=True):
            assert {f"metric.{k}": v for k, v in record.metrics.items()}.items() <= row.items()
        assert own[-1]["outcome"] == result.outcome
        assert own[-1]["images"] == result.images
        assert own[-1]["final"]
        pictures = list(folder.glob(f"mlruns/*/{own[0]['run_id']}/artifacts/images/*.png"))
        assert len(pictures) == len(records)


@pytest.mark.slow
def test_the_analysis_reads_it_back(folder):
    done = subprocess.run(
        [sys.executable, "-m", "analysis.compare", "tiny"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    written = {path.name for path in (folder / "reports" / "tiny").iterdir()}
    assert {"table.md", "table.csv", "table.tex", "runs.parquet"} <= written
    assert any(name.startswith("js_vs_generator") for name in written)


@pytest.mark.slow
def test_a_new_seed_runs_only_what_is_missing(folder):
    before = set(trials(folder))
    output = run(folder, "--set", "seeds=[0, 1, 2]")
    assert set(trials(folder)) - before == {(0.001, 2), (0.002, 2), (1000.0, 2)}
    assert output.count("after") == 3


@pytest.mark.slow
def test_a_contradiction_is_refused(folder):
    output = run(folder, "--set", "seeds=[0, 1, 2]", "--set", "budget.images=100", status=2)
    assert "recorded 40000, now 100" in output


@pytest.mark.slow
def test_the_best_arm_is_confirmed_on_fresh_seeds_by_the_same_command(tmp_path):
    """One arm diverges, so two are confirmed, in rounds for whose end a worker may have to
    wait."""
    one_mode = "name: scattered, components: 1, dimensions: 2, deviation: 1.0"  # never collapses
    space = SPACE.replace("images: 40_000", "images: 2_000").replace("name: ring8", one_mode)
    (tmp_path / "space.yaml").write_text(space)
    seeds = "seeds={screen: [0, 1], confirm: [7, 8, 9], keep: 1, until: decided}"
    output = run(tmp_path, "--set", seeds)
    assert "3 arms (grid) x 2 seeds, then the best arm and the baseline x up to 3 fresh" in output
    by_rate = {}
    for rate, seed in sorted(trials(tmp_path)):
        by_rate.setdefault(rate, []).append(seed)
    assert by_rate[1000.0] == [0, 1]  # it diverged
    assert by_rate[0.001] == by_rate[0.002]  # the baseline, and the one other that is left
    assert by_rate[0.001][:4] == [0, 1, 7, 8]
    assert all(trial.result() is not None for trial in trials(tmp_path).values())
    assert set(statuses(tmp_path)) == {"FINISHED", "KILLED"}
    again = run(tmp_path, "--set", seeds)
    assert not any(line.startswith("[") for line in again.splitlines())


@pytest.mark.long
def test_a_deleted_tracking_store_is_filled_anew(tmp_path):
    (tmp_path / "space.yaml").write_text(SPACE.replace("images: 40_000", "images: 2_000"))
    run(tmp_path)
    before = sorted(statuses(tmp_path))
    (tmp_path / "mlflow.db").unlink()
    output = run(tmp_path)
    assert "nothing is left to run" in output
    assert sorted(statuses(tmp_path)) == before
    assert len(before) == 1 + 3 + 6
    assert set(before) <= {"FINISHED", "KILLED"}


@pytest.mark.slow
def test_a_store_that_is_down_loses_nothing(folder):
    down = ("--set", "seeds=[0, 1, 2]", "--tracking-uri", "http://127.0.0.1:9")
    output = run(folder, *down)
    assert "could not be sent" in output
    assert "127.0.0.1:9" in output


@pytest.mark.slow
def test_two_workers_train_what_one_trains(folder):
    """The same latents and noise, gradients averaged: equal up to rounding, while it has not
    grown."""
    early = ("--set", "seeds=[0]", "--set", "budget.images=640", "--set", "evaluation.times=2")
    one_arm = ("--set", "scientific.generator.optim.lr={choice: [0.001]}")
    metrics = []
    for workers in (1, 2):
        name = f"workers-{workers}"
        resources = ("--set", f"resources.workers={workers}")
        run(folder, "--name", name, *early, *one_arm, *resources)
        (path,) = (folder / "sweeps" / name / "trials").glob("*")
        metrics.append([without_speed(r.metrics) for r in TrialFolder(path).measurements()])
    assert len(metrics[0]) == len(metrics[1]) == 3  # at the start too
    for one, two in zip(*metrics, strict=True):
        assert two == pytest.approx(one, rel=1e-3, abs=1e-5)


def _newest_checkpoint(folder):
    files = (folder / "sweeps" / "tiny" / "trials").glob("*/checkpoint.pt")
    return max((path.stat().st_mtime for path in files), default=0.0)


def _worker(driver: int) -> int | None:
    """A Ray worker of the driver's session that runs a trial."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout
    lines = [line.split(None, 1) for line in listed.splitlines()]
    busy = [int(pid) for pid, arguments in lines if arguments.startswith("ray::ImplicitFunc")]
    ours = [pid for pid in busy if _descends(pid, driver)]
    return ours[0] if ours else None


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        status = Path(f"/proc/{pid}/status")
        if not status.exists():
            return False
        pid = int(status.read_text().split("PPid:")[1].split()[0])
    return False
