"""MLflow holds what the folders hold, under names that a person can read, each thing once, whatever
is killed, deleted or tried again."""

import io
import json
import math
import re
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from statistics import geometric_mean
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
import small_sweep
from PIL import Image
from row_wise import row_wise
from small_sweep import (
    CAUSE,
    NAME,
    count,
    diverge,
    fail,
    finish,
    mirror_all,
    open_mirror,
    query,
    train,
)

from sid_sweep.files import read_json
from sid_sweep.spec import SpecError, Trial, plain
from sid_sweep.spec.paths import leaves
from sid_sweep.tracking import read_sweep, run_ids, store_of, track
from sid_sweep.tracking import tracker as tracker_module
from sid_sweep.tracking.client import connect
from sid_sweep.tracking.identity import identity
from sid_sweep.tracking.mlflow_mirror import cursor_of
from sid_sweep.tracking.store import Store
from sid_sweep.trials import TrialFolder
from sid_sweep.trials.host import this_host

SECRET = "hunter2"
SECRET_URI = f"postgresql://me:{SECRET}@host/db"
HIDDEN_URI = "postgresql://***@host/db"


class Place:
    """A sweep, its folder, and a store of its own; both change as the sweep goes on."""

    def __init__(self, root):
        self.root = root
        self.uri = small_sweep.store_in(root)
        self.ask()

    def ask(self, **changes):
        """Ask this instead, in the same folder if it agrees; the entries."""
        self.sweep = small_sweep.sweep(**changes)
        try:
            self.folder = small_sweep.folder_of(self.sweep, self.root)
        except SpecError:
            shutil.rmtree(self.folder.path)
            self.folder = small_sweep.folder_of(self.sweep, self.root)
        return self.entries

    @property
    def entries(self):
        return self.folder.entries(self.sweep)

    def mirror(self, **known):
        return open_mirror(self.sweep, self.folder, self.uri, **known)

    def mirrored(self):
        """All that has happened so far, through a new mirror."""
        mirror = self.mirror()
        mirror_all(mirror, self.folder)
        return mirror

    # ---- what MLflow says

    @property
    def client(self):
        return connect(self.uri)

    def run(self, key):
        """The run of an entry or an arm, by its key."""
        return self.client.get_run(self._cursor[key]["run_id"])

    @property
    def parent(self):
        return self.run("sweep")

    def names(self):
        """Each run's name with those of its ancestors, outermost first."""
        experiment = self.client.get_experiment_by_name(self.sweep.sweep)
        runs = self.client.search_runs([experiment.experiment_id])
        by_id = {run.info.run_id: run for run in runs}

        def path(run):
            above = by_id.get(run.data.tags.get("mlflow.parentRunId"))
            return (*(path(above) if above else ()), run.info.run_name)

        return sorted(path(run) for run in runs)

    def statuses(self):
        return dict(query(self.uri, "select name, status from runs"))

    def points(self, key):
        """All points of a run: by name, each step with value and timestamp."""
        run = self.run(key)
        return {
            name: [
                (point.step, point.value, point.timestamp)
                for point in self.client.get_metric_history(run.info.run_id, name)
            ]
            for name in run.data.metrics
        }

    def file(self, key, name):
        """A file that a run keeps."""
        return Path(self.run(key).info.artifact_uri) / name

    def pictures(self, key):
        """The pixels of a run's pictures, by their images."""
        found = {}
        for path in self.file(key, "images").glob("*.png"):
            images = int(path.name.split("+")[2])
            assert images not in found
            with Image.open(path) as picture:
                found[images] = picture.getpixel((0, 0))
        return found

    @property
    def _cursor(self):
        return cursor_of(self.folder, self.uri)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


def tags(run):
    """Our own tags, without those that every run is found by."""
    prefix, common = "sid_sweep.", ("identity", "key")
    own = {k.removeprefix(prefix): v for k, v in run.data.tags.items() if k.startswith(prefix)}
    return {name: value for name, value in own.items() if name not in common}


def _comparable(points):
    """The same with what is not a number as a word, which is equal to itself."""
    return repr(sorted(points.items()))


@contextmanager
def no_room(root):
    """MLflow has its database and no place for files."""
    (root / "mlruns").rename(root / "away")
    (root / "mlruns").touch()
    yield
    (root / "mlruns").unlink()
    (root / "away").rename(root / "mlruns")


# ---- the runs


def test_two_seeds_make_three_levels(place):
    for entry in place.entries:
        train(entry, 0)
    place.mirrored()
    assert place.names() == [
        (NAME,),
        (NAME, "loss.lambda = 0.5"),
        (NAME, "loss.lambda = 0.5", "loss.lambda = 0.5, seed 0"),
        (NAME, "loss.lambda = 0.5", "loss.lambda = 0.5, seed 1"),
        (NAME, "loss.lambda = 1"),
        (NAME, "loss.lambda = 1", "loss.lambda = 1, seed 0"),
        (NAME, "loss.lambda = 1", "loss.lambda = 1, seed 1"),
    ]
    assert set(place.statuses().values()) == {"RUNNING"}


