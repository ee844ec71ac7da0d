"""A trial in its folder: all that it should leave, interrupted or not, and written by rank 0
alone."""

import json
import math
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from sid_sweep import quality, teachers
from sid_sweep.distill import SOLO, Ranks, distill
from sid_sweep.spec import plain
from sid_sweep.student import Student
from sid_sweep.trials import TrialFolder
from sid_sweep.trials.folder import end_with
from sid_sweep.worker import run as running
from sid_sweep.worker.job import Job
from sid_sweep.worker.memory import OutOfMemory
from sid_sweep.worker.run import run

sys.path.insert(0, str(Path(__file__).parents[1] / "distill"))
from tiny import IMAGES_PER_STEP, STEPS, tiny

EVALUATED = [IMAGES_PER_STEP * step for step in (0, 13, 27, STEPS)]
BY_THE_CLOCK = ("cost/samples_per_second",)


class Stop(Exception):
    """An interruption."""


def job_of(folder, trial=None, *, checkpoint_seconds=0.0, picture=None):
    return Job(
        trial=trial or tiny(),
        folder=TrialFolder(folder),
        cache=folder.parent / "cache",
        checkpoint_seconds=checkpoint_seconds,
        threads=1,
        data_picture=picture,
    )


def work(
    folder, trial=None, *, checkpoint_seconds=0.0, stop_after=math.inf, ranks=SOLO, picture=None
):
    """Run a trial in a folder, interrupted after some reports; returns what was reported."""
    job = job_of(folder, trial, checkpoint_seconds=checkpoint_seconds, picture=picture)
    reported = []

    def report(figures):
        reported.append(figures)
        if len(reported) >= stop_after:
            raise Stop

    try:
        run(job, report, ranks=ranks)
    except Stop:
        assert len(reported) == stop_after
    return reported


