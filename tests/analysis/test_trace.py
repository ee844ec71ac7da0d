"""A cell of the table leads back to its seeds, trials, runs and folders."""

import io

import pytest
from lambda_sweep import frame, question, report_of, rows, run_rows, sweep_of
from rich.console import Console

from analysis.compare import main
from analysis.frame import tidy, write_parquet
from analysis.trace import runs, terminal, trace
from analysis.verdicts.arms import arms
from sid_sweep.trials import SweepFolder


def traced(cell, data=None, **changes):
    """The trace of a cell: title, and a tuple per trial."""
    asked = question(**changes)
    data = tidy(data or rows(), asked)
    found = trace(cell, data, arms(data, asked), asked)
    columns = found.trials[["arm", "seed", "value", "use"]]
    return found.title, list(columns.itertuples(index=False, name=None))


@pytest.mark.parametrize(
    "cell",
    ["1", "λ = 0.5", "λ=0.5", "loss.lambda = 0.5", "1:js", "λ = 0.5 : js", "1:n"],
)
def test_an_arm_is_named_by_number_or_by_values_in_symbols_or_paths(cell):
    _, found = traced(cell)
    assert found == [(1, 0, 1.5, "counted"), (1, 1, 1.6, "counted"), (1, 2, 1.7, "counted")]


def test_the_title_is_the_cell_as_the_table_shows_it():
    title, _ = traced("2")
    data, asked = frame(), question()
    shown = report_of(rows(), asked).markdown()
    assert title.startswith("js of arm 2 (λ = 1): 1.4")
    assert title.partition(": ")[2] in shown
    assert traced("2:verdict")[0] == f"verdict of arm 2 (λ = 1): {arms(data, asked)['verdict'][2]}"


def test_a_lost_seed_is_named_and_not_counted():
    _, found = traced("3")
    assert [use for *_, use in found] == ["counted", "lost", "lost"]


def test_a_ratio_counts_what_both_finished_and_names_the_baselines_trials_too():
    _, found = traced("3:ratio")
    assert [(arm, seed, use) for arm, seed, _, use in found] == [
        (3, 0, "counted"),
        (3, 1, "lost"),
        (3, 2, "lost"),
        (1, 0, "counted"),
        (1, 1, "not shared"),
        (1, 2, "not shared"),
    ]


def test_a_verdict_by_losses_counts_every_seed_that_ended():
    _, found = traced("3:verdict")
    assert [use for *_, use in found] == ["counted"] * 6


def test_a_column_is_read_in_its_own_units():
    assert [value for _, _, value, _ in traced("1:modes")[1]] == [8.0] * 3
    assert [value for _, _, value, _ in traced("1:peak MiB")[1]] == [512.0 * 2**20] * 3
    assert [value for _, _, value, _ in traced("1:seconds")[1]] == [10.0] * 3


def test_screening_seeds_stand_first_and_are_not_counted():
    data = sweep_of({0.5: (1.5, 1.6, 1.7), 1.0: (1.3, 1.4, 1.5)})
    _, found = traced("1", data, seeds=[0, 1], screen=[2], keep=1)
    assert [(seed, use) for _, seed, _, use in found] == [
        (2, "screening"),
        (0, "counted"),
        (1, "counted"),
    ]


def test_several_knobs_are_named_in_any_order():
    data = [
        row
        for arm, (value, kind) in enumerate([(0.5, "sid"), (0.5, "naive"), (1.0, "sid")])
        for row in run_rows(arm, 0, {"loss.lambda": value, "loss.kind": kind}, final=1.0 + arm)
    ]
    changes = {"scientific": ["loss.lambda", "loss.kind"], "baseline": {}}
    for cell in ("λ = 0.5, loss.kind = naive", "loss.kind=naive, loss.lambda=0.5"):
        assert traced(cell, data, **changes)[1][0][0] == 1


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("λ = 0.7", r"no such arm; there are 0 \(λ = 0\); 1 \(λ = 0.5\)"),
        ("9", "no such arm"),
        ("", "no such arm"),
        ("1:mods", "no column 'mods'; did you mean modes.; there are js, modes, n, ratio"),
        ("1:", "no column ''"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(cell, message):
    with pytest.raises(ValueError, match=message) as refused:
        traced(cell)
    assert "\n" not in str(refused.value)


def test_the_csv_names_every_run():
    assert runs(frame(), question())[1] == (
        "0:000001000000:run10 1:000001000001:run11 2:000001000002:run12"
    )
    header, *lines = report_of(rows(), question()).csv().splitlines()
    assert header.endswith(",runs")
    for arm, line in enumerate(lines):
        assert line.endswith(f",{runs(frame(), question())[arm]}")
    no_runs = tidy([{**row, "run_id": ""} for row in rows()], question())
    assert runs(no_runs, question())[0] == "0:000000000000 1:000000000001 2:000000000002"


def test_folders_are_shown_where_they_are(tmp_path):
    folder = SweepFolder(tmp_path / "lambda")
    there = folder.trial_of("000001000001").path
    there.mkdir(parents=True)
    found = trace("1", frame(), arms(frame(), question()), question())
    text = io.StringIO()
    Console(file=text, width=400).print(terminal(found, folder=folder))
    lines = [line.split() for line in text.getvalue().splitlines()[2:]]
    assert [line[-1] for line in lines] == ["-", str(there), "-"]
    assert [line[2] for line in lines] == ["1.5", "1.6", "1.7"]


def test_a_digest_that_could_be_a_place_is_refused(tmp_path):
    data = tidy([{**row, "trial": "../../etc"} for row in rows()], question())
    found = trace("1", data, arms(data, question()), question())
    with pytest.raises(ValueError, match="is no digest of a trial"):
        terminal(found, folder=SweepFolder(tmp_path / "lambda"))


def test_the_command_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_parquet(frame(), question(), tmp_path / "runs.parquet")
    assert main(["--from", "runs.parquet", "--trace", "λ = 0.5:modes"]) == 0
    assert "modes of arm 1 (λ = 0.5): 8" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["runs.parquet"]
    assert main(["--from", "runs.parquet", "--trace", "λ = 7"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
