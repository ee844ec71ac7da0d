"""Foreign files are known by what they hold."""

import hashlib

import pytest

from sid_sweep.foreign.fingerprint import fingerprint, locate


def test_a_file_is_known_by_its_bytes(tmp_path):
    file = tmp_path / "a.bin"
    file.write_bytes(b"one")
    assert fingerprint(str(file)) == hashlib.sha256(b"one").hexdigest()
    file.write_bytes(b"three")
    assert fingerprint(str(file)) == hashlib.sha256(b"three").hexdigest()


def test_a_folder_is_known_by_names_and_bytes_wherever_it_lies(tmp_path):
    for name in ("here", "there"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "x.png").write_bytes(b"x")
        (tmp_path / name / "y.png").write_bytes(b"y")
    here, there = (fingerprint(str(tmp_path / name)) for name in ("here", "there"))
    assert here == there
    (tmp_path / "there" / "y.png").rename(tmp_path / "there" / "z.png")
    assert fingerprint(str(tmp_path / "there")) != here


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.pkl: there is no such file or folder"):
        locate(str(tmp_path / "nowhere.pkl"))
