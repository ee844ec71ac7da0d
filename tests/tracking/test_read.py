"""A sweep's folder, MLflow and an exported file give one frame; what is not there is said in one
line."""

import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import small_sweep
from row_wise import row_wise
from small_sweep import diverge, fail, finish, folder_of, mirror_all, open_mirror, sweep, train

from analysis import sources
from analysis.frame import tidy, write_parquet
from analysis.question import Question
from sid_sweep.files import read_json, write_json
from sid_sweep.tracking import fetch_student, fetch_trial, read, read_sweep, run_ids
from sid_sweep.tracking.client import connect
from sid_sweep.trials.host import this_host
from sid_sweep.trials.rows import rows_of


@pytest.fixture(scope="module")
def _kept(tmp_path_factory):
    """One place for all tests that only read."""
    root = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        return root, *every_outcome(root)


@pytest.fixture
def place(_kept, monkeypatch):
    """A sweep with a trial of every outcome, in its folder and in MLflow: (root, folder, uri)."""
    monkeypatch.chdir(_kept[0])
    return _kept


@pytest.fixture
def own_place(tmp_path, monkeypatch):
    """The same, to go on from."""
    monkeypatch.chdir(tmp_path)
    return tmp_path, *every_outcome(tmp_path)


def every_outcome(root):
    """The folder and the URI of a sweep with a trial of every outcome, mirrored."""
    asked = sweep(seeds=(0, 1, 2, 3))
    folder, uri = folder_of(asked, root), small_sweep.store_in(root)
    one, two, three, four, five, six, seven, _ = folder.entries(asked)
    finish(one, 0, 100, 200)
    diverge(two, 0, 100, at=150)  # beyond its last evaluation
    fail(three, 0)
    train(four, 0, 100)  # still running
    fail(five)  # before any evaluation
    diverge(six, at=30)  # likewise
    seven.folder.write_failure("its process died", traceback="")  # the last has not begun
    mirror = open_mirror(asked, folder, uri)
    mirror.show(six)  # whoever begins first is not the first to be read
    mirror_all(mirror, folder)
    return folder, uri


def folder_rows(folder):
    """What the folder says."""
    asked = folder.sweep()
    return row_wise(rows_of(asked.sweep, folder.entries(asked), run_ids(folder)))


def tracked_rows(uri):
    """What MLflow says."""
    return row_wise(read_sweep("small", tracking_uri=uri)[0])


def mirrored_again(folder, uri):
    """What MLflow says after another run of the sweep."""
    mirror_all(open_mirror(folder.sweep(), folder, uri), folder)
    return tracked_rows(uri)


def test_mlflow_gives_bitwise_the_rows_of_the_folder(place):
    _, folder, uri = place
    found, outline = read_sweep("small", tracking_uri=uri)
    assert row_wise(found) == folder_rows(folder)
    assert outline == folder.sweep().outline()
    assert set(found["outcome"]) == {"finished", "diverged", "failed", "running"}
    lost = [row for row in row_wise(found) if (row["arm"], row["seed"]) == (0, 1)][-1]
    assert (lost["images"], lost["final"], lost["cause"]) == (150, True, small_sweep.CAUSE)
    assert "metric.js" not in lost
    assert all(found["run_id"])


def test_an_attempt_that_came_less_far_replaces_the_one_before(own_place):
    _, folder, uri = own_place
    *_, failed = (e for e in folder.entries(folder.sweep()) if e.folder.failure.exists())
    fail(failed, 0, 100, 200)
    assert mirrored_again(folder, uri) == folder_rows(folder)
    fail(failed, 0, 100)
    assert mirrored_again(folder, uri) == folder_rows(folder)


def test_a_trial_that_goes_on_is_read_as_it_stands(own_place):
    _, folder, uri = own_place
    entries = folder.entries(folder.sweep())
    (running,) = (e for e in entries if e.folder.standing().outcome == "running" and e.number == 0)
    train(running, 200, after=100)
    assert mirrored_again(folder, uri) == folder_rows(folder)
    finish(running, 0, 100, 200)
    finish(entries[2], 0, 100)  # which had failed
    assert mirrored_again(folder, uri) == folder_rows(folder)


def test_a_sweep_whose_files_are_late_can_be_read(own_place):
    root, folder, uri = own_place
    asked = folder.sweep()
    mirror, late = open_mirror(asked, folder, uri), folder.entries(asked)[-1]
    train(late)
    mirror.show(late)
    late.folder.append(small_sweep.measurement(late, 0))
    (root / "mlruns").rename(root / "away")
    (root / "mlruns").touch()  # no place for files
    with pytest.raises(OSError, match="Not a directory"):
        mirror.show(late)
    (root / "mlruns").unlink()
    (root / "away").rename(root / "mlruns")
    found, _ = read_sweep("small", tracking_uri=uri)
    assert set(zip(found["arm"], found["seed"], strict=True)) >= {(0, 0), (0, 1), (0, 2)}


