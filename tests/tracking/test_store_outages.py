"""A real server that is down, dies, hangs or is slow costs a sweep nothing: events return at once,
everything arrives once, and the command ends in a stated time."""

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

import pytest
import small_sweep
import yaml
from server import Server, SlowProxy
from small_sweep import finish, query, train

from sid_sweep.spec import plain
from sid_sweep.tracking import track
from sid_sweep.tracking import tracker as tracker_module
from sid_sweep.tracking.store import TAG

pytestmark = pytest.mark.slow
MOST_SECONDS = 30.0  # from the end of the last trial to the end of the sending, with a hung server
SECRET = "hunter2"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    own = Server(tmp_path_factory.mktemp("server"))
    yield own
    own.thaw()
    own.kill()


class Sweep:
    """A sweep of its own name, and what the driver tells of it."""

    def __init__(self, root, name):
        self.sweep = small_sweep.sweep(sweep=name)
        self.folder = small_sweep.folder_of(self.sweep, root)
        self.entries = self.folder.entries(self.sweep)
        self.slowest = 0.0
        """Seconds that the longest of its calls has cost the driver."""

    def tracked(self, uri):
        return track(self.sweep, self.folder, uri=uri)

    def tell(self, call, *args):
        began = time.monotonic()
        call(*args)
        self.slowest = max(self.slowest, time.monotonic() - began)

    def run(self, tracker, entry):
        """A trial, as the driver tells of it."""
        self.tell(tracker.started, entry)
        for images in (0, 100):
            train(entry, images, after=images - 1)
            self.tell(tracker.progressed, entry, images, {})
        self.tell(tracker.ended, entry, finish(entry, 0, 100))

    def rerun(self, uri):
        """The same command, once all is done."""
        with self.tracked(uri) as tracker:
            for entry in self.entries:
                tracker.ended(entry, entry.folder.standing())
            tracker.concluded("a table", failed=False)
            tracker.drain()
        assert (tracker.unsent, tracker.trouble) == (0, "")

    def check(self, server):
        """Everything is there once, and nothing goes on."""
        name = self.sweep.sweep
        own = f"experiment_id = (select experiment_id from experiments where name = '{name}')"
        active = f"{own} and lifecycle_stage = 'active'"
        runs = query(server.database, f"select status from runs where {active}")
        assert runs == ["FINISHED"] * (1 + 2 + 4)
        of_runs = f"from metrics join runs using (run_uuid) where {active}"
        points = query(server.database, f"select run_uuid, key, step {of_runs}")
        metrics, final = 4, 4
        of_seeds, of_arms = 4 * 2 * (metrics + 3), 2 * 2 * metrics  # of seeds, costs and system too
        assert len(points) == len(set(points)) == of_seeds + of_arms + len(runs) * final
        owned = f"key = '{TAG}identity' and value <> '' and {own}"
        keys = query(
            server.database, f"select 1 from tags join runs using (run_uuid) where {owned}"
        )
        assert len(keys) == len(runs)
        assert self.slowest < 0.1