def evaluations(folder):
    """What was measured, but for what the clock measures."""
    return [
        (m.images, {k: v for k, v in m.metrics.items() if k not in BY_THE_CLOCK})
        for m in TrialFolder(folder).measurements()
    ]


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The folder of a trial that ran without an interruption, and what it reported."""
    folder = tmp_path_factory.mktemp("straight") / "trial"
    return folder, work(folder)


def test_a_finished_trial_leaves_all_that_it_should_and_no_checkpoint(straight):
    folder = TrialFolder(straight[0])
    assert {path.name for path in folder.path.iterdir()} == {
        *("trial.json", "references.json", "measurements.jsonl", "samples"),
        *("generator.safetensors", "result.json", "host.json"),
    }
    assert json.loads(folder.specification.read_text()) == plain(tiny())
    references = json.loads(folder.references.read_text())
    assert references["sw2_of_data"] > references["js_of_data"] > 0
    assert [images for images, _ in folder.pictures()] == EVALUATED
    for _, path in folder.pictures():
        with Image.open(path) as picture:
            assert picture.format == "PNG"
    assert Student.load(folder.student).sample(4).shape == (4, 2)


def test_the_data_is_drawn_once_for_all_trials(tmp_path):
    picture = tmp_path / "data.png"
    work(tmp_path / "first", picture=picture, stop_after=1)
    drawn, made = picture.read_bytes(), picture.stat().st_mtime_ns
    assert drawn.startswith(b"\x89PNG")
    work(tmp_path / "second", picture=picture, stop_after=1)
    assert picture.stat().st_mtime_ns == made


def test_every_evaluation_is_measured_with_every_metric_and_what_it_took(straight):
    measured = TrialFolder(straight[0]).measurements()
    assert [m.images for m in measured] == EVALUATED
    for own in measured:
        assert set(tiny().metrics) <= set(own.metrics)
        assert own.metrics["cost/samples_per_second"] > 0
        assert own.peak_memory_bytes > 2**20
        assert own.timestamp_ms > 1_700_000_000_000
    assert [m.seconds for m in measured] == sorted(m.seconds for m in measured)


def test_the_result_is_the_last_measurement(straight):
    folder = TrialFolder(straight[0])
    result, last = folder.result(), folder.measurements()[-1]
    assert (result.outcome, result.cause) == ("finished", "")
    assert (result.images, result.seconds) == (last.images, last.seconds)
    assert result.metrics == last.metrics


def test_what_is_reported_is_what_was_measured(straight):
    folder, reported = straight
    assert reported == [
        {"images": m.images, "seconds": m.seconds, **m.metrics}
        for m in TrialFolder(folder).measurements()
    ]


@pytest.mark.parametrize(
    ("stop_after", "checkpoint_seconds", "evaluated_again"),
    [(1, 0.0, EVALUATED), (3, 0.0, EVALUATED[2:]), (2, 1e9, EVALUATED[1:])],
)
def test_an_interrupted_trial_ends_bitwise_as_a_straight_one(
    straight, tmp_path, stop_after, checkpoint_seconds, evaluated_again
):
    """It goes on from its checkpoint, and says once more where that was."""
    folder = tmp_path / "trial"
    options = {"checkpoint_seconds": checkpoint_seconds}
    work(folder, stop_after=stop_after, **options)
    assert TrialFolder(folder).standing().outcome == "running"
    seen = TrialFolder(folder).measurements()
    assert [own["images"] for own in work(folder, **options)] == evaluated_again
    assert TrialFolder(folder).measurements()[: len(seen)] == seen  # to the millisecond
    assert evaluations(folder) == evaluations(straight[0])
    students = [Student.load(TrialFolder(f).student).weights() for f in (folder, straight[0])]
    assert all(torch.equal(own, students[1][name]) for name, own in students[0].items())


def test_what_was_measured_after_an_older_checkpoint_is_measured_again_and_kept_once(
    straight, tmp_path
):
    """Somebody has put it there."""
    folder = tmp_path / "trial"
    work(folder, stop_after=2)
    checkpoint = TrialFolder(folder).checkpoint
    old = checkpoint.read_bytes()
    work(folder, stop_after=2)
    checkpoint.write_bytes(old)
    assert [images for images, _ in evaluations(folder)] == EVALUATED[:3]
    assert [own["images"] for own in work(folder)] == EVALUATED[1:]
    assert evaluations(folder) == evaluations(straight[0])


@pytest.mark.parametrize("lost", ["write_result", "append"])
@pytest.mark.parametrize("outcome", ["finished", "collapsed"])
def test_a_trial_that_dies_while_it_ends_loses_nothing_and_measures_nothing_that_was_seen_again(
    tmp_path, monkeypatch, lost, outcome
):
    """Between its last evaluation and its result, or before either, with a student there."""
    trial = tiny(evaluation__keeps=["sw2 <= 1e-9"]) if outcome == "collapsed" else tiny()
    folder, act = TrialFolder(tmp_path / "trial"), getattr(TrialFolder, lost)

    def die(self, record):
        if record.outcome == outcome:
            raise Stop
        act(self, record)

    monkeypatch.setattr(TrialFolder, lost, die)
    with pytest.raises(Stop):
        run(job_of(folder.path, trial), lambda figures: None)
    monkeypatch.undo()
    seen = folder.measurements()
    assert folder.result() is None
    assert folder.checkpoint.exists()
    made = work(folder.path, trial)
    assert folder.result().outcome == outcome
    assert folder.measurements()[: len(seen)] == seen
    assert end_with(folder.measurements()[-1]) == folder.result()
    assert (made == []) == (lost == "write_result")
    assert folder.student.exists() == (outcome == "finished")


def test_a_trial_that_diverges_says_where_and_exports_no_student(tmp_path):
    reported = work(tmp_path / "trial", tiny(generator__optim__lr=1e6))
    folder = TrialFolder(tmp_path / "trial")
    result, measured = folder.result(), folder.measurements()
    assert result.outcome == "diverged"
    assert result.cause
    assert result.images > measured[-1].images
    assert result.metrics == {}
    assert not folder.student.exists()
    assert not folder.checkpoint.exists()
    assert reported[-1] == {"images": result.images, "seconds": result.seconds}


def test_an_attempt_forgets_why_the_last_one_failed(tmp_path):
    folder = TrialFolder(tmp_path / "trial")
    folder.write_failure("no memory", traceback="")
    work(folder.path, stop_after=1)
    assert not folder.failure.exists()


def test_teacher_and_judge_are_made_once_for_all_evaluations(tmp_path, monkeypatch):
    calls = []

    def counted(name, function):
        def call(*arguments, **options):
            calls.append(name)
            return function(*arguments, **options)

        return call

    monkeypatch.setattr(teachers, "load", counted("teacher", teachers.load))
    monkeypatch.setattr(quality, "judge", counted("judge", quality.judge))
    assert len(work(tmp_path / "trial")) == len(EVALUATED)
    assert sorted(calls) == ["judge", "teacher"]


@pytest.fixture
def second(monkeypatch):
    """Rank 1 of 2, whose loop computes the whole batch, so that it needs no other."""

    def alone(*arguments, ranks, **options):
        return distill(*arguments, ranks=SOLO, **options)

    monkeypatch.setattr(running, "distill", alone)
    monkeypatch.setattr(Ranks, "largest", lambda self, value: float(value))
    return Ranks(1, 2)


def test_other_ranks_compute_and_write_nothing(tmp_path, second):
    assert work(tmp_path / "trial", ranks=second) == []
    assert list(tmp_path.iterdir()) == []


def test_other_ranks_go_on_from_the_checkpoint_of_rank_0_and_leave_it(tmp_path, second):
    folder = TrialFolder(tmp_path / "trial")
    work(folder.path, stop_after=2)
    before = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")}
    assert work(folder.path, ranks=second) == []
    assert {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")} == before


def test_memory_that_is_not_there_is_one_line_with_the_knob_to_lower(tmp_path):
    """The machine's own refusal: no machine has a mebibyte of mebibytes."""
    with pytest.raises(
        OutOfMemory, match=r"^this machine has no [\d.]+ GiB left; lower batch\.per"
    ):
        work(tmp_path / "trial", tiny(batch__latents=2**40))
    assert TrialFolder(tmp_path / "trial").result() is None
