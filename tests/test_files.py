"""Files are whole or absent, on the disk when the block has ended, and locked by one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sid_sweep import files
from sid_sweep.files import (
    Damaged,
    DiskFull,
    Unwritable,
    append_line,
    drop_half_line,
    ends_whole,
    forget_partial,
    locked,
    read_json,
    read_lines,
    replacing,
    replacing_folder,
    write_json,
)
from sid_sweep.spec import SpecError


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file"
    write_json(path, {"λ": [1, 2.5, None]})

    def fail():
        with replacing(path) as partial:
            partial.write_text("half of")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with pytest.raises(TypeError):
        write_json(path, {"no json": object()})
    with pytest.raises(FileNotFoundError), replacing(path):
        pass  # nothing was written, so nothing is replaced
    assert read_json(path) == {"λ": [1, 2.5, None]}
    assert list(tmp_path.iterdir()) == [path]


def test_nobody_sees_a_new_file_before_it_is_whole(tmp_path):
    path = tmp_path / "new" / "folder" / "file"
    with replacing(path) as partial:
        partial.write_text("whole")
        assert not path.exists()
        assert partial.parent == path.parent  # a rename across disks would be a copy
    assert path.read_text() == "whole"


def test_the_content_reaches_the_disk_before_the_name_and_the_name_before_the_end(
    tmp_path, monkeypatch
):
    path = tmp_path / "file"
    path.write_text("old")
    synced = []

    def sync(handle):
        synced.append((os.readlink(f"/proc/self/fd/{handle}"), path.read_text()))

    monkeypatch.setattr(os, "fsync", sync)
    with replacing(path) as partial:
        partial.write_text("new")
    assert synced == [(str(partial), "old"), (str(tmp_path), "new")]


@pytest.mark.parametrize("half", [b"", b"[", b'{"seconds": 0.', '{"λ'.encode()[:-1]])
def test_lines_come_back_and_half_a_line_is_none(tmp_path, half):
    path = tmp_path / "folder" / "lines"
    assert read_lines(path) == []
    breaks = "two\nlines\r, or\u2028 what\x85 others\x0c call so"
    values = [{"λ": 0.5, "text": breaks}, ["a", None, 0.1 + 0.2, -0.0, 2**70]]
    for value in values:
        append_line(path, value)
    assert read_lines(path) == values
    path.write_bytes(path.read_bytes() + half)
    assert read_lines(path) == values


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b"", b""),
        (b"[1]\n", b"[1]\n"),
        (b"[1]\n[2", b"[1]\n"),
        (b"[1", b""),
        (b'[1]\n["\xc3', b"[1]\n"),  # in the middle of a letter
    ],
)
def test_half_a_line_is_dropped_so_that_the_next_one_is_whole(tmp_path, content, kept):
    path = tmp_path / "lines"
    path.write_bytes(content)
    assert ends_whole(path) == (content == kept)
    drop_half_line(path)
    assert path.read_bytes() == kept
    append_line(path, [9])
    assert read_lines(path)[-1] == [9]


def test_dropping_touches_neither_a_whole_file_nor_an_absent_one(tmp_path):
    path = tmp_path / "lines"
    drop_half_line(path)
    assert not path.exists()
    append_line(path, [1])
    before = path.stat()
    drop_half_line(path)
    assert path.stat() == before


HOLD = """\
import sys, time
from pathlib import Path
from sid_sweep.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_refused_while_another_process_holds_it_and_dies_with_it(tmp_path):
    path = tmp_path / "folder" / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(BlockingIOError), locked(path, wait=False):
                pass
        finally:
            holder.send_signal(signal.SIGKILL)
    with locked(path, wait=False):
        pass
    with locked(path, wait=False):  # a block that has ended holds nothing
        pass


def test_a_lock_empties_no_file_and_follows_no_link(tmp_path):
    outside, path = tmp_path / "outside", tmp_path / "lock"
    outside.write_text("dear")
    with locked(outside):
        assert outside.read_text() == "dear"
    for target in (outside, tmp_path / "nowhere"):
        path.symlink_to(target)
        with pytest.raises(Damaged, match=r"lock: is a symbolic link, not a file; remove it$"):
            locked(path).__enter__()
        path.unlink()
    assert outside.read_text() == "dear"
    assert list(tmp_path.iterdir()) == [outside]