def test_one_seed_makes_two(place):
    for entry in place.ask(seeds=(3,)):
        finish(entry, 0, 100)
    place.mirrored()
    assert place.names() == [(NAME,), (NAME, "loss.lambda = 0.5"), (NAME, "loss.lambda = 1")]
    assert tags(place.run("0/3"))["seed"] == "3"
    assert tags(place.parent) == {"level": "sweep", "outcome": "running"}  # not an arm's
    found = place.client.get_experiment_by_name(NAME).tags["mlflow.sharedViewState.sid_sweep"]
    assert json.loads(found)["searchFilter"] == ""


def test_a_trials_run_has_what_is_not_by_default_as_params_and_its_place_as_tags(place):
    entry = place.entries[3]
    train(entry, 0)
    place.mirrored()
    run = place.run(entry.key)
    own, default = (dict(leaves(plain(t))) for t in (entry.trial, Trial(data=entry.trial.data)))
    assert run.data.params == {
        path: str(value)
        for path, value in own.items()
        if value != default.get(path) or path in ("seed", "loss.lambda", "data.kind")
    }
    assert run.data.params["loss.lambda"] == "1.0"  # which is the default
    assert tags(run) == {
        "level": "seed",
        "values": '{"loss.lambda": 1.0}',
        "arm": "1",
        "seed": "1",
        "trial": entry.folder.path.name,
        "parent": place.parent.info.run_id,
        "outcome": "running",
    }
    arm = place.run("arm 1")
    assert arm.data.params == {"loss.lambda": "1.0"}
    assert tags(arm) == {"level": "arm"}


def test_every_run_names_the_folder_that_it_is_of_and_its_place_in_it(place):
    train(place.entries[3], 0)
    place.mirrored()
    for key in ("sweep", "arm 1", "1/1"):
        found = place.run(key).data.tags
        assert found["sid_sweep.identity"] == identity(place.folder)
        assert found["sid_sweep.key"] == key


def test_the_sweeps_run_keeps_what_was_asked_and_where_it_was_computed(place, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["sid_sweep", "--tracking-uri", SECRET_URI])
    place.ask(expect="The larger.")
    place.mirror()
    assert read_json(place.file("sweep", "question.json")) == place.sweep.outline()
    assert read_json(place.file("sweep", "sweep.json")) == plain(place.sweep)
    provenance = read_json(place.file("sweep", "provenance.json"))
    assert provenance["command"] == f"sid_sweep --tracking-uri {HIDDEN_URI}"
    assert provenance["versions"].keys() >= {"torch", "ray", "optuna", "mlflow"}
    description = place.parent.data.tags["mlflow.note.content"]
    assert description == "Question: Which λ distils best?\n\nExpected: The larger.\n\n"


def test_the_folder_knows_in_which_store_its_runs_are(place):
    assert store_of(place.folder) == ("", "")
    place.mirrored()
    experiment = place.client.get_experiment_by_name(NAME).experiment_id
    assert store_of(place.folder) == (place.uri, experiment)
    store = Store(place.client, NAME, description="")
    store.client = SimpleNamespace(tracking_uri=SECRET_URI)
    assert store.place["uri"] == HIDDEN_URI


def test_what_was_found_before_is_told_as_the_words_of_its_file(place):
    place.ask(found="half is best")
    place.mirror()
    words = place.parent.data.tags["mlflow.note.content"]
    assert "Found before, as its file says: half is best" in words


def test_the_experiment_opens_with_the_arms_by_the_objective_and_the_knobs_of_the_question(place):
    place.mirror()
    found = place.client.get_experiment_by_name(NAME)
    page = f"#/experiments/{found.experiment_id}/runs/{place.parent.info.run_id}"
    link = f"[Answer, table, samples]({page}?workflowType=machine_learning)"
    assert found.tags["mlflow.note.content"] == f"{place.sweep.question} {link}"
    view = json.loads(found.tags["mlflow.sharedViewState.sid_sweep"])
    assert view["selectedColumns"] == [
        "metrics.`final/js`",
        "tags.`sid_sweep.outcome`",
        "params.`loss.lambda`",
        "metrics.`final/off_modes`",
        "metrics.`final/mode_kl`",
        "metrics.`final/modes`",
    ]
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`final/js`", True)
    assert [card["type"] for card in view["compareRunCharts"]] == ["BAR", "LINE", "IMAGE"]


def test_what_somebody_wrote_on_top_of_the_experiment_stays(place):
    place.mirror()
    own = place.parent.info.experiment_id
    place.client.set_experiment_tag(own, "mlflow.note.content", "mine")
    place.mirror()
    assert place.client.get_experiment(own).tags["mlflow.note.content"] == "mine"