def test_a_kill_while_a_run_is_made_doubles_no_row(own_place):
    _, folder, uri = own_place
    asked = folder.sweep()
    mirror, late = open_mirror(asked, folder, uri), folder.entries(asked)[-1]
    (path,) = folder.cursors()
    before = path.read_bytes()
    train(late, 0)
    mirror.show(late)
    path.write_bytes(before)
    assert mirrored_again(folder, uri) == folder_rows(folder)


def test_a_trial_that_was_handed_out_and_not_begun_has_no_row(own_place):
    _, folder, uri = own_place
    asked = folder.sweep()
    mirror, handed = open_mirror(asked, folder, uri), folder.entries(asked)[-1]
    mirror.show(handed)
    mirror.interrupt()
    assert tracked_rows(uri) == folder_rows(folder)


def test_a_sweep_of_more_than_a_page_is_read_whole(place, monkeypatch):
    _, folder, uri = place
    monkeypatch.setattr(read, "PAGE", 2)
    assert tracked_rows(uri) == folder_rows(folder)


def test_a_folder_whose_sweep_has_a_place_for_a_name_is_refused(own_place):
    _, folder, _ = own_place
    write_json(folder.record, read_json(folder.record) | {"sweep": "../../small"})
    with pytest.raises(ValueError, match=r"sweep\.json: sweep: String should match") as caught:
        sources.find("small")
    assert "\n" not in str(caught.value)


def test_a_question_in_mlflow_that_has_a_place_for_a_name_is_refused(own_place):
    _, folder, uri = own_place
    run_id = connect(uri).search_runs(["1"], "tags.`sid_sweep.level` = 'sweep'")[0].info.run_id
    outline = folder.sweep().outline() | {"sweep": "../../small"}
    connect(uri).log_dict(run_id, outline, "question.json")
    with pytest.raises(ValueError, match="is no name of a sweep"):
        sources.find("small", tracking_uri=uri)


def test_of_two_sweeps_of_one_name_the_newest_is_read(own_place):
    root, folder, uri = own_place
    other = folder_of(folder.sweep(), root / "other")
    finish(other.entries(other.sweep())[0], 0, 300)
    assert mirrored_again(other, uri) == folder_rows(other)


def test_all_three_sources_give_one_frame(place):
    root, folder, uri = place
    frame, question = sources.find("small")  # the folder, since there is one
    assert Question.from_outline(folder.sweep().outline()) == question
    tracked = sources.find("small", tracking_uri=uri)
    export = root / "reports" / "small" / sources.EXPORT
    export.parent.mkdir(parents=True)
    write_parquet(frame, question, export)
    exported = sources.find("small", storage=root / "elsewhere")
    for other in (tracked, exported):
        assert other.question == question
        assert other.frame.equals(frame)
        assert list(other.frame.dtypes) == list(frame.dtypes)


def test_a_changed_measurement_is_noticed(place):
    """The companion: the frames above are compared by their values."""
    _, folder, uri = place
    frame, question = sources.from_folder(folder)
    found, _ = read_sweep("small", tracking_uri=uri)
    found["metric.js"][0] *= 1 + 1e-15
    assert not tidy(found, question).equals(frame)


def test_a_server_that_is_down_is_said_in_one_line_without_its_password():
    with pytest.raises(LookupError, match=r"^http://\*\*\*@127.0.0.1:9 cannot be read") as caught:
        read_sweep("small", tracking_uri="http://me:hunter2@127.0.0.1:9")
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def empty_file(path):
    path.touch()


def text_file(path):
    path.write_text("words " * 100)


def foreign_database(path):
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("create table experiments (name)")


def broken_database(path):
    whole = small_sweep.empty_database()
    path.write_bytes(whole[:4096] + whole[8192:])


NO_STORES = {
    "sqlite:///{}/absent.db": (None, r"there is no .*absent\.db; run the sweep in this folder"),
    "sqlite:///{}/no/folder/absent.db": (None, r"there is no .*/no/folder/absent\.db"),
    "sqlite+pysqlite:///{}/absent.db": (None, r"there is no .*absent\.db"),
    "sqlite:///{}/empty.db": (empty_file, r"empty\.db is a database, but not MLflow's"),
    "sqlite:///{}/notes.txt": (text_file, r"notes\.txt is no database"),
    "sqlite:///{}/foreign.db": (foreign_database, r"foreign\.db is a database, but not MLflow's"),
    "sqlite:///{}/broken.db": (broken_database, r"broken\.db is no database, or a broken one"),
    "sqlite:///{}/folder.db": (Path.mkdir, r"folder\.db is a folder"),
    "sqlite://": (None, "names no file; name a database"),
    "sqlite:///:memory:": (None, "names no file"),
    "foo://": (None, "foo:// is no store that MLflow can read; name a database, such as sqlite"),
    "nonsense://me:hunter2@host/db": (None, r"nonsense://\*\*\*@host/db is no store"),
    "./mlruns": (None, r"\./mlruns is no store"),
    "file:mlruns": (None, "file:mlruns is no store"),
    "": (None, "a URI of nothing is no store"),
    " ": (None, "a URI of nothing is no store"),
    "http://": (None, "http:// names no server"),
    "http://no such host": (None, "names no server"),
    "http://[1": (None, "names no server"),
    "http://127.0.0.1:9": (None, "no server answers there"),
}


