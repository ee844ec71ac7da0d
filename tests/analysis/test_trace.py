"""A cell of the table leads back to its seeds, trials, runs and folders."""

import io

import pytest
from lambda_sweep import frame, question, report_of, rows, run_rows, sweep_of
from rich.console import Console

from analysis.compare import main
from analysis.frame import tidy, write_parquet
from analysis.texts import tables
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


SCREENED = {"screen": [0, 1], "seeds": [10, 11], "keep": 1}


def screened(finals):
    """Rows of arms that screened on seeds 0 and 1; those with four values ran on 10 and 11 too."""
    return [
        row
        for arm, (params, values) in enumerate(finals)
        for seed, final in zip((0, 1, 10, 11), values, strict=False)
        for row in run_rows(
            arm, seed, params, final=final, **({} if final else {"outcome": "diverged"})
        )
    ]


TWO = [({"loss.lambda": 0.5}, (1.5, 1.6, 1.7, 1.8)), ({"loss.lambda": 1.0}, (2.5, None))]


def test_what_chose_an_arm_is_traced_to_the_seeds_that_screened():
    title, found = traced("0:screened", screened(TWO), **SCREENED)
    assert title == "screened of arm 0 (λ = 0.5): 1.549"  # √(1.5 · 1.6)
    assert found == [(0, 0, 1.5, "counted"), (0, 1, 1.6, "counted")]
    _, found = traced("1:screened", screened(TWO), **SCREENED)
    assert [(arm, seed, use) for arm, seed, _, use in found] == [(1, 0, "counted"), (1, 1, "lost")]


def test_shrinkage_is_traced_to_both_its_means():
    title, found = traced("0:shrinkage", screened(TWO), **SCREENED)
    assert title == "shrinkage of arm 0 (λ = 0.5): 1.13"  # √(1.7 · 1.8 / (1.5 · 1.6))
    assert found == [(0, s, v, "counted") for s, v in zip((0, 1, 10, 11), TWO[0][1], strict=True)]


@pytest.mark.parametrize("cell", ["0:images", "0:seconds", "0:peak MiB"])
def test_what_was_spent_is_of_the_screening_seeds_too(cell):
    _, found = traced(cell, screened(TWO), **SCREENED)
    assert [(seed, use) for _, seed, _, use in found] == [(s, "counted") for s in (0, 1, 10, 11)]


@pytest.mark.parametrize("chosen_by", ["screen", "seeds"])
def test_what_was_tried_is_every_arm_that_the_row_is_the_best_of(chosen_by):
    settings = [(0.5, 1e-3), (0.5, 1e-2), (1.0, 1e-3)]
    values = [(1.5, 1.6, 1.7, 1.8), (1.1, 1.2, 1.3, 1.4), (2.5, 2.6, 2.7, 2.8)]
    changes = {"scientific": ["loss.lambda"], "nuisance": ["lr"], "baseline": {}}
    arms = [{"loss.lambda": a, "lr": b} for a, b in settings]
    rows = screened(zip(arms, values, strict=True))
    if chosen_by == "seeds":
        rows = [row for row in rows if row["seed"] > 1]
    own = SCREENED if chosen_by == "screen" else {"seeds": [10, 11]}
    title, found = traced("1:tried", rows, **changes, **own)
    assert title == "tried of arm 1 (λ = 0.5, lr = 0.01): 2"
    seeds = own[chosen_by]
    expected = [(arm, seed) for arm in (1, 0) for seed in seeds]
    assert [(arm, seed) for arm, seed, *_ in found] == expected
    assert {use for *_, use in found} == {"counted"}
    assert traced("0:tried", rows, **changes, **own)[1][0][0] == 0  # one that was not chosen


def test_a_column_that_the_table_lacks_is_not_traced():
    for column in ("screened", "shrinkage", "tried"):
        with pytest.raises(ValueError, match=f"no column '{column}'"):
            traced(f"1:{column}")


def test_every_column_of_the_table_is_traced():
    asked = question(**SCREENED, nuisance=["lr"], columns=["modes"])
    rows = [{**row, "param.lr": 0.1} for row in screened(TWO)]
    data = tidy(rows, asked)
    table = arms(data, asked)
    titles = [own.title for own in tables.all_columns(table, asked)]
    for title in titles[len(asked.knobs) : -1]:  # all but knobs and remarks
        assert not trace(f"0:{title}", data, table, asked).trials.empty


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