def test_the_first_view_has_the_best_arm_first_and_no_value_of_what_was_lost(place):
    """As MLflow's page asks for it: the runs that the view filters, in its order."""
    entries = place.ask(scientific={"loss.lambda": {"choice": [0.5, 1.0, 1.2, 1.5]}})
    for entry in entries[2:4]:
        finish(entry, 0, 100)
    for entry in entries[:2]:
        finish(entry, 0, 200)  # better
    finish(entries[4], 0, 9999)  # would be the best
    diverge(entries[5], 0, at=30)
    for entry in entries[6:]:
        diverge(entry, 0, at=30)
    place.mirrored().conclude("a table", failed=False)
    experiment = place.client.get_experiment_by_name(NAME)
    view = json.loads(experiment.tags["mlflow.sharedViewState.sid_sweep"])
    order = f"{view['orderByKey']} {'ASC' if view['orderByAsc'] else 'DESC'}"
    runs = place.client.search_runs(
        [experiment.experiment_id], view["searchFilter"], order_by=[order]
    )
    shown = [(run.info.run_name, tags(run)["outcome"]) for run in runs]
    assert shown == [
        ("loss.lambda = 0.5", "2 finished"),
        (NAME, "3 diverged, 5 finished"),
        ("loss.lambda = 1", "2 finished"),
        ("loss.lambda = 1.5", "2 diverged"),
        ("loss.lambda = 1.2", "1 diverged, 1 finished"),
    ]
    values = [run.data.metrics.get("final/js") for run in runs]
    assert values[0] == values[1] < values[2]
    assert values[3:] == [None, None]
    assert [run.info.status for run in runs[2:4]] == ["FINISHED", "KILLED"]


# ---- what a trial wrote


def test_every_measurement_is_a_point_with_its_images_and_its_time(place):
    entry = place.entries[0]
    finish(entry, 0, 100, 200)
    place.mirrored()
    expected = {}
    for own in entry.folder.measurements():
        costs = {
            "cost/seconds": own.seconds,
            "cost/peak_memory_bytes": own.peak_memory_bytes,
            "system/cpu_utilization_percentage": 90.0,
        }
        for name, value in (own.metrics | costs).items():
            expected.setdefault(name, []).append((own.images, value, own.timestamp_ms))
    last = own.timestamp_ms
    for name, value in entry.folder.result().metrics.items():
        expected[f"final/{name}"] = [(0, float(f"{value:.4g}"), last)]
    assert place.points(entry.key) == expected


def test_more_points_than_one_call_may_carry_arrive_in_several(place, monkeypatch):
    """A server takes 1,000 of a call; a database does not count, so that the calls are counted."""
    client = type(place.client)
    sizes, log_batch = [], client.log_batch

    def counted(*args, metrics=(), **values):
        sizes.append(len(metrics))
        return log_batch(*args, metrics=metrics, **values)

    monkeypatch.setattr(client, "log_batch", counted)
    entry = place.entries[0]
    entry.folder.begin(entry.trial)
    for images in range(300):  # of seven metrics each
        entry.folder.append(small_sweep.measurement(entry, images))
    place.mirrored()
    steps = [step for step, *_ in place.points(entry.key)["js"]]
    assert steps == list(range(300))
    assert count(place.uri, "metrics") == sum(sizes) == 7 * 300
    assert max(sizes) <= 1000


def test_every_picture_is_kept_under_its_images(place):
    first, second = place.entries[0], place.entries[3]
    train(first, 0, 100)
    train(second, 0, 200)
    place.mirrored()
    assert place.pictures(first.key) == {0: (0, 0, 0), 100: (0, 0, 100)}
    assert place.pictures(second.key) == {0: (1, 1, 0), 200: (1, 1, 200)}


def test_a_run_keeps_the_files_that_others_need(place):
    finished, failed = place.entries[0], place.entries[1]
    finish(finished, 0, 100)
    finished.folder.write_host(this_host(device="cpu", workers=1, threads=1))
    fail(failed, 0)
    place.mirrored()
    names = ("measurements.jsonl", "trial.json", "references.json", "host.json")
    for name in (*names, "generator.safetensors"):
        own = finished.folder.path / name
        kept = place.file(finished.key, name)
        if own.suffix == ".json":
            assert read_json(kept) == read_json(own)
        else:
            assert kept.read_bytes() == own.read_bytes()
    assert not place.file(finished.key, "failure.json").exists()
    failure = read_json(place.file(failed.key, "failure.json"))
    assert failure["cause"] == "no memory is left"
    assert not place.file(failed.key, "generator.safetensors").exists()


# ---- how it ended


def test_a_finished_trial(place):
    entry = place.entries[0]
    result = finish(entry, 0, 100)
    place.mirrored()
    run = place.run(entry.key)
    assert run.info.status == "FINISHED"
    assert (tags(run)["outcome"], tags(run)["cause"]) == ("finished", "")
    assert json.loads(tags(run)["end"]) == {
        "images": 100,
        "seconds": result.seconds,
        "peak_memory_bytes": result.peak_memory_bytes,
    }


