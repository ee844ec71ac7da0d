"""The command: `python -m analysis.compare lambda` turns a sweep's trials into tables and plots."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from analysis import sources, trace
from analysis.comparison import Comparison, make_comparison
from analysis.frame import write_parquet

EXIT_INPUT = 2
PIPE_WIDTH = 400  # a table in a file must not be cut to the width of no terminal

DESCRIPTION = """\
Compare the arms of a sweep: means over seeds with their 95 % intervals, each arm against the
baseline on shared seeds with a verdict, cost, failed and diverged trials counted, and warnings
where the figures do not carry the conclusion. Read from the sweep's own folder, unless told
otherwise."""

EPILOG = """\
writes into DIR:
  table.md, table.csv, table.tex      the comparison (LaTeX needs booktabs)
  runs.parquet                        a row per arm, seed and evaluation; all else follows from it
  <metric>_vs_<knob>.png, .pdf        the metric against each scientific knob
  curves.png, .pdf                    the metric while training (one plot per scientific knob)

examples:
  python -m analysis.compare lambda
  python -m analysis.compare lambda --tracking-uri http://localhost:5000 --out paper/tables
  python -m analysis.compare lambda --trace 'λ = 0.5:ratio'           which runs made a number
  python -m analysis.compare --from reports/lambda/runs.parquet       without the sweep's folder

exit status: 0 done; 2 the input is wrong. The same trials give the same bytes.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis.compare",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sweep", nargs="?", metavar="SWEEP", help="name of the sweep")
    parser.add_argument(
        "--storage",
        type=Path,
        default=sources.STORAGE,
        metavar="DIR",
        help="where sweeps lie (default: ./sweeps)",
    )
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="read from this MLflow server or database, such as sqlite:///mlflow.db, instead",
    )
    parser.add_argument(
        "--from",
        type=Path,
        dest="parquet",
        metavar="FILE",
        help="read an exported runs.parquet instead",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write (default: reports/SWEEP)"
    )
    parser.add_argument(
        "--trace",
        metavar="CELL",
        help="write nothing, and say which runs made a number: ARM or ARM:COLUMN, such as "
        "'λ = 0.5', 3 (an arm by its number) or 3:modes",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = parser().parse_args(arguments)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    try:
        report = read(options)
        if options.trace is not None:
            found = trace.trace(options.trace, report.frame, report.arms, report.question)
            folder = trace.folder_of(options.storage, report.question)
            console.print(trace.terminal(found, folder=folder))
            return 0
        out = options.out or sources.REPORTS / report.question.sweep
        paths = write(report, out)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_INPUT
    show(report, console)
    console.print("\n".join(f"  {path}" for path in paths), style="dim", soft_wrap=True)
    return 0


def read(options: argparse.Namespace) -> Comparison:
    """The report of the sweep that the command line names.

    Raises:
        ValueError: there are no such trials, or they break the schema.
    """
    if options.parquet is not None:
        source = sources.from_parquet(options.parquet)
        if options.sweep not in (None, source.question.sweep):
            named = source.question.sweep
            raise ValueError(f"{options.parquet}: holds sweep {named}, not {options.sweep}")
        return make_comparison(*source)
    if options.sweep is None:
        raise ValueError("name a sweep, such as lambda, or a file with --from; see --help")
    found = sources.find(options.sweep, storage=options.storage, tracking_uri=options.tracking_uri)
    return make_comparison(*found)


def write(report: Comparison, out: Path) -> list[Path]:
    """All files of a report; returns their paths."""
    # matplotlib takes a second to load: not before the input has proved right
    from analysis import canvas, plots

    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out}: is a file; name a folder")
    out.mkdir(parents=True, exist_ok=True)
    texts = {"table.md": report.markdown(), "table.csv": report.csv(), "table.tex": report.latex()}
    paths = [out / name for name in (*texts, sources.EXPORT)]
    for name, text in texts.items():
        (out / name).write_text(text, "utf-8", newline="\n")
    write_parquet(report.frame, report.question, out / sources.EXPORT)
    for stem, figure in plots.figures(report.frame, report.arms, report.question).items():
        for kind in canvas.FILE_KINDS:
            paths.append(out / f"{stem}.{kind}")
            paths[-1].write_bytes(canvas.render(figure, kind=kind))
    return paths


def show(report: Comparison, console: Console) -> None:
    """Question, table and warnings on a console."""
    console.print(f"\n  {report.question.question}\n", markup=False)
    console.print(report.terminal())
    for warning in report.warnings:
        console.print(f"\n  warning: {warning}", style="yellow", markup=False, soft_wrap=True)
    console.print()


if __name__ == "__main__":
    sys.exit(main())
