"""The schema: what is refused, what is kept, and Parquet there and back."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lambda_sweep import frame, question, rows, run_rows, sweep_of

from analysis.frame import SCHEMA_KEY, read_parquet, tidy, write_parquet
from analysis.question import SCHEMA_VERSION, Question
from sid_sweep.trials.rows import COLUMNS


def changed(index, **values):
    """The rows with one of them changed."""
    found = rows()
    found[index] = {**found[index], **values}
    return found


def test_types_and_order():
    data = frame()
    assert list(data)[: len(COLUMNS)] == list(COLUMNS)
    assert data["images"].dtype == "int64"
    assert data["final"].dtype == "bool"
    assert data[["arm", "seed", "images"]].apply(tuple, axis=1).is_monotonic_increasing


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ([], "sweep lambda has no trials yet"),
        (changed(0, outcome="finnished"), "unknown outcome 'finnished'"),
        (changed(0, sweep="other"), "of sweep other, the question of lambda"),
        (changed(0, images=400_000), "arm 0, seed 0 has two rows at 400,000 images"),
        (changed(0, images=1.5), "column images holds a value that is no int64"),
        (changed(0, seconds="soon"), "column seconds holds a value that is no float64"),
        (changed(0, final="no"), "column final holds a value that is no bool"),
        (changed(1, final=False), "arm 0, seed 0: its last row alone must be final"),
        (changed(0, final=True), "arm 0, seed 0: its last row alone must be final"),
        (changed(0, outcome="running"), "arm 0, seed 0 has several outcomes"),
        (changed(0, **{"param.loss.lambda": 9.0}), "arm 0 has several values of loss.lambda"),
    ],
)
def test_broken_rows_are_refused_in_one_line(broken, message):
    with pytest.raises(ValueError, match=message) as refused:
        tidy(broken, question())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(column):
    with pytest.raises(ValueError, match=f"lack the column {column}$"):
        tidy(pd.DataFrame(rows()).drop(columns=column), question())


def test_a_metric_that_no_run_has_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"no trial has the metric fid \(there are: modes, js\)"):
        tidy(rows(), question(metric="fid"))


def test_a_sweep_without_its_scientific_knob_is_refused():
    with pytest.raises(ValueError, match=r"lack every scientific knob \(param.noise.sigma\)"):
        tidy(rows(), question(scientific=["noise.sigma"]))


def test_a_run_without_an_evaluation_is_a_row():
    start = {"images": 0, "seconds": 0.0, "final": True, "outcome": "failed"}
    bare = {k: v for k, v in rows()[0].items() if not k.startswith("metric.")}
    data = tidy([{**bare, **start}], question())
    assert len(data) == 1
    assert data["metric.js"].isna().all()


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([64, 128], [64, 128]),
        ([0, 0.5], [0.0, 0.5]),
        ([True, False], [True, False]),
        (["edm", "power"], ["edm", "power"]),
        (["auto", 0.5], ["auto", "0.5"]),
        ([True, "auto"], ["true", "auto"]),
    ],
)
def test_the_types_of_knobs(values, kept, tmp_path):
    asked = question(domains={}, baseline={})
    data = [
        row
        for arm, value in enumerate(values)
        for row in run_rows(arm, 0, {"loss.lambda": value}, final=1.0)
    ]
    write_parquet(tidy(data, asked), asked, tmp_path / "runs.parquet")
    for found in (tidy(data, asked), read_parquet(tmp_path / "runs.parquet")[0]):
        column = found[found["final"]]["param.loss.lambda"].tolist()
        assert column == kept
        assert list(map(type, column)) == list(map(type, kept))


def test_parquet_there_and_back(tmp_path):
    write_parquet(frame(), question(), tmp_path / "runs.parquet")
    data, asked = read_parquet(tmp_path / "runs.parquet")
    pd.testing.assert_frame_equal(data, frame())
    assert asked == question()


def test_a_knob_that_some_arms_lack_survives_parquet(tmp_path):
    data = sweep_of({0.5: (1.0,)}) + run_rows(1, 0, {"loss.kind": "naive"}, final=1.0)
    asked = question(nuisance=["loss.kind"])
    write_parquet(tidy(data, asked), asked, tmp_path / "runs.parquet")
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "runs.parquet")[0], tidy(data, asked))


def test_parquet_bytes_do_not_depend_on_the_order_of_rows(tmp_path):
    for name, data in (("a", rows()), ("b", rows()[::-1])):
        write_parquet(tidy(data, question()), question(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_no_file_a_foreign_file_and_a_foreign_table_are_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no such file"):
        read_parquet(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("not at all")
    with pytest.raises(ValueError, match="it is no Parquet file"):
        read_parquet(tmp_path / "text.parquet")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="holds no trials of a sweep"):
        read_parquet(tmp_path / "x.parquet")


def test_a_newer_version_is_refused_even_with_unknown_fields(tmp_path):
    record = json.loads(question().to_json()) | {"version": SCHEMA_VERSION + 1, "equivalence": 0.01}
    table = pa.table({"x": [1]}).replace_schema_metadata({SCHEMA_KEY: json.dumps(record)})
    pq.write_table(table, tmp_path / "new.parquet")
    with pytest.raises(ValueError, match=f"and this program reads {SCHEMA_VERSION}"):
        read_parquet(tmp_path / "new.parquet")


def test_a_question_knows_its_fields():
    record = json.loads(question().to_json())
    assert Question.from_outline(record) == question()
    with pytest.raises(ValueError, match="no field goals"):
        Question.from_outline(record | {"goals": "minimize"})
    with pytest.raises(ValueError, match="lacks metric"):
        Question.from_outline({k: v for k, v in record.items() if k != "metric"})
    with pytest.raises(ValueError, match="one of minimize, maximize"):
        question(goal="min")
    with pytest.raises(ValueError, match="at least one scientific knob"):
        question(scientific=[])


def test_columns_are_optional():
    record = json.loads(question().to_json())
    assert Question.from_outline({k: v for k, v in record.items() if k != "columns"}).columns == ()
