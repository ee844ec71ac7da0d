"""LaTeX: golden rows, widths that fit a column of the page, and that it compiles."""

import re
import shutil
import subprocess

import pytest
from lambda_sweep import frame, question, report_of, rows, run_rows

from analysis.texts import latex, letters
from analysis.texts.latex import ONE_COLUMN, TWO_COLUMNS, narrow, table, text_width
from analysis.verdicts.arms import arms

METHODS = [
    "sid",
    "fgm",
    "sim",
    "diff_instruct",
    "sid_one_level",
    "dde",
    "kd",
    "progressive",
    "gan",
    "ddim_1",
    "ddim_5",
    "ddim_10",
    "ddim_50",
    "heun_10",
    "heun_25",
    "ddpm_50",
    "ddpm_1000",
]
LATEX_ROWS = r"""
    \toprule
    $\lambda$ & js & n & ratio & verdict &  \\
    \midrule
    0 & 28.0 [25.6, 30.6] & 3 & 17.5 [16.4, 18.7] & worse &  \\
    0.5 & 1.60 [1.37, 1.87] & 3 &  &  & baseline \\
    1 & \textbf{1.40 [1.17, 1.67]} & 3 & 0.875 [0.855, 0.894] & better & leads \\
    1.5 & 2, diverged, diverged & 1 &  & undecided & 2 of 3 diverged [9\%, 99\%] \\
    \bottomrule
"""


def lambda_table():
    return arms(frame(), question()), question()


def methods_table(num=17, **changes):
    """Arms with long names, four metrics, a cost and one that lost a seed."""
    knobs = {
        "scientific": ["method"],
        "baseline": {"method": "sid"},
        "columns": ["modes", "cost/nfe"],
    }
    asked = question(**(knobs | {"cost": "cost/nfe", "domains": {}} | changes))
    data = []
    for arm, name in enumerate((METHODS * 2)[:num]):
        for seed in range(3):
            lost = {"outcome": "diverged", "cause": "x"} if name == "gan" and seed == 1 else {}
            params = dict.fromkeys(asked.scientific, f"{name}{arm // 17 or ''}")
            final = None if lost else 1.0 + arm + 0.123 * seed * (1 + arm % 4)
            for row in run_rows(arm, seed, params, final=final, images=100_000 + arm, **lost):
                data.append({**row, "metric.cost/nfe": 1.0 + arm})
    return report_of(data, asked).arms, asked


def wide_table():
    """Four knobs with long paths."""
    knobs = ["generator.optim.lr", "fake_score.optim.lr", "batch.generator_fraction", "noise.kind"]
    return methods_table(20, scientific=knobs, baseline={})


CASES = {"lambda": lambda_table, "methods": methods_table, "four knobs": wide_table}


def test_golden_latex():
    text = table(*lambda_table())
    assert LATEX_ROWS in text
    assert r"\begin{tabular}{@{}rrrrll@{}}" in text
    assert r"\caption{In L2 - $\lambda$ L1, which $\lambda$ is best? Geometric mean js" in text
    assert r"\label{tab:lambda}" in text


def test_the_narrow_table_has_the_comparison_alone():
    text = narrow(*methods_table())
    header = next(line for line in text.splitlines() if "method & js" in line)
    header = header.replace(r"\hspace{0pt}", "")
    assert header == r"    method & js & n & ratio & verdict \\"
    assert text.count(" & undecided") + text.count(" & worse") == 16
    assert r"\label{tab:lambda-narrow}" in text


@pytest.mark.parametrize(("text", "points"), [("0.875", 22.78), ("verdict", 30.86), ("nm", 13.89)])
def test_widths_are_those_of_computer_modern(text, points):
    """Of cmr10 from its metrics, without kerning; a small font is cut 7.5 % less narrow at 9 pt."""
    assert text_width(text, 9.0) / 0.925 == pytest.approx(points, rel=0.06)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("page", [ONE_COLUMN, TWO_COLUMNS], ids=["one", "two"])
def test_it_fits_the_page(name, page):
    drawn, asked = CASES[name]()
    shown = latex._chosen(drawn, asked, page)
    kept, _ = latex.fitted(shown, page, asked)
    assert latex.width(kept, latex._font(kept, page)[1]) <= page.points + 1e-6
    titles = [column.title for column in kept]
    assert len(titles) >= len(asked.knobs) + 2
    assert asked.metric in titles


