"""The tidy frame: a row per arm x seed x evaluation, whatever it was read from.

| column | |
|---|---|
| `sweep`, `arm`, `seed` | which trial; `arm` is its place in the sweep's ledger |
| `trial`, `run_id` | digest of its specification; its MLflow run, or "" |
| `outcome`, `cause` | one of `OUTCOMES`; why, or "" |
| `images`, `seconds` | the clock of training and the time so far |
| `peak_memory_bytes` | so far |
| `final` | the last row of its trial, the only one that a table reads |
| `param.<knob>` | value of a swept knob; missing where the arm has no such knob |
| `metric.<name>` | NaN where it was not evaluated |

A trial without an evaluation has one row, so that it is counted.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.notation import is_number, value_text
from analysis.question import Question
from sid_sweep.spec import OUTCOMES
from sid_sweep.spec.names import sweep_name
from sid_sweep.trials.rows import COLUMNS, Columns

SCHEMA_KEY = b"sid_sweep.question"
DIGEST_KEY = b"sid_sweep.digest"


def tidy(
    rows: Columns | Sequence[Mapping[str, Any]] | pd.DataFrame, question: Question
) -> pd.DataFrame:
    """Validate rows and give them their types and their one order.

    Raises:
        ValueError: the rows break the schema; one line that names the rule and the offender.
    """
    sweep_name(question.sweep)
    _require_plain_names(question)
    raw = pd.DataFrame(rows)
    if raw.empty:
        raise ValueError(f"sweep {question.sweep} has no trials yet")
    _require_columns(raw, question)
    frame = pd.DataFrame({name: _cast(raw[name], dtype) for name, dtype in COLUMNS.items()})
    for name in _param_columns(raw, question):
        frame[name] = _param(raw[name] if name in raw else pd.Series(None, raw.index, dtype=object))
    for name in _metric_columns(raw, question):
        frame[name] = _cast(raw[name], "float64") if name in raw else np.nan
    frame = frame.sort_values(["arm", "seed", "images"], kind="stable", ignore_index=True)
    _require_sound_trials(frame, question)
    return frame


def write_parquet(frame: pd.DataFrame, question: Question, path: Path) -> None:
    """The frame with its question, and a digest of both, in the schema's metadata; the same input
    gives the same bytes."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    text = question.to_json()
    metadata = {SCHEMA_KEY: text.encode(), DIGEST_KEY: content_digest(frame, text).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), path, write_page_checksum=True)


def read_parquet(path: Path) -> tuple[pd.DataFrame, Question]:
    """A frame and its question, as `write_parquet` left them.

    Raises:
        ValueError: no such file, a foreign file, another schema version, or a file that is not
            as it was written; one line.
    """
    if not path.exists():
        raise ValueError(f"{path}: there is no such file")
    try:
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
        metadata = table.schema.metadata or {}
    except Exception as error:  # a broken file can break its reader anywhere
        damaged = " or it is damaged" if path.is_file() else ""
        raise ValueError(f"{path}: it is no Parquet file{damaged}") from error
    if SCHEMA_KEY not in metadata:
        raise ValueError(f"{path}: holds no trials of a sweep; a runs.parquet of a report does")
    try:
        question = Question.from_outline(json.loads(metadata[SCHEMA_KEY]))
        frame = tidy(table.to_pandas(), question)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: its question is damaged ({error})") from error
    except ValueError as error:
        raise ValueError(f"{path}: {first_line(error)}") from error
    if metadata.get(DIGEST_KEY) != content_digest(frame, question.to_json()).encode():
        raise ValueError(f"{path}: is not as it was written; export it again, or copy it again")
    return frame, question


def content_digest(frame: pd.DataFrame, question: str) -> str:
    """SHA-256 of all that a tidy frame and its question say, whatever file they lie in: names,
    types and values of the columns, in their order; numbers bit by bit, texts by their JSON."""
    found = hashlib.sha256(question.encode())
    for name in frame:
        values = frame[name].to_numpy()
        if values.dtype.kind in "bif":
            kind, content = values.dtype.str, values.tobytes()
        else:
            texts = [None if pd.isna(value) else value for value in values]
            kind, content = "text", json.dumps(texts).encode()
        found.update(json.dumps([name, kind, len(content)]).encode())
        found.update(content)
    return found.hexdigest()