def test_a_diverged_trial_shows_how_far_it_came(place):
    entry = place.entries[0]
    result = diverge(entry, 0, 100, at=130)
    place.mirrored()
    run = place.run(entry.key)
    assert run.info.status == "KILLED"
    assert (tags(run)["outcome"], tags(run)["cause"]) == ("diverged", CAUSE)
    assert json.loads(tags(run)["end"])["images"] == 130
    points = place.points(entry.key)
    assert [step for step, *_ in points["js"]] == [0, 100, 130]
    assert math.isnan(run.data.metrics["js"])  # not what it was before
    assert "final/js" not in run.data.metrics
    assert [step for step, *_ in points["cost/seconds"]] == [0, 100, 130]
    assert points["cost/seconds"][-1][1] == result.seconds
    assert points["cost/peak_memory_bytes"][-1][1] == result.peak_memory_bytes


def test_an_arm_that_was_given_up_is_killed_and_has_no_value(place):
    entries = place.ask(
        seeds={"screen": [0, 1], "confirm": [5], "keep": 1},
        search={"sampler": "grid", "prune": {"kind": "halving"}},
    )
    for entry in entries[:2]:
        finish(entry, 0, 100)
    train(entries[3], 0, 50)
    entries[3].folder.prune("js is behind")
    place.mirrored()
    run, arm = place.run("1/0"), place.run("arm 1")
    assert run.info.status == arm.info.status == "KILLED"
    assert (tags(run)["outcome"], tags(run)["cause"]) == ("pruned", "js is behind")
    assert tags(arm)["pruned"] == "1"
    assert [step for step, *_ in place.points("1/0")["js"]] == [0, 50]
    for own in (run, arm):
        assert not any(name.startswith("final/") for name in own.data.metrics)
    assert "js" not in arm.data.metrics
    found, outline = read_sweep(NAME, tracking_uri=place.uri)
    ends = {(r["arm"], r["seed"]): r["outcome"] for r in row_wise(found) if r["final"]}
    assert ends == {(0, 0): "finished", (0, 1): "finished", (1, 0): "pruned"}
    assert outline["pruned_by"] == "asynchronous successive halving"
    place.mirrored().conclude("a table", failed=False)
    assert place.run("arm 1").info.status == "KILLED"


@pytest.mark.parametrize("is_shown", [True, False])
def test_a_trial_whose_end_was_damaged_is_shown_as_it_ended_then(place, is_shown):
    """It was given up, its note was damaged, and so it was run to its end."""
    entries = place.ask(search={"sampler": "grid", "prune": {"kind": "halving"}})
    train(entries[0], 0, 50)
    entries[0].folder.prune("js is behind")
    for entry in entries[1:]:
        finish(entry, 0, 100)
    place.mirrored()
    assert place.run("0/0").info.status == "KILLED"
    entries[0].folder.pruning.unlink()
    if is_shown:  # while it runs
        place.mirror().show(entries[0])
        assert place.run("0/0").info.status == "RUNNING"
    finish(entries[0], 0, 50, 100)
    for _ in range(2):
        place.mirrored()
        run = place.run("0/0")
        assert (run.info.status, tags(run)["outcome"]) == ("FINISHED", "finished")
        assert [step for step, *_ in place.points("0/0")["js"]] == [0, 50, 100]
        assert place.run("arm 0").info.status == "FINISHED"
    found, _ = read_sweep(NAME, tracking_uri=place.uri)
    ends = {(r["arm"], r["seed"]): r["outcome"] for r in row_wise(found) if r["final"]}
    assert set(ends.values()) == {"finished"}


def test_a_failed_trial(place):
    entry = place.entries[0]
    fail(entry, 0, 100)
    place.mirrored()
    run = place.run(entry.key)
    assert run.info.status == "FAILED"
    assert (tags(run)["outcome"], tags(run)["cause"]) == ("failed", "no memory is left")
    assert json.loads(tags(run)["end"])["images"] == 100
    assert "final/js" not in run.data.metrics


def test_an_arm_shows_the_mean_over_its_finished_seeds_once_all_have_ended(place):
    entries = place.ask(seeds=(0, 1, 2))
    results = [finish(entries[0], 0, 100), finish(entries[1], 0, 100)]
    train(entries[2], 0)
    place.mirrored()
    arm = place.run("arm 0")
    assert (arm.info.status, arm.data.metrics) == ("RUNNING", {})
    diverge(entries[2], 0, at=30)
    place.mirrored()
    arm = place.run("arm 0")
    assert arm.info.status == "FINISHED"
    mean = geometric_mean(result.metrics["js"] for result in results)
    assert arm.data.metrics["js"] == mean
    assert arm.data.metrics["modes"] == 8.0
    assert "final/js" not in arm.data.metrics  # of the seeds that did not diverge alone
    assert {step for points in place.points("arm 0").values() for step, *_ in points} == {0, 100}
    assert tags(arm) == {
        "level": "arm",
        "finished": "2",
        "diverged": "1",
        "collapsed": "0",
        "pruned": "0",
        "failed": "0",
        "outcome": "1 diverged, 2 finished",
    }