def test_what_has_no_room_goes_first_by_need():
    drawn, asked = methods_table()
    shown = latex._chosen(drawn, asked, ONE_COLUMN)
    kept, _ = latex.fitted(shown, latex.Page(300.0), asked)
    titles = [column.title for column in kept]
    assert {"method", "js", "n", "ratio", "verdict"} <= set(titles)
    assert not {"seconds", "images"} & set(titles)
    assert "seconds" in [column.title for column in shown]


def test_long_paths_are_short_and_named_in_the_caption():
    asked = question(scientific=["fake_score.optim.lr", "noise.kind"], baseline={}, domains={})
    data = run_rows(0, 0, {"fake_score.optim.lr": 0.1, "noise.kind": "vp"}, final=1.0)
    text = table(report_of(data, asked).arms, asked)
    assert "\n    lr & kind & " in text
    assert r"lr: fake\_score.optim.lr, kind: noise.kind." in text
    clash = question(scientific=["fake_score.optim.lr", "optim.lr"], baseline={}, domains={})
    data = run_rows(0, 0, {"fake_score.optim.lr": 0.1, "optim.lr": 0.2}, final=1.0)
    assert r"    fake\_score.optim.lr & optim.lr & " in table(report_of(data, clash).arms, clash)


def test_braces_and_environments_balance():
    asked = question(question="Is {a} # 1 ~ $5 ^ 2 < 3 & \\ 100 % of λ?")
    for dress in (table, narrow):
        text = dress(report_of(rows(), asked).arms, asked).replace(r"\{", "").replace(r"\}", "")
        assert text.count("{") == text.count("}")
        for name in ("table", "tabular"):
            assert text.count(f"\\begin{{{name}}}") == text.count(f"\\end{{{name}}}") == 1


NAMES = ["x₀√⅔", "größe <b>", "日本語", "[1, 2]", "*x*", "a\\nb | $c$", "two\nlines"]


def names_table():
    """Arms whose names are in letters of all sorts, one alone with a bracket where a row begins."""
    asked = question(scientific=["method"], baseline={}, domains={}, question="Ist 日 ∈ Ω, é ≠ ℓ?")
    data = [
        row for k, name in enumerate(NAMES) for row in run_rows(k, 0, {"method": name}, final=1)
    ]
    return report_of(data, asked).arms, asked


@pytest.mark.parametrize("dress", [table, narrow])
def test_a_row_may_begin_with_what_a_line_break_takes_for_an_option(dress):
    text = dress(*names_table())
    assert r"    {}[1, 2] & " in text
    assert r"    {}*x* & " in text


def test_what_latex_lacks_is_named_above_the_table():
    text = table(*names_table())
    first = text.splitlines()[0]
    assert first.startswith("% LaTeX lacks these letters")
    assert "U+65E5 CJK UNIFIED IDEOGRAPH-65E5" in first
    assert r"    {}[U+65E5][U+672C][U+8A9E] & " in text
    assert table(*lambda_table()).startswith("% needs")


def test_a_code_point_is_as_wide_as_it_is_written():
    assert text_width("日", 9.0) == text_width("[U+65E5]", 9.0)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("name", [*CASES, "names"])
@pytest.mark.parametrize(("dress", "option"), [(table, ""), (narrow, "[twocolumn]")])
def test_it_compiles_and_no_box_is_overfull(name, dress, option, tmp_path):
    drawn, asked = {**CASES, "names": names_table}[name]()
    every = " ".join([*letters.COMMANDS, *letters.SIGNS, "日本"])
    asked = question(**(vars(asked) | {"question": f"Is every sign set? {every} 100 %, ½ of λ"}))
    source = (
        f"\\documentclass{option}{{article}}\\usepackage{{booktabs}}\\begin{{document}}\n"
        f"{dress(drawn, asked)}\\end{{document}}\n"
    )
    (tmp_path / "paper.tex").write_text(source, "utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    wide = re.findall(r"Overfull .hbox .([\d.]+)pt", done.stdout)
    assert all(float(points) < 1 for points in wide), done.stdout[-2000:]
