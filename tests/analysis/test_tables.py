"""The table as Markdown, as CSV and for the terminal: golden text."""

import csv
import io

import numpy as np
import pytest
from lambda_sweep import frame, question, report_of, rows, run_rows, sweep_of
from rich.console import Console

from analysis.frame import tidy
from analysis.texts import html, latex, tables
from analysis.verdicts.arms import arms

MARKDOWN = """\
| λ | js | n | ratio | verdict | seconds |  |
| ---: | ---: | ---: | ---: | :--- | ---: | :--- |
| 0 | 28.0 [25.6, 30.6] | 3 | 17.5 [16.4, 18.7] | worse | 9 |  |
| 0.5 | 1.60 [1.37, 1.87] | 3 |  |  | 10 | baseline |
| 1 | **1.40 [1.17, 1.67]** | 3 | 0.875 [0.855, 0.894] | better | 11 | leads |
| 1.5 | 2, diverged, diverged | 1 |  | undecided | 12 | 2 of 3 diverged [9%, 99%] |

Geometric mean js of the n seeds with a value (lower is better) with its log-t 95% \
interval; images and seconds are means over the trials that ran to their end, peak MiB their \
maximum. In all arms: modes 8, images 400,000, peak MiB 512. \
Ratio to the baseline over the seeds that both finished, with its paired interval. \
Better, worse or undecided at 5% for all arms together (Holm). \
Bold: not shown to be worse than the arm that leads or than the baseline. \
An arm that lost seeds is compared by how often and by its survivors; in brackets the exact 95% \
interval of that part.
"""


@pytest.fixture
def table():
    return arms(frame(), question())


def test_golden_markdown(table):
    assert tables.markdown(table, question()) == MARKDOWN


def test_csv_keeps_full_precision(table):
    header, *lines = csv.reader(io.StringIO(tables.csv(table, question())))
    assert header == list(table)
    for name in ("mean", "low", "high", "effect", "p", "seconds"):
        cells = [line[header.index(name)] for line in lines]
        np.testing.assert_array_equal([float(cell or "nan") for cell in cells], table[name])