def test_an_arms_curve_has_the_points_of_its_seeds_each_once(place):
    first, second, *_ = place.entries
    finish(first, 0, 100, 200)
    finish(second, 0, 100, 200)
    place.mirrored()
    logs = [entry.folder.measurements() for entry in (first, second)]
    means = [
        (one.images, geometric_mean([one.metrics["js"], other.metrics["js"]]), one.timestamp_ms)
        for one, other in zip(*logs, strict=True)
    ]
    assert place.points("arm 0")["js"] == means
    assert place.points("arm 0")["final/js"][0][:2] == (0, pytest.approx(means[-1][1], rel=1e-3))
    place.mirrored().conclude("a table", failed=False)
    assert place.points("arm 0")["js"] == means


def test_a_value_is_taken_back_where_a_further_seed_diverges(place):
    finish(place.entries[0], 0, 100)
    finish(place.entries[1], 0, 100)
    place.mirrored().conclude("a table", failed=False)
    assert place.run("arm 0").data.metrics["final/js"] == place.parent.data.metrics["final/js"]
    diverge(place.ask(seeds=(0, 1, 2))[2], 0, at=30)
    for _ in range(2):
        place.mirrored().conclude("a table", failed=False)
    for key in ("arm 0", "sweep"):
        assert math.isnan(place.run(key).data.metrics["final/js"])
        assert len(place.points(key)["final/js"]) == 2


def test_descriptions_show_what_students_draw(place):
    first, second, *_ = place.entries
    finish(first, 0, 100)
    finish(second, 0, 100)
    place.mirrored()
    runs = {key: place.run(key) for key in ("arm 0", "0/0", "0/1")}
    notes = {key: run.data.tags["mlflow.note.content"] for key, run in runs.items()}
    assert notes["arm 0"] == f"{notes['0/0']} {notes['0/1']}"
    path, run_id = re.search(r"\(get-artifact\?path=(.*)&run_uuid=(.*)\)", notes["0/1"]).groups()
    assert run_id == runs["0/1"].info.run_id
    with Image.open(place.file("0/1", unquote(path))) as picture:
        assert picture.getpixel((0, 0)) == (0, 1, 100)
    assert place.pictures("arm 0") == {0: (0, 0, 100)}


def test_a_confirmed_arm_shows_the_mean_over_its_fresh_seeds_and_another_over_those_it_has(place):
    entries = place.ask(seeds={"screen": [0, 1], "confirm": [5, 6], "keep": 1})
    first, second = entries[:4], entries[4:6]
    for entry in (*first[:2], *second):
        finish(entry, 0, 100)
    place.mirrored()
    assert {place.run(f"arm {n}").info.status for n in (0, 1)} == {"FINISHED"}
    train(first[2], 0)
    place.mirrored()
    assert place.run("arm 0").info.status == "RUNNING"
    fresh = [finish(entry, 0, 100) for entry in first[2:]]
    place.mirrored()
    arm, other = place.run("arm 0"), place.run("arm 1")
    assert (arm.info.status, other.info.status) == ("FINISHED", "FINISHED")
    assert arm.data.metrics["js"] == geometric_mean(r.metrics["js"] for r in fresh)
    assert arm.data.metrics["final/js"] == pytest.approx(arm.data.metrics["js"], rel=1e-3)
    assert [step for step, *_ in place.points("arm 0")["js"]] == [0, 100]  # of the fresh ones alone
    assert "js" not in other.data.metrics  # it may be confirmed yet
    assert tags(arm)["finished"] == "2"
    before = place.points("arm 0")
    place.mirrored().conclude("a table", failed=False)
    assert place.points("arm 0") == before
    assert [step for step, *_ in place.points("arm 1")["js"]] == [0, 100]
    assert place.parent.data.metrics["final/js"] == arm.data.metrics["final/js"]


def test_an_arm_that_gets_no_more_seeds_ends_with_the_sweep(place):
    entries = place.ask(seeds={"screen": 5, "until": "decided"}, baseline={"loss.lambda": 1.0})
    results = [finish(entry, 0, 100) for entry in entries[:2]]
    mirror = place.mirrored()
    assert place.run("arm 0").info.status == "RUNNING"
    mirror.conclude("a table", failed=False)
    arm = place.run("arm 0")
    assert arm.info.status == "FINISHED"
    assert arm.data.metrics["js"] == geometric_mean(r.metrics["js"] for r in results)
    before = place.points("arm 0")
    place.mirrored().conclude("a table", failed=False)
    assert place.points("arm 0") == before
    assert place.run("arm 0").info.status == "FINISHED"


def test_an_arm_none_of_whose_seeds_finished_has_no_mean(place):
    entries = place.entries
    diverge(entries[0], 0, at=30)
    fail(entries[1], 0)
    place.mirrored()
    arm = place.run("arm 0")
    assert (arm.info.status, arm.data.metrics) == ("FAILED", {})
    assert tags(arm)["outcome"] == "1 diverged, 1 failed"


