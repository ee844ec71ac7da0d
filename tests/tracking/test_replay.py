"""Wherever the command dies, and whichever answer of the store is lost: after the same command
MLflow holds what it holds after an undisturbed run, in full."""

import json
import re
import shutil
from contextlib import suppress
from pathlib import Path
from statistics import geometric_mean

import pytest
import small_sweep
from small_sweep import count, diverge, finish, open_mirror, query, train

from sid_sweep.tracking import showcase, track
from sid_sweep.tracking.client import connect
from sid_sweep.tracking.identity import identity
from sid_sweep.tracking.mlflow_mirror import MlflowMirror, cursor_of
from sid_sweep.tracking.store import TAG

WRITES = {
    "create_experiment",
    "create_run",
    "delete_run",
    "log_artifact",
    "log_batch",
    "log_dict",
    "log_text",
    "restore_run",
    "set_experiment_tag",
    "set_terminated",
    "update_run",
}
RUN = re.compile(r"(?<=run_uuid=)[0-9a-f]{32}|^[0-9a-f]{32}$")  # in a tag, the id of a run


class Killed(BaseException):
    """The process dies here."""


class Client:
    """A client whose Nth write ends in an error, before or after it has taken effect."""

    def __init__(self, uri, *, at=0, after=False, error=Killed):
        self.writes = []
        self._client = connect(uri)
        self._at, self._after, self._error = at, after, error

    def __getattr__(self, name):
        member = getattr(self._client, name)
        if name not in WRITES:
            return member

        def write(*args, **options):
            self.writes.append(name)
            fails = len(self.writes) == self._at
            if fails and not self._after:
                raise self._error("before it took effect")
            found = member(*args, **options)
            if fails:
                raise self._error("its answer is lost")
            return found

        return write


class Place:
    """The folder of a sweep that has ended, two seeds of an arm, and stores that it is sent to."""

    def __init__(self, root, *, seeds=(0, 1)):
        self.root, self._stores = root, 0
        self.ask(seeds)
        finish(self.entries[0], 0, 100)
        diverge(self.entries[1], 0, at=30)

    def ask(self, seeds):
        """Ask for these seeds from now on."""
        self.sweep = small_sweep.sweep(seeds=seeds, scientific={"loss.lambda": {"choice": [0.5]}})
        self.folder = small_sweep.folder_of(self.sweep, self.root)
        self.entries = self.folder.entries(self.sweep)

    def new_store(self):
        """The URI of an empty one, to which nothing was sent."""
        self._stores += 1
        path = self.root / f"{self._stores}.db"
        path.write_bytes(small_sweep.empty_database())
        return f"sqlite:///{path}"

    def cursor(self, uri):
        return cursor_of(self.folder, uri)

    def send(self, client, uri):
        """All that has happened, as the tracker does: what raises an error is tried again."""
        own = {"identity": identity(self.folder), "uri": uri}
        mirror = again(lambda: MlflowMirror(client, self.sweep, self.cursor(uri), **own))
        for entry in self.entries:
            again(lambda entry=entry: mirror.show(entry))
        for entry in self.entries:
            again(lambda entry=entry: mirror.end(entry, entry.folder.standing()))
        again(lambda: mirror.conclude("a table", failed=False))
        return client


def again(do):
    for _ in range(3):
        with suppress(ConnectionError):
            return do()
    raise AssertionError("it fails for ever")


def content(uri):
    """All that a store holds of a sweep, with keys in the place of random ids."""
    owned = f"run_uuid in (select run_uuid from tags where key = '{TAG}identity' and value <> '')"
    keys = dict(query(uri, f"select run_uuid, value from tags where key = '{TAG}key' and {owned}"))
    assert len(keys) == len(set(keys.values())), "a run stands twice"

    def rows(statement):
        found = query(uri, f"{statement} where {owned}")
        return sorted((keys[run_id], *own) for run_id, *own in found)

    tags = rows("select run_uuid, key, value from tags")
    places = query(uri, f"select run_uuid, artifact_uri from runs where {owned}")
    return {
        "runs": rows("select run_uuid, name, status, lifecycle_stage from runs"),
        "params": rows("select run_uuid, key, value from params"),
        "tags": [(own, key, RUN.sub(lambda m: keys.get(m[0], m[0]), v)) for own, key, v in tags],
        "metrics": rows("select run_uuid, key, step, value, timestamp from metrics"),
        "latest": rows("select run_uuid, key, step, value, timestamp from latest_metrics"),
        "files": {keys[run_id]: files(Path(place)) for run_id, place in places},
    }


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr(showcase, "provenance", dict)  # a tree that somebody edits has others
        yield Place(root)


