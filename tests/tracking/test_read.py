"""A sweep's folder, MLflow and an exported file give one frame; what is not there is said in one
line."""

import pytest
import small_sweep
from small_sweep import diverge, fail, finish, folder_of, mirror_all, open_mirror, sweep, train

from analysis import sources
from analysis.frame import tidy, write_parquet
from analysis.question import Question
from sid_sweep.tracking import fetch_student, read_sweep, run_ids
from sid_sweep.tracking.client import connect
from sid_sweep.trials.rows import rows_of


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A sweep with a trial of every outcome, in its folder and in MLflow: (root, folder, uri)."""
    monkeypatch.chdir(tmp_path)
    asked = sweep(seeds=(0, 1, 2))
    folder, uri = folder_of(asked, tmp_path), small_sweep.store_in(tmp_path)
    one, two, three, four, five, _ = folder.entries(asked)
    finish(one, 0, 100, 200)
    diverge(two, 0, 100, at=150)  # beyond its last evaluation
    fail(three, 0)
    train(four, 0, 100)  # still running
    fail(five)  # before any evaluation; the sixth has not begun
    mirror_all(open_mirror(asked, folder, uri), folder)
    return tmp_path, folder, uri


def test_mlflow_gives_bitwise_the_rows_of_the_folder(place):
    _, folder, uri = place
    asked = folder.sweep()
    expected = rows_of(asked.sweep, folder.entries(asked), run_ids(folder))
    found, outline = read_sweep("small", tracking_uri=uri)
    assert found == expected
    assert outline == asked.outline()
    assert {row["outcome"] for row in found} == {"finished", "diverged", "failed", "running"}
    assert all(row["run_id"] for row in found)


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
    found[0]["metric.sw2_ratio"] *= 1 + 1e-15
    assert not tidy(found, question).equals(frame)


def test_a_missing_database_is_said_and_not_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/absent.db"
    with pytest.raises(LookupError, match=r"no sweep 'small': there is no .*absent\.db") as caught:
        read_sweep("small", tracking_uri=uri)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


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
