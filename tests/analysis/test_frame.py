"""The schema: what is refused, what is kept, and Parquet there and back."""

import json
import random
from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lambda_sweep import frame, question, rows, run_rows, sweep_of

from analysis.frame import (
    DIGEST_KEY,
    SCHEMA_KEY,
    content_digest,
    read_parquet,
    tidy,
    write_parquet,
)
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
    with pytest.raises(ValueError, match=r"no trial has the metric fid \(there are: js, modes\)"):
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


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """An exported file, frame and question that it holds."""
    path = tmp_path_factory.mktemp("exported") / "runs.parquet"
    write_parquet(frame(), question(), path)
    return path, frame(), question()


def test_a_flipped_bit_is_refused_in_one_line_or_changes_nothing(exported, tmp_path):
    source, data, asked = exported
    content, path = source.read_bytes(), tmp_path / "flipped.parquet"
    draw, refusals = random.Random(0), []
    for _ in range(300):
        place = draw.randrange(8 * len(content))
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            found, question_found = read_parquet(path)
        except ValueError as error:
            refusals.append(str(error))
        else:
            assert question_found == asked
            pd.testing.assert_frame_equal(found, data, check_exact=True)
    assert len(refusals) > 150
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in refusals)


def test_a_page_whose_bits_flipped_is_seen_by_its_checksum(exported, tmp_path):
    """Without a digest, too: the companion for the data alone."""
    source, _, _ = exported
    chunk = pq.ParquetFile(source).metadata.row_group(0).column(0)
    content = bytearray(source.read_bytes())
    content[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 1
    (tmp_path / "flipped.parquet").write_bytes(content)
    with pytest.raises(ValueError, match="it is no Parquet file or it is damaged"):
        read_parquet(tmp_path / "flipped.parquet")


@pytest.mark.parametrize("change", ["a value", "the question", "no digest"])
def test_what_was_changed_after_it_was_written_is_refused(exported, tmp_path, change):
    """With sound checksums, as another program would write it."""
    source, data, asked = exported
    table = pq.ParquetFile(source).read()
    metadata = dict(table.schema.metadata)
    if change == "a value":
        worse = data.assign(**{"metric.js": data["metric.js"] * (1 + 1e-15)})
        table = pa.Table.from_pandas(worse, preserve_index=False)
    elif change == "the question":
        metadata[SCHEMA_KEY] = replace(asked, question="Which is best?").to_json().encode()
    else:
        del metadata[DIGEST_KEY]
    path = tmp_path / "changed.parquet"
    pq.write_table(table.replace_schema_metadata(metadata), path)
    with pytest.raises(ValueError, match="is not as it was written"):
        read_parquet(path)


def test_the_digest_is_of_every_value_name_and_type():
    data, text = frame(), question().to_json()
    own = content_digest(data, text)
    assert own == content_digest(data.copy(), text)
    final = ~data["final"]
    others = [
        data.rename(columns={"metric.modes": "metric.mode"}),
        data.assign(final=final),
        data.assign(final=data["final"].astype("int64")),
        data.assign(cause=data["cause"].where(data.index > 0, "x")),
        data.iloc[::-1],
        data[[*data.columns[1:], data.columns[0]]],
    ]
    assert (
        len({own, content_digest(data, text + " "), *(content_digest(o, text) for o in others)})
        == 8
    )


@pytest.mark.parametrize("name", ["../lambda", "..", "a/b", "", "Lambda", "x" * 65])
def test_a_sweep_whose_name_could_be_a_place_is_refused(name):
    data = [{**row, "sweep": name} for row in rows()]
    with pytest.raises(ValueError, match="is no name of a sweep: only a-z") as refused:
        tidy(data, question(sweep=name))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["../fid", "/fid", "fi\nd"])
def test_a_metric_that_could_be_a_place_is_refused(name):
    data = [{**row, f"metric.{name}": 1.0} for row in rows()]
    with pytest.raises(ValueError, match="it could name a place"):
        tidy(data, question(metric=name))


@pytest.mark.parametrize("name", ["../lambda", "/lambda", "lam\nbda"])
def test_a_knob_that_could_be_a_place_is_refused(name):
    data = [{**row, f"knob.{name}": 1.0} for row in rows()]
    with pytest.raises(ValueError, match="it could name a place"):
        tidy(data, question(nuisance=[name]))


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
