"""MLflow's database in a file is made whole or not at all; what cannot be used is said in one line,
with what helps, and never written to."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
import small_sweep

from sid_sweep.preparation import check_store
from sid_sweep.spec import SpecError
from sid_sweep.tracking import track
from sid_sweep.tracking.client import connect, remedy
from sid_sweep.tracking.database import prepare


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "mlflow.db"


@pytest.fixture
def remarks():
    return []


def half_made(path):
    """As a process leaves it that ends within MLflow's first migration."""
    path.write_bytes(small_sweep.empty_database())
    with closing(sqlite3.connect(path)) as own, own:
        own.executescript(
            "drop table trace_info; delete from alembic_version; delete from experiments"
        )
    os.utime(path, (0, 0))
    return path.read_bytes()


def test_a_new_database_is_whole_and_nothing_is_left_beside_it(path, remarks):
    (path.parent / f".{path.name}.1.tmp").touch()  # by a process that was killed
    (path.parent / f".{path.name}.1.tmp-journal").touch()
    prepare(path, remark=remarks.append)
    assert [own.name for own in path.parent.iterdir()] == [path.name]
    assert connect(f"sqlite:///{path}").get_experiment_by_name("Default") is not None
    assert remarks == []


def test_a_half_made_database_is_set_aside_and_made_anew(path, remarks):
    before = half_made(path)
    path.with_name("mlflow.db.damaged").touch()
    prepare(path, remark=remarks.append)
    aside = path.with_name("mlflow.db.damaged-2")
    assert aside.read_bytes() == before
    line = f"{path} was half made and held no run; it was set aside as {aside.name} and made anew"
    assert remarks == [line]
    assert connect(f"sqlite:///{path}").get_experiment_by_name("Default") is not None


def test_one_that_may_still_be_made_by_another_process_is_left_alone(path, remarks):
    before = half_made(path)
    os.utime(path)
    with pytest.raises(BlockingIOError, match="may still be making it"):
        prepare(path, remark=remarks.append)
    assert path.read_bytes() == before


def test_one_that_holds_a_run_is_never_set_aside(path, remarks):
    half_made(path)
    with closing(sqlite3.connect(path)) as own, own:
        own.execute("insert into runs (run_uuid) values ('theirs')")
    before = path.read_bytes()
    prepare(path, remark=remarks.append)
    assert path.read_bytes() == before


def test_a_whole_one_is_left_as_it_is(path, remarks):
    path.write_bytes(small_sweep.empty_database())
    file = path.stat().st_ino
    prepare(path, remark=remarks.append)
    assert (path.stat().st_ino, remarks) == (file, [])


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_a_whole_one_or_none(path, remarks):
    code = f"from sid_sweep.tracking.database import *\nprepare(Path({str(path)!r}), remark=print)"
    for kills in range(4):
        process = subprocess.Popen([sys.executable, "-c", code])
        while not list(path.parent.glob(f".{path.name}.*.tmp")) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(0.4 * kills)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not path.exists() or path.stat().st_size > 2**19
        path.unlink(missing_ok=True)
    prepare(path, remark=remarks.append)
    assert [own.name for own in path.parent.iterdir()] == [path.name]
    connect(f"sqlite:///{path}")


# ---- stores that take nothing


def foreign(path):
    with closing(sqlite3.connect(path)) as own, own:
        own.execute("create table theirs (a)")


def garbage(path):
    path.write_bytes(b"no database at all" * 100)


def cut(path):
    path.write_bytes(small_sweep.empty_database()[:200_000])


ANEW = "move it away, and the same command makes a new one and sends them all"
CASES = {
    "foreign": (foreign, "is a database, but not MLflow's", "name another with --tracking-uri"),
    "garbage": (garbage, "is no database, or a broken one", ANEW),
    "cut": (cut, "malformed", ANEW),
    "folder": (lambda path: path.mkdir(), "is a folder", "name another with --tracking-uri"),
}


def sent(folder, sweep, uri):
    """A sweep that has ended is sent there; the tracker, afterwards."""
    with track(sweep, folder, uri=uri) as tracker:
        for entry in folder.entries(sweep):
            tracker.ended(entry, entry.folder.standing())
        tracker.drain()
    return tracker


@pytest.fixture
def ended(path):
    sweep = small_sweep.sweep(seeds=(0,))
    folder = small_sweep.folder_of(sweep, path.parent)
    for entry in folder.entries(sweep):
        small_sweep.finish(entry, 0)
    return folder, sweep, f"sqlite:///{path}"


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_used_is_said_with_what_helps_and_left_alone(path, ended, case, capfd):
    make, trouble, helps = CASES[case]
    make(path)
    before = path.read_bytes() if path.is_file() else None
    began = time.monotonic()
    tracker = sent(*ended)
    assert time.monotonic() - began < 15
    assert tracker.unsent == 2
    assert trouble in tracker.trouble
    assert "\n" not in tracker.trouble
    assert tracker.remedy.startswith(helps)
    assert (path.read_bytes() if path.is_file() else None) == before
    # what helps does
    path.rename(path.with_name("away"))
    assert sent(*ended).unsent == 0
    assert capfd.readouterr() == ("", "")  # MLflow is quiet


@pytest.mark.parametrize(
    ("trouble", "helps"),
    [
        (
            "(sqlite3.OperationalError) attempt to write a readonly database",
            "make it writable, and",
        ),
        ("[Errno 13] Permission denied: '/mlruns'", "make it writable, and"),
        ("database or disk is full", "free some room, and"),
        ("[Errno 28] No space left on device", "free some room, and"),
        ("No module named 'psycopg'", "install it with pip, and the same command"),
        ("no server answers there", "the same command sends them"),
    ],
)
def test_each_trouble_has_its_remedy(trouble, helps):
    assert remedy(trouble).startswith(helps)


@pytest.mark.parametrize("uri", ["foo://x", "", "http://", "sqlite://", "./mlruns", "file:mlruns"])
def test_what_is_no_store_is_refused_at_the_start(uri):
    with pytest.raises(SpecError, match=r"^--tracking-uri: .*; name a database, such as"):
        check_store(uri)


@pytest.mark.parametrize("uri", ["sqlite:///new.db", "http://host:1", "postgresql://me:p@host/db"])
def test_what_may_be_one_is_not(uri, path):
    check_store(uri)
    assert list(path.parent.iterdir()) == []