def wait_for(condition, *, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def test_down_from_the_start(server, tmp_path):
    server.kill()
    own = Sweep(tmp_path, "down")
    with own.tracked(server.uri) as tracker:
        for entry in own.entries:
            own.run(tracker, entry)
        tracker.concluded("a table", failed=False)
        ended = time.monotonic()
        tracker.drain()
    took = time.monotonic() - ended
    print(f"down from the start: ended after {took:.1f} s")
    assert took < MOST_SECONDS
    assert tracker.unsent > 0
    assert (tracker.trouble, tracker.remedy) == (
        "no server answers there",
        "the same command sends them",
    )
    server.start()
    own.rerun(server.uri)
    own.check(server)


def test_killed_and_started_again_while_trials_run(server, tmp_path, monkeypatch):
    monkeypatch.setattr(tracker_module, "RETRY_SECONDS", 0.5)
    server.start()
    own = Sweep(tmp_path, "restarted")
    with own.tracked(server.uri) as tracker:
        own.run(tracker, own.entries[0])
        wait_for(lambda: tracker.pending < 4)  # in the middle of it
        server.kill()
        own.run(tracker, own.entries[1])
        wait_for(lambda: tracker.trouble)
        own.run(tracker, own.entries[2])
        server.start()
        own.run(tracker, own.entries[3])
        tracker.concluded("a table", failed=False)
        tracker.drain()
    assert tracker.unsent == 0
    own.check(server)


@pytest.mark.long
def test_hanging_for_a_while(server, tmp_path, monkeypatch):
    monkeypatch.setattr(tracker_module, "RETRY_SECONDS", 0.5)
    server.start()
    own = Sweep(tmp_path, "frozen")
    with own.tracked(server.uri) as tracker:
        own.run(tracker, own.entries[0])
        wait_for(lambda: tracker.pending < 4)
        server.freeze()
        for entry in own.entries[1:]:
            own.run(tracker, entry)
        wait_for(lambda: tracker.trouble)
        server.thaw()
        tracker.concluded("a table", failed=False)
        tracker.drain()
    assert tracker.unsent == 0
    own.check(server)


@pytest.mark.long
def test_slow(server, tmp_path):
    server.start()
    proxy = SlowProxy(server.uri, seconds=0.1)
    own = Sweep(tmp_path, "slow")
    with own.tracked(proxy.uri) as tracker:
        for entry in own.entries:
            own.run(tracker, entry)
        tracker.concluded("a table", failed=False)
        ended = time.monotonic()
        tracker.drain()
    print(f"slow: ended after {time.monotonic() - ended:.1f} s")
    proxy.close()
    assert (tracker.unsent, tracker.trouble) == (0, "")
    own.check(server)


# ---- the command itself


class Command:
    """The command on a sweep whose trials are done: it shows the table and sends the rest."""

    def __init__(self, root: Path, name: str, uri: str) -> None:
        self.sweep = Sweep(root, name)
        for entry in self.sweep.entries:
            finish(entry, 0, 100)
        (root / "space.yaml").write_text(yaml.safe_dump(plain(self.sweep.sweep)))
        words = [sys.executable, "-u", "-m", "sid_sweep.run", "space.yaml", "--tracking-uri", uri]
        self._log = root / "command.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(words, cwd=root, stdout=log, stderr=log)

    @property
    def words(self) -> str:
        return self._log.read_text()

    def has_shown_its_table(self) -> bool:
        assert self._process.poll() is None, self.words
        return "took" in self.words

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def seconds_to_end(self) -> float:
        began = time.monotonic()
        try:
            self._process.wait(timeout=120)
        finally:
            self._process.kill()
        return time.monotonic() - began


def test_the_command_ends_in_time_when_the_server_hangs(server, tmp_path):
    server.start()
    server.freeze()
    command = Command(tmp_path, "hung", server.uri)
    wait_for(command.has_shown_its_table)
    took = command.seconds_to_end()
    print(f"hung: the command ended {took:.1f} s after its table")
    server.start()
    assert took < MOST_SECONDS
    (line,) = [line for line in command.words.splitlines() if line.startswith("tracking:")]
    assert line.endswith("they are kept: the same command sends them")
    assert "could not be sent to http://127.0.0.1" in line
    command.sweep.rerun(server.uri)
    command.sweep.check(server)


@pytest.mark.long
def test_ctrl_c_ends_the_sending_to_a_server_that_hangs(server, tmp_path):
    server.start()
    server.freeze()
    command = Command(tmp_path, "stopped", server.uri)
    wait_for(command.has_shown_its_table)
    time.sleep(1)
    command.interrupt()
    took = command.seconds_to_end()
    print(f"Ctrl-C: the command ended {took:.1f} s later")
    server.start()
    assert took < 10
    assert "they are kept: the same command sends them" in command.words


def test_no_password_is_printed_or_kept(server, tmp_path):
    server.start()
    command = Command(tmp_path, "secret", server.uri.replace("://", f"://me:{SECRET}@"))
    command.seconds_to_end()
    assert "tracking:" not in command.words
    assert "http://***@127.0.0.1" in command.words  # how to look
    command.sweep.check(server)
    kept = [Path(server.database.partition(":///")[2]), *server.files.rglob("*")]
    kept += (path for path in tmp_path.rglob("*") if path.name != "space.yaml")
    holders = [p for p in kept if p.is_file() and SECRET.encode() in p.read_bytes()]
    assert holders == []
    assert not [path for path in kept if SECRET in str(path)]


def test_a_page_of_another_name_reads_nothing(server):
    """A browser's page whose host was made to point here (DNS rebinding)."""
    server.start()
    page = f"{server.uri}/api/2.0/mlflow/experiments/search?max_results=1"
    with urllib.request.urlopen(page) as answer:
        assert answer.status == HTTPStatus.OK
    rebound = urllib.request.Request(page, headers={"Host": "rebound.example"})
    with pytest.raises(urllib.error.HTTPError, match=f"{HTTPStatus.FORBIDDEN}"):
        urllib.request.urlopen(rebound)