@pytest.mark.parametrize(("failed", "status"), [(False, "FINISHED"), (True, "FAILED")])
def test_the_conclusion_describes_the_sweep(place, failed, status):
    place.mirror().conclude("| λ | js |", failed=failed)
    parent = place.parent
    assert parent.info.status == status
    description = parent.data.tags["mlflow.note.content"]
    assert description == "Question: Which λ distils best?\n\n| λ | js |"
    assert place.file("sweep", "table.md").read_text() == "| λ | js |"


def test_the_sweeps_run_keeps_what_is_made_of_the_whole(place):
    png = io.BytesIO()
    Image.new("RGB", (3, 2), (1, 2, 3)).save(png, "png")
    made = []

    def exhibit():
        assert place.parent.info.status == "FINISHED"  # nothing waits for it
        made.append("once")
        words = {"answer.md": "**Undecided.**", "report.html": f"<p>{SECRET_URI}</p>"}
        return {**words, "samples.png": png.getvalue()}

    for report in ("| λ |", "| λ | js |", "| λ | js |"):
        place.mirror(exhibit=exhibit).conclude(report, failed=False)
    assert made == ["once"] * 2  # again where the table is another
    run_id = place.parent.info.run_id
    sheet = f"![samples of all arms](get-artifact?path=samples.png&run_uuid={run_id})"
    assert place.parent.data.tags["mlflow.note.content"] == (
        f"**Undecided.**\n\n{sheet}\n\nQuestion: Which λ distils best?\n\n| λ | js |"
    )
    assert place.file("sweep", "samples.png").read_bytes() == png.getvalue()
    assert place.file("sweep", "report.html").read_text() == f"<p>{HIDDEN_URI}</p>"
    assert place.pictures("sweep") == {0: (1, 2, 3)}


def test_a_cause_that_is_too_long_for_mlflow_is_cut(place):
    entry = place.entries[0]
    fail(entry, 0, cause="long " * 4000)
    place.mirrored()
    assert tags(place.run(entry.key))["cause"] == "long " * 1000


# ---- another time


def test_an_interrupted_sweep_looks_so_and_goes_on(place):
    first, second, other, _ = place.entries
    finish(first, 0, 100)
    train(second, 0)
    train(other, 0)
    place.mirrored().interrupt()
    runs = {key: place.run(key) for key in ("sweep", "arm 0", "arm 1", "0/0", "0/1", "1/0")}
    killed = {key for key, run in runs.items() if run.info.status == "KILLED"}
    assert killed == {"sweep", "arm 0", "arm 1", "0/1", "1/0"}
    assert runs["0/0"].info.status == "FINISHED"
    assert tags(runs["0/1"])["outcome"] == "running"
    assert tags(place.parent)["outcome"] == "1 finished; interrupted"

    mirror = place.mirror()
    assert tags(place.parent)["outcome"] == "running"
    second.folder.append(small_sweep.measurement(second, 100))
    mirror.end(first, first.folder.standing())
    mirror.show(second)
    runs = {key: place.run(key) for key in runs}
    assert {key for key, run in runs.items() if run.info.status == "RUNNING"} == {
        "sweep",
        "arm 0",
        "0/1",
    }
    assert [step for step, *_ in place.points("0/1")["js"]] == [0, 100]
    assert len(place.names()) == 1 + 2 + 3


def test_a_sweep_that_stopped_at_a_limit_says_so_and_its_trials_are_as_after_an_interruption(place):
    first, second, *_ = place.entries
    finish(first, 0, 100)
    train(second, 0)
    place.mirrored().interrupt("stopped at limits.trials")
    assert place.parent.info.status == place.run("0/1").info.status == "KILLED"
    assert tags(place.parent)["outcome"] == "1 finished; stopped at limits.trials"
    place.mirror().interrupt()
    assert tags(place.parent)["outcome"] == "interrupted"  # nothing was heard of


def test_a_new_mirror_sends_only_what_is_new(place):
    """What is taken away behind its back shows what it sends again: nothing."""
    finished, running, *_ = place.entries
    finish(finished, 0, 100)
    train(running, 0, 100)
    place.mirrored()
    query(place.uri, "delete from metrics")
    for path in place.root.glob("mlruns/*/*/artifacts/images/*.png"):
        path.unlink()
    train(running, 200, after=100)
    place.mirrored()
    assert set(query(place.uri, "select step from metrics")) == {200}
    assert count(place.uri, "metrics") == 7
    assert place.pictures(finished.key) == {}
    assert place.pictures(running.key).keys() == {200}


def test_opening_again_and_ending_again_doubles_nothing(place):
    ended = place.entries
    finish(ended[0], 0, 100)
    diverge(ended[1], 0, at=30)
    finish(ended[2], 0, 100)
    fail(ended[3], 0, 100)
    place.mirrored().conclude("a table", failed=True)
    tables = ("runs", "metrics", "params")
    before = {table: count(place.uri, table) for table in tables}
    files = len(list(place.root.glob("mlruns/**/*.*")))
    statuses = place.statuses()
    for _ in range(2):
        place.mirrored().conclude("a table", failed=True)
    assert {table: count(place.uri, table) for table in tables} == before
    assert len(list(place.root.glob("mlruns/**/*.*"))) == files
    assert place.statuses() == statuses