def first_line(error: Exception) -> str:
    """What went wrong, in one line."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _require_plain_names(question: Question) -> None:
    """Metrics and knobs become parts of the names of plots."""
    for name in (question.metric, *question.columns, *question.knobs):
        path = PurePath(name)
        if path.is_absolute() or ".." in path.parts or not name.isprintable():
            raise ValueError(f"{name!r} is no name of a metric or a knob: it could name a place")


def _require_columns(raw: pd.DataFrame, question: Question) -> None:
    if missing := [name for name in COLUMNS if name not in raw]:
        raise ValueError(f"the trials lack the column {', '.join(missing)}")
    if not any(f"param.{knob}" in raw for knob in question.scientific):
        names = ", ".join(f"param.{knob}" for knob in question.scientific)
        raise ValueError(f"the trials lack every scientific knob ({names})")


def _require_sound_trials(frame: pd.DataFrame, question: Question) -> None:
    if other := sorted(set(frame["sweep"].unique()) - {question.sweep}):
        raise ValueError(f"the trials are of sweep {other[0]}, the question of {question.sweep}")
    if unknown := sorted(set(frame["outcome"].unique()) - set(OUTCOMES)):
        raise ValueError(f"unknown outcome {unknown[0]!r}; it is one of {', '.join(OUTCOMES)}")
    if (doubled := frame.duplicated(["arm", "seed", "images"])).any():
        trial = _trial_text(frame[doubled].iloc[0])
        raise ValueError(f"{trial} has two rows at {frame[doubled]['images'].iloc[0]:,} images")
    of_trial = frame.groupby(["arm", "seed"], sort=False)
    last = ~frame.duplicated(["arm", "seed"], keep="last")
    if (odd := frame["final"] != last).any():
        raise ValueError(f"{_trial_text(frame[odd].iloc[0])}: its last row alone must be final")
    if (several := of_trial["outcome"].transform("nunique") > 1).any():
        raise ValueError(f"{_trial_text(frame[several].iloc[0])} has several outcomes")
    for knob in question.knobs:
        counts = frame.groupby("arm")[f"param.{knob}"].nunique(dropna=False)
        if (counts > 1).any():
            raise ValueError(f"arm {counts.idxmax()} has several values of {knob}")


def _trial_text(row: pd.Series) -> str:
    return f"arm {row['arm']}, seed {row['seed']}"


def _param_columns(raw: pd.DataFrame, question: Question) -> list[str]:
    asked = [f"param.{knob}" for knob in question.knobs]
    found = sorted(name for name in map(str, raw.columns) if name.startswith("param."))
    return asked + [name for name in found if name not in asked]


def _metric_columns(raw: pd.DataFrame, question: Question) -> list[str]:
    asked = [f"metric.{name}" for name in dict.fromkeys((question.metric, *question.columns))]
    found = sorted(name for name in map(str, raw.columns) if name.startswith("metric."))
    finished = (raw["outcome"] == "finished").any()
    if finished and (absent := [name for name in asked if name not in found]):
        known = ", ".join(name.removeprefix("metric.") for name in found) or "none at all"
        name = absent[0].removeprefix("metric.")
        raise ValueError(f"no trial has the metric {name} (there are: {known})")
    return asked + [name for name in found if name not in asked]


def _cast(values: pd.Series, dtype: str) -> pd.Series:
    """To the column's type; a value that the type cannot hold is refused, never rounded."""
    if dtype == "str":
        return values.fillna("").astype("str")
    try:
        cast = values.astype(dtype)  # pyright: ignore[reportArgumentType, reportCallIssue]
        kept = dtype == "float64" or bool((cast == values).all())
    except (TypeError, ValueError):
        kept = False
    if not kept:
        raise ValueError(f"the column {values.name} holds a value that is no {dtype}")
    return cast


def _param(values: pd.Series) -> pd.Series:
    """Numbers stay numbers and booleans stay booleans; a mixture becomes the text of the YAML."""
    match values.dtype.kind:  # what pandas has seen already
        case "b":
            return values.astype("bool")
        case "f":
            return values.astype("float64")
        case "i" | "u":
            return values.astype("int64")
    given = [value for value in values if not pd.isna(value)]
    complete = len(given) == len(values)
    if complete and all(isinstance(value, bool | np.bool_) for value in given):
        return values.astype("bool")
    if all(is_number(value) for value in given):
        whole = complete and all(isinstance(value, int | np.integer) for value in given)
        return values.astype("int64" if whole else "float64")
    texts = [None if pd.isna(value) else value_text(value) for value in values]
    return pd.Series(texts, index=values.index, dtype="str" if complete else object)