@pytest.mark.parametrize(
    "error",
    [
        SpecError("space.yaml: wrong"),
        Damaged(Path("a"), "is empty"),
        KeyError("a"),
        TypeError("a"),
        AttributeError("a"),
        AssertionError("a"),
    ],
)
def test_what_no_full_disk_raises_is_not_called_one(tmp_path, monkeypatch, error):
    monkeypatch.setattr(files, "LEAST_FREE_BYTES", 2**70)
    with pytest.raises(type(error)) as caught, files.told_if_full(tmp_path):
        raise error
    assert caught.value is error


def test_what_a_library_says_of_a_full_disk_stands_beside_it_in_one_line(tmp_path, monkeypatch):
    def fail():
        with files.told_if_full(tmp_path):
            raise RuntimeError("PytorchStreamWriter failed\nwriting file")

    with pytest.raises(RuntimeError):
        fail()
    monkeypatch.setattr(files, "LEAST_FREE_BYTES", 2**70)
    with pytest.raises(DiskFull) as caught:
        fail()
    assert str(caught.value) == (
        f"{tmp_path}: the disk is full; free some space and run the same command again, which goes "
        "on from what is there (RuntimeError: PytorchStreamWriter failed writing file)"
    )


def test_a_place_in_which_nothing_can_be_made_is_named_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path, rule in (
        (Path("/proc/nope/within"), "/proc/nope: cannot be written (No such file or directory)"),
        (tmp_path / "file" / "within", "file: cannot be written (File exists)"),
        (tmp_path / "folder", "folder: is a folder, not a file; move it away"),
    ):
        with pytest.raises(Unwritable) as caught:
            write_json(path, {})
        assert rule in str(caught.value)
        assert "\n" not in str(caught.value)
    assert sorted(own.name for own in tmp_path.iterdir()) == ["file", "folder"]


def test_a_file_that_must_not_be_written_is_named_and_no_other(tmp_path):
    def fail(place):
        with replacing(tmp_path / "own") as partial:
            raise PermissionError(13, "Permission denied", str(place or partial))

    with pytest.raises(Unwritable, match=r"own: cannot be written \(Permission denied\); see to"):
        fail(None)
    with pytest.raises(PermissionError, match="elsewhere"):
        fail(tmp_path / "elsewhere")


def test_a_folder_is_whole_or_absent(tmp_path):
    path = tmp_path / "deep" / "folder"
    with pytest.raises(FileNotFoundError), replacing_folder(path) as partial:
        (partial / "half").write_text((partial / "nothing").read_text())
    assert list(path.parent.iterdir()) == []
    with replacing_folder(path) as partial:
        (partial / "whole").write_text("x")
        assert not path.exists()
    assert [own.name for own in path.parent.iterdir()] == ["folder"]
    assert (path / "whole").read_text() == "x"


def test_a_folder_is_on_the_disk_with_all_that_lies_in_it_before_it_has_its_name(
    tmp_path, monkeypatch
):
    path, synced = tmp_path / "folder", []

    def sync(handle):
        assert not path.exists() or synced
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))

    monkeypatch.setattr(os, "fsync", sync)
    with replacing_folder(path) as partial:
        (partial / "deep").mkdir()
        (partial / "deep" / "file").write_text("x")
        synced.clear()
    inner = [str(partial / "deep"), str(partial / "deep" / "file"), str(partial)]
    assert synced == [*inner, str(tmp_path)]


def test_what_a_killed_process_left_is_dropped_be_it_a_folder(tmp_path):
    (tmp_path / ".own.4711.tmp").mkdir()
    (tmp_path / ".own.4711.tmp" / "half").touch()
    (tmp_path / ".own.4712.tmp").touch()
    (tmp_path / ".other.4711.tmp").touch()
    forget_partial(tmp_path / "own")
    assert [own.name for own in tmp_path.iterdir()] == [".other.4711.tmp"]