def test_a_deleted_store_is_filled_anew(place):
    entries = place.entries
    finish(entries[0], 0, 100)
    diverge(entries[1], 0, at=30)
    fail(entries[2], 0)
    train(entries[3], 0)
    place.mirrored()
    keys = ("0/0", "0/1", "1/0", "1/1", "arm 0", "arm 1")
    statuses, points = place.statuses(), [_comparable(place.points(key)) for key in keys]
    pictures = [place.pictures(entry.key) for entry in entries]
    old = run_ids(place.folder)

    new = place.root / "new"
    new.mkdir()
    small_sweep.store_in(new)
    (new / small_sweep.DATABASE).replace(place.root / small_sweep.DATABASE)
    place.uri = f"sqlite:///{place.root}/./{small_sweep.DATABASE}"  # MLflow still holds the old one
    place.mirrored()
    assert place.statuses() == statuses
    assert [_comparable(place.points(key)) for key in keys] == points
    assert [place.pictures(entry.key) for entry in entries] == pictures
    assert not set(run_ids(place.folder).values()) & set(old.values())


@pytest.mark.parametrize("deleted", ["0/0", "arm 0", "sweep", "everything", "experiment"])
def test_what_was_deleted_in_mlflow_is_there_again_after_the_next_run(place, deleted):
    first, second, *_ = place.entries
    finish(first, 0, 100)
    diverge(second, 0, at=30)
    place.mirrored()
    keys = ("sweep", "arm 0", "0/0", "0/1")
    before = [place.run(key).info.run_id for key in keys]
    names, statuses = place.names(), place.statuses()
    if deleted == "experiment":
        place.client.delete_experiment(place.parent.info.experiment_id)
    for key in keys if deleted == "everything" else (deleted,) if deleted in keys else ():
        place.client.delete_run(place.run(key).info.run_id)
    place.mirrored()
    assert [place.run(key).info.run_id for key in keys] == before
    assert {place.run(key).info.lifecycle_stage for key in keys} == {"active"}
    assert (place.names(), place.statuses()) == (names, statuses)


@pytest.mark.parametrize("lost", ["0/1", "arm 0"])
@pytest.mark.parametrize("interrupted", [True, False])
def test_a_run_that_mlflow_has_lost_for_ever_is_made_anew_when_its_trial_goes_on(
    place, lost, interrupted
):
    first, second, *_ = place.entries
    finish(first, 0, 100)
    train(second, 0)
    mirror = place.mirrored()
    if interrupted:
        mirror.interrupt()
    old, points = place.run(lost).info.run_id, place.points("0/1")
    for table in ("metrics", "latest_metrics", "params", "tags", "runs"):  # as `mlflow gc` does
        query(place.uri, f"delete from {table} where run_uuid = '{old}'")
    finish(second, 0, 100)
    place.mirrored().conclude("a table", failed=False)
    assert place.run(lost).info.run_id != old
    assert place.points("0/1")["js"][:1] == points["js"]
    assert [step for step, *_ in place.points("0/1")["js"]] == [0, 100]
    assert set(place.statuses().values()) == {"FINISHED"}
    assert place.run("arm 0").data.params == {"loss.lambda": "0.5"}
    assert (NAME, "loss.lambda = 0.5", "loss.lambda = 0.5, seed 0") in place.names()


def test_a_run_that_is_not_of_this_sweep_stays_deleted(place):
    finish(place.entries[0], 0, 100)
    place.mirrored()
    other = place.client.create_run(place.parent.info.experiment_id).info.run_id
    place.client.delete_run(other)
    place.mirrored()
    assert place.client.get_run(other).info.lifecycle_stage == "deleted"


def test_a_failed_trial_that_finishes_another_time_is_finished(place):
    first, second, *_ = place.entries
    finish(first, 0, 100)
    fail(second, 0)
    place.mirrored()
    arm = place.run("arm 0")
    assert arm.info.status == "FAILED"
    assert arm.data.metrics == {}

    mirror = place.mirror()
    mirror.end(first, first.folder.standing())
    train(second, 0)
    mirror.show(second)
    run = place.run(second.key)
    assert run.info.status == place.run("arm 0").info.status == "RUNNING"
    assert (tags(run)["outcome"], tags(run)["cause"], tags(run)["end"]) == ("running", "", "")

    finish(second, 0, 100)
    mirror.end(second, second.folder.standing())
    run, arm = place.run(second.key), place.run("arm 0")
    assert run.info.status == arm.info.status == "FINISHED"
    assert (tags(run)["outcome"], tags(run)["cause"]) == ("finished", "")
    assert json.loads(tags(run)["end"])["images"] == 100
    assert [step for step, *_ in place.points(second.key)["js"]] == [0, 100]
    assert tags(arm)["outcome"] == "2 finished"
    means = [entry.folder.result().metrics["js"] for entry in (first, second)]
    assert place.points("arm 0")["js"][-1][1] == geometric_mean(means)