@pytest.fixture(scope="module")
def undisturbed(place):
    """What a store holds then, and the writes that it took."""
    uri = place.new_store()
    writes = place.send(Client(uri), uri).writes
    return content(uri), writes


def moments(writes, *, every):
    """The numbers of the first write of each kind, and of every so manyth."""
    chosen = {writes.index(name) for name in writes} | set(range(0, len(writes), every))
    return [number + 1 for number in sorted(chosen)]


def check_each(place, undisturbed, *, every, error):
    """Fail at each of these moments, run again, and compare."""
    expected, writes = undisturbed
    for at in moments(writes, every=every):
        for after in (False, True):
            uri = place.new_store()
            with suppress(Killed):
                place.send(Client(uri, at=at, after=after, error=error), uri)
            place.send(Client(uri), uri)
            moment = f"{'after' if after else 'before'} write {at}, {writes[at - 1]}"
            check(uri, expected, moment)


def check(uri, expected, moment):
    for kind, values in content(uri).items():
        assert values == expected[kind], f"{kind} differ: {moment}"


def every_so_manyth(num):
    """In the fast tests; each in the long ones."""
    return pytest.mark.parametrize("every", [num, pytest.param(1, marks=pytest.mark.long)])


@every_so_manyth(61)
def test_after_a_kill_at_any_write_all_is_there_once(place, undisturbed, every):
    check_each(place, undisturbed, every=every, error=Killed)


@every_so_manyth(61)
def test_a_write_that_fails_once_is_made_once(place, undisturbed, every):
    check_each(place, undisturbed, every=every, error=ConnectionError)


@every_so_manyth(31)
def test_after_kills_one_after_another_all_is_there_once(place, undisturbed, every):
    expected, _ = undisturbed
    uri, at, kills = place.new_store(), 1, 0
    while True:
        try:
            place.send(Client(uri, at=at, after=at % 2 == 0), uri)
            break
        except Killed:
            at, kills = at + every, kills + 1
    assert kills >= 2
    check(uri, expected, f"after {kills} kills")


@every_so_manyth(31)
def test_notes_that_were_lost_send_nothing_twice(place, undisturbed, every):
    """A power cut loses the last ones, a person all of them."""
    expected, _ = undisturbed
    uri = place.new_store()
    place.send(Client(uri), uri)
    path = place.cursor(uri).path
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) > 10
    for kept in range(0, len(lines), every):
        path.write_bytes(b"".join(lines[:kept]))
        place.send(Client(uri), uri)
        check(uri, expected, f"with {kept} of {len(lines)} notes")


# ---- whose runs they are


def copy_of(place, root):
    """The same sweep elsewhere, without notes of what was sent."""
    own = Place(root)
    shutil.rmtree(own.folder.path)
    shutil.copytree(place.folder.path, own.folder.path)
    for path in own.folder.cursors():
        path.unlink()
    return own


def test_a_folder_that_was_copied_is_the_same_sweep(place, undisturbed, tmp_path):
    expected, _ = undisturbed
    uri = place.new_store()
    place.send(Client(uri), uri)
    copy_of(place, tmp_path).send(Client(uri), uri)
    check(uri, expected, "from another place")


def test_another_folder_is_another_sweep(place, tmp_path):
    uri = place.new_store()
    place.send(Client(uri), uri)
    runs = count(uri, "runs")
    Place(tmp_path).send(Client(uri), uri)
    assert count(uri, "runs") == 2 * runs


