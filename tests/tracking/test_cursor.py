"""Notes are added, never rewritten, and half of one is none."""

import pytest

from sid_sweep.tracking.cursor import Cursor


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sweeps" / "tracking.jsonl"


def test_an_unknown_key_has_no_notes_and_asking_makes_no_file(path):
    cursor = Cursor(path)
    assert cursor["0/0"] == {}
    assert cursor.items() == []
    assert not path.exists()


def test_notes_survive_reopening_and_later_ones_win(path):
    cursor = Cursor(path)
    cursor.note("0/0", run_id="a", open=True)
    cursor.note("0/1", run_id="b")
    cursor.note("0/0", open=False, done=[[0, "finished"]])
    expected = [
        ("0/0", {"run_id": "a", "open": False, "done": [[0, "finished"]]}),
        ("0/1", {"run_id": "b"}),
    ]
    assert cursor.items() == expected
    assert Cursor(path).items() == expected
    assert Cursor(path)["0/1"] == {"run_id": "b"}


def test_a_note_is_added_and_what_was_written_stays(path):
    cursor = Cursor(path)
    cursor.note("0/0", run_id="a")
    before, file = path.read_bytes(), path.stat().st_ino
    for images in range(50):
        cursor.note("0/0", images=images)
        after = path.read_bytes()
        assert after.startswith(before)
        assert len(after) > len(before)
        before = after
    assert path.stat().st_ino == file  # a file that was replaced is another one


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_half_a_note_is_none_and_does_not_spoil_the_next(path, cut):
    cursor = Cursor(path)
    cursor.note("0/0", run_id="a")
    cursor.note("0/0", images=100)
    path.write_bytes(path.read_bytes()[:-cut])
    killed = Cursor(path)
    assert killed.items() == [("0/0", {"run_id": "a"})]
    killed.note("0/1", run_id="b")
    expected = [("0/0", {"run_id": "a"}), ("0/1", {"run_id": "b"})]
    assert killed.items() == expected
    assert Cursor(path).items() == expected


def test_a_cleared_cursor_knows_nothing_and_goes_on(path):
    cursor = Cursor(path)
    cursor.note("0/0", run_id="a")
    cursor.clear()
    assert cursor["0/0"] == {}
    assert Cursor(path).items() == []
    cursor.note("0/1", run_id="b")
    assert Cursor(path).items() == cursor.items() == [("0/1", {"run_id": "b"})]
    Cursor(path.with_name("none")).clear()  # where nothing was ever noted
