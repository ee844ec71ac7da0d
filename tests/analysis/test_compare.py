"""The command on an exported file, as a user runs it."""

import subprocess
import sys
from pathlib import Path

import pytest
from lambda_sweep import frame, question, report_of, rows, sweep_of

from analysis.compare import main
from analysis.frame import tidy, write_parquet

ROOT = Path(__file__).parents[2]
PLOTS = ("js_vs_loss_lambda", "curves", "curves_seconds", "slopes")
FILES = {
    "table.md",
    "table.csv",
    "table.tex",
    "table-narrow.tex",
    "table.html",
    "methods.tex",
    "provenance.json",
    "runs.parquet",
    *(f"{stem}.{kind}" for stem in PLOTS for kind in ("png", "pdf")),
}


@pytest.fixture
def parquet(tmp_path):
    path = tmp_path / "runs.parquet"
    write_parquet(frame(), question(), path)
    return path


def compare(*arguments, cwd):
    command = [sys.executable, "-m", "analysis.compare", *map(str, arguments)]
    path = {"PYTHONPATH": str(ROOT), "PATH": "", "HOME": str(cwd)}
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, encoding="utf-8",
        env=path | {"PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_writes_everything_and_says_what_it_found(parquet, tmp_path):
    done = compare("lambda", "--from", parquet, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    folder = tmp_path / "reports" / "lambda"
    assert set(contents(folder)) == FILES
    for name in FILES:
        assert f"reports/lambda/{name}" in done.stdout
    report = report_of(rows(), question())
    assert (folder / "table.md").read_text("utf-8") == report.markdown()
    assert report.question.question in done.stdout
    assert "1.40 [1.17, 1.67]" in done.stdout
    for warning in report.warnings:
        assert f"warning: {warning}" in done.stdout


@pytest.mark.slow
def test_a_report_of_a_report_is_the_same_report(parquet, tmp_path, capsys):
    assert main(["--from", str(parquet), "--out", str(tmp_path / "a")]) == 0
    again = ["--from", str(tmp_path / "a" / "runs.parquet"), "--out", str(tmp_path / "b")]
    assert main(again) == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.slow
def test_of_several_sweeps_each_has_its_folder(parquet, tmp_path, capsys):
    asked = question(sweep="other")
    write_parquet(tidy([r | {"sweep": "other"} for r in rows()], asked), asked, tmp_path / "b")
    both = ["--from", str(parquet), "--from", str(tmp_path / "b")]
    assert main([*both, "--out", str(tmp_path / "out")]) == 0
    for name in ("lambda", "other"):
        assert set(contents(tmp_path / "out" / name)) == FILES


def test_markdown_holds_question_table_and_warnings():
    report = report_of(rows(), question())
    text = report.markdown()
    assert text.startswith(f"**{report.question.question}**\n\n| λ |")
    assert report.warnings
    assert all(f"\n- {warning}\n" in text for warning in report.warnings)


def test_bad_input_is_one_line_and_status_2(parquet, tmp_path, capsys):
    write_parquet(tidy(sweep_of({0.5: (float("nan"),)}), question()), question(), tmp_path / "nan")
    for arguments, message in (
        ([], "name a sweep"),
        (["--from", tmp_path / "none"], "there is no such file"),
        (["--from", tmp_path], "it is no Parquet file"),
        (["other", "--from", parquet], "holds sweep lambda, not other"),
        (["--from", parquet, "--out", parquet], "is a file; name a folder"),
        (["--from", tmp_path / "nan"], "arm 0, seed 0 finished with js = nan"),
    ):
        assert main([str(argument) for argument in arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("error: ")
        assert captured.err.count("\n") == 1
        assert message in captured.err


def test_a_file_that_cannot_be_written_is_named_in_one_line_and_the_one_before_stays(
    parquet, tmp_path, capsys, monkeypatch
):
    out = tmp_path / "out"
    out.mkdir()
    (out / "table.csv").write_text("of yesterday")
    write = Path.write_text

    def breaks(self, text, *arguments, **options):
        write(self, text[: len(text) // 2], *arguments, **options)
        if self.name.startswith(".table.csv"):
            raise OSError(5, "Input/output error")
        return write(self, text, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", breaks)
    assert main(["--from", str(parquet), "--out", str(out)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        f"error: {out / 'table.csv'}: cannot be written ([Errno 5] Input/output error)\n"
    )
    assert (out / "table.csv").read_text() == "of yesterday"
    assert set(contents(out)) == {"table.md", "table.csv"}


@pytest.mark.parametrize("name", ["runs.parquet", "slopes.pdf"])
def test_a_folder_in_the_place_of_a_file_is_named(parquet, tmp_path, capsys, name):
    path = tmp_path / "out" / name
    path.mkdir(parents=True)
    assert main(["--from", str(parquet), "--out", str(path.parent)]) == 2
    told = capsys.readouterr().err
    assert told == f"error: {path}: is a folder, not a file; move it away\n"


def test_an_unknown_sweep_is_one_line_and_status_2(tmp_path):
    done = compare("nosuch", "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db", cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: no sweep 'nosuch'")


def test_help_suffices(tmp_path):
    done = compare("--help", cwd=tmp_path)
    assert done.returncode == 0
    for word in ("SWEEP", "--tracking-uri", "--from", "--out", "exit status", "table-narrow.tex"):
        assert word in done.stdout


@pytest.mark.slow
def test_an_exported_file_needs_no_mlflow(parquet, tmp_path):
    code = (
        "import sys; from analysis.compare import main\n"
        f"assert main(['--from', {str(parquet)!r}, '--out', {str(tmp_path / 'out')!r}]) == 0\n"
        "assert not {'mlflow', 'ray', 'optuna', 'torch', 'matplotlib.pyplot'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