def test_an_identity_that_is_lost_or_damaged_stands_in_the_notes(place, tmp_path):
    own, uri = Place(tmp_path), place.new_store()
    own.send(Client(uri), uri)
    path, before = own.folder.path / "identity.json", identity(own.folder)
    path.unlink()
    assert identity(own.folder) == before
    path.write_bytes(b"\x00[")
    assert identity(own.folder) == before
    assert json.loads(path.read_text())["identity"] == before


def test_notes_that_somebody_damaged_are_set_aside_and_said(place, undisturbed):
    expected, _ = undisturbed
    uri = place.new_store()
    place.send(Client(uri), uri)
    path = place.cursor(uri).path
    with path.open("ab") as file:
        file.write(b'{"a": 1}\n')
    with track(place.sweep, place.folder, uri=uri) as tracker:
        for entry in place.entries:
            tracker.ended(entry, entry.folder.standing())
        tracker.concluded("a table", failed=False)
        tracker.drain()
    assert tracker.unsent == 0
    aside = path.with_name(f"{path.name}.damaged")
    assert tracker.remarks == [f"{path} was damaged; it was set aside as {aside.name}"]
    assert aside.read_bytes().endswith(b'{"a": 1}\n')
    check(uri, expected, "after damaged notes")
    aside.unlink()


# ---- what a hanging server does late


class Late(Client):
    """Nobody waits for the first answer to a request for a run; it is carried out before the
    second."""

    def __init__(self, uri):
        super().__init__(uri)
        self._asked = set()

    def create_run(self, *args, **options):
        key = options["tags"][f"{TAG}key"]
        if key not in self._asked:
            self._asked.add(key)
            raise ConnectionError("it answers too slowly")
        self._client.create_run(*args, **options)
        return self._client.create_run(*args, **options)


def test_runs_that_were_made_twice_stand_once(place, undisturbed):
    expected, _ = undisturbed
    uri = place.new_store()
    place.send(Late(uri), uri)
    assert count(uri, "runs") == 2 * len(expected["runs"])
    check(uri, expected, "where each run was made twice")


# ---- a trial that goes on from a checkpoint


@pytest.mark.parametrize("noted", [True, False])
def test_what_is_measured_again_at_another_time_is_one_point(place, tmp_path, noted):
    own = Place(tmp_path)
    entry, uri = own.entries[0], place.new_store()
    entry.folder.ending.unlink()
    train(entry, 0, 100, 200)
    open_mirror(own.sweep, own.folder, uri).show(entry)
    if not noted:
        own.cursor(uri).clear()
    train(entry, 100, 200, 300, after=0, later_ms=60_000)
    mirror = open_mirror(own.sweep, own.folder, uri)
    mirror.show(entry)
    finish(entry, 0, 100, 200, 300)
    mirror.end(entry, entry.folder.standing())
    steps = query(uri, "select step from metrics where key = 'js' order by step")
    assert steps == [0, 100, 200, 300]
    pictures = {name for name in content(uri)["files"]["0/0"] if name.endswith(".png")}
    assert len(pictures) == 4


def test_a_mean_is_shown_as_it_last_was_and_stands_once(place, tmp_path):
    """A seed that is added may have ended as early as the others: its folder was there already."""
    own, uri = Place(tmp_path, seeds=(3, 4)), place.new_store()
    finish(own.entries[1], 0, 100)
    own.send(Client(uri), uri)
    own.ask((3, 4, 0))
    finish(own.entries[2], 0, 100)
    mean = geometric_mean(entry.folder.result().metrics["js"] for entry in own.entries)
    for _ in range(3):
        own.cursor(uri).clear()
        own.send(Client(uri), uri)
        of_arm = [row for row in content(uri)["metrics"] if row[:2] == ("arm 0", "js")]
        assert len(of_arm) == 4  # two at each of two numbers of images
        (shown,) = [row for row in content(uri)["latest"] if row[:2] == ("arm 0", "js")]
        assert shown[3] == mean