def on_terminal(table, asked, *, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(tables.terminal(table, asked))
    return console.file.getvalue()


def test_the_terminal_shows_the_same_cells_and_the_knobs_by_their_names_in_the_yaml(table):
    text = on_terminal(table, question(), width=160)
    for column in tables.columns(table, question()):
        title = "loss.lambda" if column.title == "λ" else column.title
        assert all(cell in text for cell in (title, *column.cells))


@pytest.mark.parametrize("width", [80, 90, 100])
def test_a_narrow_terminal_loses_what_matters_least_and_says_so(table, width):
    data = [
        row | {"seconds": 10.0 + row["arm"], "peak_memory_bytes": 2**29 + row["arm"] * 2**20}
        for row in rows()
    ]
    asked = question(columns=["modes", "off_modes"])
    data = [row | {"metric.off_modes": 0.001 * row["arm"] + 0.2} for row in data]
    table = arms(tidy(data, asked), asked)
    text = on_terminal(table, asked, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for column in tables.columns(table, asked):
        if column.title in ("js", "n", "ratio", "verdict"):
            parts = [part for cell in column.cells for part in cell.split(" [")]
            assert all(part in text for part in (column.title, *parts))
    above, _, below = text.partition("not shown at this width: ")
    assert below.startswith("peak MiB")
    assert "peak MiB" not in above
    assert "2 of 3" in above  # diverged, perhaps on the next line


def test_where_no_table_fits_the_arms_stand_one_below_the_other_and_nothing_is_lost(table):
    text = on_terminal(table, question(), width=50)
    assert max(map(len, text.splitlines())) <= 50
    words = " ".join(text.split())
    for row in tables.rows_of([column.cells for column in tables.columns(table, question())]):
        assert f"loss.lambda = {row[0]} js {row[1]} · n {row[2]}" in words
        assert all(cell in words for cell in row)


def test_lost_and_running_seeds_are_counted():
    data = [
        row
        for seed, outcome in enumerate(("finished", "failed", "running"))
        for row in run_rows(0, seed, {"loss.lambda": 0.5}, final=1.0, outcome=outcome)
    ]
    text = tables.markdown(arms(tidy(data, question()), question()), question())
    assert "| baseline, 1 of 2 failed [1%, 99%], 1 running |" in text


def table_of(finals, **changes):
    asked = question(**changes)
    return tables.markdown(arms(tidy(sweep_of(finals), asked), asked), asked)


def test_few_seeds_with_losses_are_shown_one_by_one_and_no_interval_spans_the_world():
    text = table_of({0.0: (0.19, 725.0, None), 0.5: (1.5, 1.6, 1.7)})
    assert "| 0 | 0.19, 725, diverged | 2 | undecided |" in text
    assert "Ratio" not in text
    many = table_of({0.0: (3.1, 3.2, 3.3, None), 0.5: (1.5, 1.6, 1.7, 1.8)}, seeds=[0, 1, 2, 3])
    assert "| 3.20 [2.96, 3.46] † | 3 |" in many
    assert "1 of 4 diverged [1%, 81%]" in many


def test_several_kinds_of_loss_are_named():
    data = [
        row
        for seed, outcome in enumerate(("finished", "failed", "diverged"))
        for row in run_rows(0, seed, {"loss.lambda": 0.5}, final=1.0, outcome=outcome)
    ]
    text = tables.markdown(arms(tidy(data, question()), question()), question())
    assert "2 of 3 lost [9%, 99%] (1 diverged, 1 failed)" in text


def test_a_collapse_is_said_with_its_threshold():
    data = sweep_of({0.0: (9.0, 1.4, 1.5), 0.5: (1.5, 1.6, 1.7)})
    data[1]["metric.modes"] = 4.0
    asked = question(collapse={"modes": 8.0})
    text = tables.markdown(arms(tidy(data, asked), asked), asked)
    assert "| 0 | collapsed, 1.4, 1.5 | 2 | undecided | 6.667 |" in text
    assert "1 of 3 collapsed [1%, 91%]" in text
    assert "Collapsed: modes < 8." in text


def test_what_was_screened_stands_beside_what_fresh_seeds_say():
    finals = {0.5: (1.5, 1.6, 1.7, 1.6), 1.0: (1.0, 1.1, 1.4, 1.5), 1.5: (2.0, 2.1)}
    text = table_of(finals, seeds=[2, 3], screen=[0, 1], keep=1)
    title, _, *body = text.splitlines()
    assert title == ("| λ | js | n | screened | shrinkage | ratio | verdict | seconds |  |")
    assert [row.split(" | ")[3:5] for row in body[:3]] == [
        ["1.549", "1.06"], ["1.049", "1.38"], ["2.049", ""],
    ]  # fmt: skip
    assert body[2].startswith("| 1.5 |  |  | 2.049 |")
    assert "Screened: by 2 other seeds" in text


def test_copies_say_in_words_why_they_have_no_interval():
    asked = question()
    data = tidy(sweep_of({0.5: (1.5, 1.6, 1.7), 1.0: (1.107, 1.107, 1.107)}), asked)
    drawn = arms(data, asked)
    sentence = "Copies: all seeds of the arm gave one value, so there is no interval to print."
    for text in (tables.markdown, html.table, latex.table):
        shown = text(drawn, asked)
        assert "1.107 (copies)" in shown
        assert sentence in shown
    assert "opies" not in table_of({0.5: (1.5, 1.6, 1.7), 1.0: (1.107, 1.108, 1.107)})


def test_a_sequence_names_its_interval():
    finals = {0.5: (1.5,) * 6, 1.0: (1.0, 1.1, 1.05, 1.03, 1.02, 1.04)}
    text = table_of(finals, seeds=list(range(6)), sequential=True)
    assert "95% confidence sequence, valid at any number of seeds" in text
    assert "whenever one looks" in text


def test_the_best_of_tuned_settings_is_named_with_how_many_were_tried():
    asked = question(nuisance=["lr"], columns=[])
    data = [
        row
        for arm, (lam, lr) in enumerate([(0.5, 1), (0.5, 2), (1.0, 1), (1.0, 2)])
        for seed in range(3)
        for row in run_rows(arm, seed, {"loss.lambda": lam, "lr": lr}, final=1 + arm + 0.1 * seed)
    ]
    text = tables.markdown(arms(tidy(data, asked), asked), asked)
    assert "| 0.5 | 1 | 2 | **1.10 [0.87, 1.38]** | 3 |" in text
    assert "| 1 | 1 | 2 |" in text
    assert len([line for line in text.splitlines() if line.startswith("|")]) == 4
    assert "Each row is the best of those tried in lr, by the same seeds." in text


def test_the_legend_explains_no_mark_that_is_not_there():
    data = run_rows(0, 0, {"loss.lambda": 0.5}, final=1.0)
    assert tables.MARK not in tables.markdown(arms(tidy(data, question()), question()), question())


def test_permuted_rows_give_the_same_bytes():
    reports = [report_of(data, question()) for data in (rows(), rows()[::-1])]
    for dress in ("markdown", "latex", "csv"):
        first, second = (getattr(report, dress)() for report in reports)
        assert first == second


def test_a_pipe_does_not_break_markdown():
    kinds = question(domains={}, baseline={})
    data = run_rows(0, 0, {"loss.lambda": "a|b"}, final=1.0)
    assert r"| a\|b |" in tables.markdown(arms(tidy(data, kinds), kinds), kinds)
