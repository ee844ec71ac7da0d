"""A trial's files are whole or absent."""

import pytest

from sid_sweep.orchestration.folder import Record, Result, TrialFolder, replacing

RECORDS = [Record(100 * i, 1.0 * i, 7, {"sw2_ratio": 1.0 / i}, 1000 + i) for i in (1, 2, 3)]


@pytest.fixture
def folder(tmp_path):
    folder = TrialFolder(tmp_path / "trial")
    for record in RECORDS:
        folder.append(record)
    return folder


def test_records_come_back_and_half_a_line_is_none(folder):
    with (folder.path / "records.jsonl").open("a") as file:
        file.write('{"images": 400, "seco')
    assert folder.records() == RECORDS


def test_rewind_forgets_what_will_be_made_again(folder):
    folder.rewind(200)
    assert folder.records() == RECORDS[:2]
    folder.append(RECORDS[2])
    assert folder.records() == RECORDS


def test_a_result_clears_an_earlier_failure(folder):
    folder.write_failure("no memory", traceback="...")
    assert folder.failure() == "no memory"
    result = Result("finished", "", 300, 3.0, 7, {"sw2_ratio": 0.5})
    folder.write_result(result)
    assert folder.result() == result
    assert folder.failure() == ""


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