def test_a_trial_that_fails_again_leaves_nothing_running(place):
    first, second, *_ = place.entries
    finish(first, 0, 100)
    fail(second, 0)
    place.mirrored().conclude("a table", failed=True)
    mirror = place.mirror()
    mirror.end(first, first.folder.standing())
    train(second, 0)
    mirror.show(second)
    fail(second, 0)
    mirror.end(second, second.folder.standing())
    mirror.conclude("a table", failed=True)
    assert "RUNNING" not in place.statuses().values()


def test_a_new_seed_joins_its_arm(place):
    for entry in place.entries:
        finish(entry, 0, 100)
    place.mirrored()
    entries = place.ask(seeds=(0, 1, 2))
    finish(entries[2], 0, 100)
    place.mirrored()
    assert (NAME, "loss.lambda = 0.5", "loss.lambda = 0.5, seed 2") in place.names()
    means = [entry.folder.result().metrics["js"] for entry in entries[:3]]
    arm = place.run("arm 0")
    assert arm.data.metrics["js"] == geometric_mean(means)
    assert arm.data.metrics["final/js"] == pytest.approx(geometric_mean(means), rel=1e-3)
    assert tags(arm)["finished"] == "3"
    assert place.run("arm 0").info.status == "FINISHED"


# ---- a store that refuses


def test_what_a_store_refused_halfway_is_sent_another_time(place):
    entry = place.entries[0]
    train(entry, 0)
    mirror = place.mirror()
    with no_room(place.root), pytest.raises(OSError, match="Not a directory"):
        mirror.show(entry)
    mirror.show(entry)
    assert place.run(entry.key).data.params
    assert read_json(place.file(entry.key, "trial.json")) == plain(entry.trial)


def test_through_a_tracker_an_outage_loses_and_doubles_nothing(place, monkeypatch):
    monkeypatch.setattr(tracker_module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(tracker_module, "POLL_SECONDS", 0.01)
    entry = place.entries[0]
    with track(place.sweep, place.folder, uri=place.uri) as tracker:
        train(entry, 0)
        tracker.started(entry)
        while tracker.pending:
            assert not tracker.trouble
        with no_room(place.root):
            train(entry, 100, after=0)
            tracker.progressed(entry, 100, {})
            while not tracker.trouble:
                assert tracker.pending
        train(entry, 200, after=100)
        tracker.progressed(entry, 200, {})
        tracker.drain()
    assert tracker.unsent == 0
    assert [step for step, *_ in place.points(entry.key)["js"]] == [0, 100, 200]
    assert place.pictures(entry.key).keys() == {0, 100, 200}
    kept = TrialFolder(place.file(entry.key, ""))
    assert kept.measurements() == entry.folder.measurements()
    assert f"experiments/{place.parent.info.experiment_id}/" in tracker.hint


# ---- the cursor


def test_the_run_of_a_trial_is_known_by_its_place_in_the_sweep(place):
    assert run_ids(place.folder) == {}
    for entry in place.entries[:3]:
        train(entry, 0)
    place.mirrored()
    found = run_ids(place.folder)
    assert found.keys() == {"0/0", "0/1", "1/0"}
    for key, run_id in found.items():
        own = tags(place.client.get_run(run_id))
        assert f"{own['arm']}/{own['seed']}" == key


def test_a_store_has_one_cursor_however_it_is_written(place):
    cursor_of(place.folder, "sqlite:///mlflow.db").note("0/0", run_id="a")
    assert cursor_of(place.folder, f"sqlite:///{place.root}/mlflow.db")["0/0"] == {"run_id": "a"}
    assert cursor_of(place.folder, "sqlite:///other.db")["0/0"] == {}


# ---- secrets


CASES = {"m": {"cases": {SECRET_URI: {"loss.lambda": 0.5}, "none": {}}}}


def test_no_password_reaches_the_store(place):
    entry, *_ = place.ask(question=f"Is {SECRET_URI} down?", scientific=CASES)
    fail(entry, 0, cause=f"cannot connect to {SECRET_URI}")
    place.mirrored().conclude(f"| {SECRET_URI} |", failed=True)
    parent, arm, run = (place.run(key) for key in ("sweep", "arm 0", "0/0"))
    description = f"Question: Is {HIDDEN_URI} down?\n\n| {HIDDEN_URI} |"
    assert parent.data.tags["mlflow.note.content"] == description
    assert arm.data.params == {"m": HIDDEN_URI}
    assert tags(run)["cause"] == f"cannot connect to {HIDDEN_URI}"
    kept = [path for path in place.root.glob("mlruns/**/*.*") if path.is_file()]
    assert {path.name for path in kept} >= {"question.json", "table.md", "failure.json"}
    database = place.root / small_sweep.DATABASE
    holders = [p.name for p in (*kept, database) if SECRET.encode() in p.read_bytes()]
    assert holders == []
