"""A trial's files are whole or absent."""

import pytest

from sid_sweep.files import replacing
from sid_sweep.spec import Trial
from sid_sweep.trials import Measurement, Result, TrialFolder

TRIAL = Trial.model_validate({"data": {"kind": "mixture"}})
MEASUREMENTS = [
    Measurement(
        images=100 * i,
        seconds=1.0 * i,
        peak_memory_bytes=7,
        metrics={"js": 1.0 / i},
        timestamp_ms=1000 + i,
    )
    for i in (1, 2, 3)
]


@pytest.fixture
def folder(tmp_path):
    folder = TrialFolder(tmp_path / "trial")
    for measurement in MEASUREMENTS:
        folder.append(measurement)
    return folder


def test_measurements_come_back_and_half_a_line_is_none(folder):
    with folder.log.open("a") as file:
        file.write('{"images": 400, "seco')
    assert folder.measurements() == MEASUREMENTS


def test_a_new_attempt_begins_with_what_its_checkpoint_holds(folder):
    folder.begin(TRIAL, measured=MEASUREMENTS[:2])
    assert folder.measurements() == MEASUREMENTS[:2]
    folder.append(MEASUREMENTS[2])
    assert folder.measurements() == MEASUREMENTS


def test_a_trial_stands_as_its_files_say(tmp_path):
    folder = TrialFolder(tmp_path / "trial")
    assert not folder.has_begun()
    folder.begin(TRIAL)
    assert folder.has_begun()
    assert folder.standing() == Result(outcome="running")
    folder.append(MEASUREMENTS[0])
    spent = {"images": 100, "seconds": 1.0, "peak_memory_bytes": 7}
    assert folder.standing() == Result(outcome="running", **spent)
    folder.write_failure("no memory", traceback="...")
    assert folder.standing() == Result(outcome="failed", cause="no memory", **spent)
    folder.begin(TRIAL, measured=MEASUREMENTS[:1])
    assert folder.standing() == Result(outcome="running", **spent)
    result = Result(outcome="finished", images=300, seconds=3.0, metrics={"js": 0.5})
    folder.write_failure("again", traceback="...")
    folder.checkpoint.write_text("")
    folder.write_result(result)
    assert folder.result() == folder.standing() == result
    assert not folder.failure.exists()
    assert not folder.checkpoint.exists()


def test_results_are_told_by_name_alone():
    with pytest.raises(TypeError):
        Result("failed", "a cause", 0, 0.0, 0)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail():
        with replacing(path) as partial:
            partial.write_text("new, but")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