@pytest.mark.parametrize("ask", [read_sweep, fetch_student, fetch_trial])
@pytest.mark.parametrize("uri", NO_STORES)
def test_what_is_no_store_is_said_in_one_line_and_nothing_is_made(tmp_path, monkeypatch, ask, uri):
    monkeypatch.chdir(tmp_path)
    make, message = NO_STORES[uri]
    if make is not None:
        make(tmp_path / uri.rpartition("/")[2])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    wanted = "small" if ask is read_sweep else "0" * 32
    with pytest.raises(LookupError, match=message) as caught:
        ask(wanted, tracking_uri=uri.format(tmp_path))
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_the_default_store_is_not_made_by_reading(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LookupError, match=r"no sweep 'small': there is no .*mlflow\.db"):
        read_sweep("small")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", range(4))
def test_a_database_with_flipped_bits_gives_the_same_rows_or_one_line(own_place, seed):
    root, folder, _ = own_place
    draw, content = random.Random(seed), bytearray((root / small_sweep.DATABASE).read_bytes())
    for _ in range(50):
        content[draw.randrange(100, len(content))] ^= 1 << draw.randrange(8)
    path = root / f"flipped{seed}.db"
    path.write_bytes(content)
    lines = []
    try:
        found = tracked_rows(f"sqlite:///{path}")
    except LookupError as error:
        lines = str(error).splitlines()
    else:
        assert found == folder_rows(folder)
    assert len(lines) <= 1


@pytest.mark.parametrize("name", ["../small", "a/b", "..", "", "Small", "small\n"])
def test_a_name_that_could_be_a_place_is_refused(place, name):
    _, _, uri = place
    with pytest.raises(ValueError, match="is no name of a sweep: only a-z") as caught:
        read_sweep(name, tracking_uri=uri)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="is no name of a sweep: only a-z"):
        sources.find(name)


def test_a_name_that_is_not_there_names_those_that_are(place):
    _, _, uri = place
    with pytest.raises(LookupError, match=r"no sweep 'smal' in .*; there are small"):
        read_sweep("smal", tracking_uri=uri)
    with pytest.raises(ValueError, match=r"no sweep 'smal': .*; there are small; name its place"):
        sources.find("smal")


def test_an_experiment_that_is_not_ours_is_no_sweep(place):
    _, _, uri = place
    connect(uri).create_experiment("theirs")
    with pytest.raises(LookupError, match="holds no sweep of sid_sweep"):
        read_sweep("theirs", tracking_uri=uri)


def test_a_student_is_fetched_from_its_run(place):
    _, folder, uri = place
    run_id = run_ids(folder)["0/0"]
    (first, *_) = folder.entries(folder.sweep())
    copied = fetch_student(run_id, tracking_uri=uri)
    assert copied.read_bytes() == first.folder.student.read_bytes()
    with pytest.raises(LookupError, match="name a seed's finished run"):
        fetch_student(run_ids(folder)["0/1"], tracking_uri=uri)


def test_a_trial_is_fetched_from_its_run_as_its_folder_has_it(own_place):
    _, folder, uri = own_place
    asked = folder.sweep()
    entries = folder.entries(asked)
    entries[-1].folder.write_host(this_host(device="cpu", workers=1, threads=2))
    finish(entries[-1], 0, 100)
    mirror_all(open_mirror(asked, folder, uri), folder)
    for key, entry in (("0/0", entries[0]), ("0/1", entries[1]), ("1/3", entries[-1])):
        own = fetch_trial(run_ids(folder)[key], tracking_uri=uri)
        assert own.path.name == entry.folder.path.name
        assert own.values() == entry.folder.values()
        assert own.measurements() == entry.folder.measurements()
        assert own.host() == entry.folder.host()
        assert replace(own.standing(), metrics={}) == replace(entry.folder.standing(), metrics={})
    assert own.host().threads == 2


def test_a_run_that_is_no_trials_is_refused(place):
    _, _, uri = place
    client = connect(uri)
    parent = client.get_experiment_by_name("small").experiment_id
    (run,) = client.search_runs([parent], "tags.`sid_sweep.level` = 'sweep'")
    with pytest.raises(LookupError, match="is no trial; name a seed's run"):
        fetch_trial(run.info.run_id, tracking_uri=uri)
    with pytest.raises(LookupError, match=r"cannot be read: Run with id=0+ not found"):
        fetch_trial("0" * 32, tracking_uri=uri)


@pytest.mark.parametrize("digest", ["../../../etc", "", "0" * 11])
def test_a_trial_whose_digest_could_be_a_place_is_refused(own_place, digest):
    _, folder, uri = own_place
    run_id = run_ids(folder)["0/0"]
    connect(uri).set_tag(run_id, "sid_sweep.trial", digest)
    with pytest.raises(LookupError, match="is no digest of a trial"):
        fetch_trial(run_id, tracking_uri=uri)
