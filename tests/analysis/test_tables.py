"""The table in four dresses: golden text, escapes, and LaTeX that compiles."""

import csv
import io
import shutil
import subprocess

import numpy as np
import pytest
from lambda_sweep import frame, question, report_of, rows, run_rows
from rich.console import Console

from analysis import tables
from analysis.arms import arms
from analysis.frame import tidy

MARKDOWN = """\
| λ | js | n | ratio | verdict | modes | images | seconds | peak MiB |  |
| ---: | ---: | ---: | ---: | :--- | ---: | ---: | ---: | ---: | :--- |
| 0 | 28.0 [25.6, 30.6] | 3 | 17.5 [16.4, 18.7] | worse | 8 | 400,000 | 9 | 512 |  |
| 0.5 | 1.60 [1.37, 1.87] | 3 |  |  | 8 | 400,000 | 10 | 512 | baseline |
| 1 | **1.40 [1.17, 1.67]** | 3 | 0.875 [0.855, 0.894] | better | 8 | 400,000 | 11 | 512 | best |
| 1.5 | 2 [-] † | 1 | 1.333 [-] | undecided | 8 | 400,000 | 12 | 512 | 2 diverged |

Geometric mean js of the n finished seeds (lower is better) with its log-t 95% interval; \
images and seconds are means over these seeds, peak MiB their maximum. \
Ratio to the baseline over the seeds that both finished, with its paired interval; \
better, worse or undecided at 5% for all arms together (Holm). \
Bold: not significantly worse than the arm that leads. \
† Of the surviving seeds only; compared by how often it is lost.
"""

LATEX_ROWS = r"""
    \toprule
    $\lambda$ & sw2\_ratio & n & ratio & verdict & modes & images & seconds & peak MiB &  \\
    \midrule
    0 & 28.0 [25.6, 30.6] & 3 & 17.5 [16.4, 18.7] & worse & 8 & 400,000 & 9 & 512 &  \\
    0.5 & 1.60 [1.37, 1.87] & 3 &  &  & 8 & 400,000 & 10 & 512 & baseline \\
    1 & \textbf{1.40 [1.17, 1.67]} & 3 & 0.875 [0.855, 0.894] & better & 8 & 400,000 & 11 & 512 & best \\
    1.5 & 2 [--] $^\dagger$ & 1 & 1.333 [--] & undecided & 8 & 400,000 & 12 & 512 & 2 diverged \\
    \bottomrule
"""  # noqa: E501


@pytest.fixture
def table():
    return arms(frame(), question())


def test_golden_markdown(table):
    assert tables.markdown(table, question()) == MARKDOWN


def test_golden_latex(table):
    text = tables.latex(table, question())
    assert LATEX_ROWS in text
    assert r"\begin{tabular}{rrrrlrrrrl}" in text
    assert (
        r"\caption{In L2 - $\lambda$ L1, which $\lambda$ is best? Geometric mean sw2\_ratio" in text
    )
    assert r"\label{tab:lambda}" in text


def test_csv_keeps_full_precision(table):
    header, *lines = csv.reader(io.StringIO(tables.csv(table, question())))
    assert header == list(table)
    for name in ("mean", "low", "high", "effect", "p", "seconds"):
        cells = [line[header.index(name)] for line in lines]
        np.testing.assert_array_equal([float(cell or "nan") for cell in cells], table[name])


def test_the_terminal_shows_the_same_cells(table):
    console = Console(file=io.StringIO(), width=160)
    console.print(tables.terminal(table, question()))
    text = console.file.getvalue()
    for column in tables.columns(table, question()):
        assert all(cell in text for cell in (column.title, *column.cells))


def test_lost_and_running_seeds_are_counted():
    data = [
        row
        for seed, outcome in enumerate(("finished", "failed", "running"))
        for row in run_rows(0, seed, {"loss.lambda": 0.5}, final=1.0, outcome=outcome)
    ]
    text = tables.markdown(arms(tidy(data, question()), question()), question())
    assert "| baseline, 1 failed, 1 running |" in text


def test_the_legend_explains_no_mark_that_is_not_there():
    data = run_rows(0, 0, {"loss.lambda": 0.5}, final=1.0)
    assert tables.MARK not in tables.markdown(arms(tidy(data, question()), question()), question())


def test_permuted_rows_give_the_same_bytes():
    reports = [report_of(data, question()) for data in (rows(), rows()[::-1])]
    for dress in ("markdown", "latex", "csv"):
        first, second = (getattr(report, dress)() for report in reports)
        assert first == second


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("js", r"sw2\_ratio"),
        ("50 % & more", r"50 \% \& more"),
        (r"a\b{c}", r"a\textbackslash{}b\{c\}"),
        ("λ ≤ ½", r"$\lambda$ $\leq$ $\frac{1}{2}$"),
        ("28 [-100, 156]", "28 [$-$100, 156]"),
        ("1.5e-06", "1.5e-06"),
        ("L2 - L1", "L2 - L1"),
        ("-", "--"),
        ("1.4 [-]", "1.4 [--]"),
    ],
)
def test_escapes(text, escaped):
    assert tables.escape(text) == escaped


def test_a_pipe_does_not_break_markdown():
    kinds = question(domains={}, baseline={})
    data = run_rows(0, 0, {"loss.lambda": "a|b"}, final=1.0)
    assert r"| a\|b |" in tables.markdown(arms(tidy(data, kinds), kinds), kinds)


def test_braces_and_environments_balance(table):
    asked = question(question="Is {a} # 1 ~ $5 ^ 2 < 3 & \\ 100 % of λ?")
    text = tables.latex(table, asked).replace(r"\{", "").replace(r"\}", "")
    assert text.count("{") == text.count("}")
    for name in ("table", "tabular"):
        assert text.count(f"\\begin{{{name}}}") == text.count(f"\\end{{{name}}}") == 1
    widths = {line.count(" & ") for line in LATEX_ROWS.splitlines() if " & " in line}
    assert widths == {9}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(table, tmp_path):
    every = "".join(tables.LATEX)
    asked = question(question=f"Is every sign set? {every} 100 %, ½ of λ")
    source = (
        "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
        f"{tables.latex(table, asked)}\\end{{document}}\n"
    )
    (tmp_path / "paper.tex").write_text(source, "utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").exists()
