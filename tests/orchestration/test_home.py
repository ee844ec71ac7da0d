"""A private folder for a Ray of our own, cleared away with all that writes below it, if not by its
command then by the next."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from sid_sweep.orchestration import home as homes
from sid_sweep.orchestration.home import clear_abandoned, home, temporary_files
from sid_sweep.orchestration.processes import Process, children_of, end_writers, writers

WRITER = "import sys, time; f = open(sys.argv[1], 'w'); print('ready', flush=True); time.sleep(60)"
HOLDER = """\
import os, sys, time
from pathlib import Path
from sid_sweep.orchestration import home
home.PLACE = Path(sys.argv[1])
with home.home() as path:
    print(path, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(homes, "PLACE", tmp_path)
    return tmp_path


@pytest.fixture
def start():
    """Starts a program and waits for its first line."""
    running = []

    def start(code, *arguments):
        command = [sys.executable, "-c", code, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        running.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_home_is_private_and_gone_at_the_end_with_those_who_write_there(start):
    with home() as path:
        assert path.stat().st_mode & 0o777 == 0o700
        (path / "deep").mkdir()
        process, _ = start(WRITER, path / "deep" / "log")
        assert writers(path) == [process.pid]
    assert not path.exists()
    assert process.wait(5) == -signal.SIGKILL


def test_a_home_that_is_held_is_left_alone_and_one_whose_holder_was_killed_is_not(start, place):
    holder, path = start(HOLDER, place)
    writer, _ = start(WRITER, f"{path}/log")
    clear_abandoned()
    assert os.path.isdir(path)
    assert writer.poll() is None
    holder.kill()
    holder.wait()
    clear_abandoned()
    assert not os.path.exists(path)
    assert writer.wait(5) == -signal.SIGKILL


def test_the_next_home_clears_the_abandoned_one(start, place):
    holder, _ = start(HOLDER, place)
    holder.kill()
    holder.wait()
    with home() as own:
        assert list(place.iterdir()) == [own]


def test_a_folder_without_a_lock_is_left_alone_while_somebody_writes_there(place, start):
    used = place / "sid-ray-used"
    used.mkdir()
    writer, _ = start(WRITER, used / "log")
    past = time.time() - 61
    os.utime(used, (past, past))
    clear_abandoned()
    assert used.exists()
    assert writer.poll() is None
    writer.kill()
    writer.wait()
    clear_abandoned()
    assert not used.exists()


def test_a_folder_that_nobody_holds_yet_is_given_a_minute(place):
    new = place / "sid-ray-new"
    new.mkdir()
    clear_abandoned()
    assert new.exists()
    past = time.time() - 61
    os.utime(new, (past, past))
    clear_abandoned()
    assert not new.exists()


def test_other_folders_and_readers_are_left_alone(place, start):
    (place / "another").mkdir()
    (place / "log").touch()
    reader, _ = start(WRITER.replace("'w'", "'r'"), place / "log")
    clear_abandoned()
    assert (place / "another").exists()
    end_writers(place)
    assert reader.poll() is None


def test_a_process_is_known_by_its_number_and_its_beginning(start):
    program, _ = start("import time; print(flush=True); time.sleep(60)")
    (process,) = children_of(os.getpid())
    assert process.pid == program.pid
    time.sleep(0.1)  # until it sleeps
    assert process.state() == "S"
    os.kill(program.pid, signal.SIGSTOP)
    time.sleep(0.1)
    assert process.state() == "T"
    other = Process(process.pid, process.name, process.began - 1)  # of whom it has the number
    assert other.state() == ""
    other.kill()
    assert program.poll() is None
    process.kill()
    time.sleep(0.1)
    assert process.state() == "Z"
    assert children_of(os.getpid()) == []
    program.wait()
    assert process.state() == ""


def test_temporary_files_lie_in_one_and_are_gone_with_it(place):
    before = tempfile.gettempdir()
    with temporary_files():
        (folder,) = place.iterdir()
        with tempfile.NamedTemporaryFile(delete=False) as file:
            assert Path(file.name).parent == folder
    assert list(place.iterdir()) == []
    assert tempfile.gettempdir() == before
