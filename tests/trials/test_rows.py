"""A row per evaluation, one for a trial without any, none for a trial that has not begun."""

from pathlib import Path

import pytest
from row_wise import row_wise

from sid_sweep.files import Damaged
from sid_sweep.spec import load
from sid_sweep.trials import Measurement, Result, SweepFolder
from sid_sweep.trials.rows import COLUMNS, rows_of

LAMBDA = Path(__file__).parents[1] / "lambda.yaml"
TYPES = {"str": str, "int64": int, "float64": float, "bool": bool}


@pytest.fixture
def entry(tmp_path):
    """The first trial of an arm with number 3."""
    sweep = load(LAMBDA)
    arm = next(sweep.grid())
    return SweepFolder(tmp_path).entry(sweep, 3, arm, 1)


def measure(entry, images, **metrics):
    entry.folder.append(
        Measurement(
            images=images, seconds=images / 100, peak_memory_bytes=7, metrics=metrics,
            timestamp_ms=1,
        )
    )  # fmt: skip


def made(entry, run_ids=None):
    """Its rows, each with exactly the promised columns in their types."""
    found = row_wise(rows_of("lambda", [entry], run_ids))
    for row in found:
        named = [name for name in row if not name.startswith(("param.", "metric."))]
        assert sorted(named) == sorted(COLUMNS)
        assert all(type(row[name]) is TYPES[kind] for name, kind in COLUMNS.items())
        assert row["param.loss.lambda"] == 0.0
    return found


def test_a_trial_that_has_not_begun_has_no_row(entry):
    assert made(entry) == []


def test_a_trial_without_an_evaluation_has_one_row(entry):
    entry.folder.begin(entry.trial)
    (row,) = made(entry)
    assert (row["outcome"], row["images"], row["final"]) == ("running", 0, True)
    assert not any(name.startswith("metric.") for name in row)


def test_a_trial_that_never_began_to_train_but_failed_has_one_row(entry):
    entry.folder.write_failure("no memory", traceback="")
    (row,) = made(entry)
    assert (row["outcome"], row["cause"], row["final"]) == ("failed", "no memory", True)


def test_every_evaluation_is_a_row_and_the_last_is_final(entry):
    entry.folder.begin(entry.trial)
    measure(entry, 0, js=9.0)
    measure(entry, 100, js=4.0, modes=8.0)
    assert [row["outcome"] for row in made(entry)] == ["running"] * 2
    metrics = {"js": 4.0, "modes": 8.0}
    result = Result(outcome="finished", images=100, seconds=1.0, metrics=metrics)
    entry.folder.write_result(result)
    first, last = made(entry, {"3/1": "run", "0/0": "another"})
    assert (first["images"], first["final"], last["images"], last["final"]) == (0, False, 100, True)
    assert last == {
        **{"sweep": "lambda", "arm": 3, "seed": 1, "trial": entry.folder.path.name},
        **{"run_id": "run", "outcome": "finished", "cause": "", "images": 100, "seconds": 1.0},
        **{"peak_memory_bytes": 7.0, "final": True},
        **{"param.loss.lambda": 0.0, "metric.js": 4.0, "metric.modes": 8.0},
    }
    assert first["outcome"] == "finished"
    assert made(entry)[0]["run_id"] == ""


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('"js": 4.0', "its last evaluation is not that of its result"),
        ('"seconds": 1.0', "its last evaluation is not that of its result"),
        ('"images": 100', "it ended at 100 images, and was evaluated at 101"),
    ],
)
def test_a_changed_digit_of_the_last_evaluation_is_named_and_never_shown(entry, line, what):
    entry.folder.begin(entry.trial)
    measure(entry, 0, js=9.0)
    measure(entry, 100, js=4.0)
    spent = {"images": 100, "seconds": 1.0, "metrics": {"js": 4.0}}
    entry.folder.write_result(Result(outcome="finished", **spent))
    assert len(made(entry)) == 2
    text = entry.folder.log.read_text()
    changed = {"4.0": "5.0", "1.0": "2.0", "100": "101"}[line.split(": ")[1]]
    entry.folder.log.write_text(text.replace(line, line.split(": ")[0] + f": {changed}"))
    with pytest.raises(Damaged) as caught:
        made(entry)
    assert str(caught.value).startswith(f"{entry.folder.log}: {what}; ")


@pytest.mark.parametrize(("images", "ends"), [(150, [0, 100, 150]), (100, [0, 100])])
def test_an_end_beyond_the_last_evaluation_has_a_row_of_its_own(entry, images, ends):
    entry.folder.begin(entry.trial)
    measure(entry, 0, js=9.0)
    measure(entry, 100, js=4.0)
    spent = {"images": images, "seconds": 1.5, "peak_memory_bytes": 8}
    entry.folder.write_result(Result(outcome="diverged", cause="far out", **spent))
    rows = made(entry)
    assert [row["images"] for row in rows] == ends
    assert [row["final"] for row in rows] == [False] * (len(ends) - 1) + [True]
    assert {row["outcome"] for row in rows} == {"diverged"}
    if images == 150:
        assert (rows[-1]["seconds"], rows[-1]["peak_memory_bytes"]) == (1.5, 8.0)
        assert "metric.js" not in rows[-1]


def test_a_failed_trial_keeps_the_rows_of_its_evaluations(entry):
    entry.folder.begin(entry.trial)
    measure(entry, 0, js=9.0)
    entry.folder.write_failure("no memory", traceback="")
    (row,) = made(entry)
    assert (row["outcome"], row["final"], row["metric.js"]) == ("failed", True, 9.0)


def test_rows_of_several_trials_come_in_their_order(entry, tmp_path):
    sweep = load(LAMBDA)
    entries = [SweepFolder(tmp_path).entry(sweep, 3, entry.arm, seed) for seed in (2, 0, 1)]
    for own in (entries[0], entries[2]):
        own.folder.begin(own.trial)
    assert rows_of("lambda", entries)["seed"] == [2, 1]
