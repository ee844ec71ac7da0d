"""The command: `python -m analysis.compare lambda` turns a sweep's trials into tables and plots."""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from analysis import inputs, record, sources, trace
from analysis.frame import write_parquet
from analysis.inputs import Studied
from analysis.texts.methods import methods_latex
from analysis.written import write_bytes, write_text, write_whole
from sid_sweep.places import REPORTS

EXIT_INPUT = 2
PIPE_WIDTH = 400  # a table in a file must not be cut to the width of no terminal

DESCRIPTION = """\
Compare the arms of a sweep: means over seeds with their 95 % intervals, each arm against the
baseline on shared seeds with a verdict, cost, failed and diverged trials counted, and warnings
where the figures do not carry the conclusion. Read from the sweep's own folder, unless told
otherwise."""

EPILOG = """\
writes into DIR:
  table.{md,csv,tex,html}             the comparison (LaTeX needs booktabs)
  table-narrow.tex                    the same for a page of two columns
  runs.parquet                        a row per arm, seed and evaluation
  methods.tex, provenance.json        how it was done, by which code, on what
  <metric>_vs_<knob>.png, .pdf        the metric against each scientific knob
  curves.png, curves_seconds.png      the metric while training, for each scientific knob
  slopes.png, pareto.png, samples.png each seed from the baseline to each arm; quality against
                                      cost; what the students draw (from the sweep's folder)

examples:
  python -m analysis.compare lambda
  python -m analysis.compare lambda --tracking-uri http://localhost:5000 --out paper/tables
  python -m analysis.compare lambda methods                          a folder for each
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
    inputs.add_sources(parser)
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
        found = inputs.studied(options)
        if options.trace is not None:
            console.print(traced(found, options))
            return 0
        places = [folder_of(own, options.out, num=len(found)) for own in found]
        written = [write(own, out) for own, out in zip(found, places, strict=True)]
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_INPUT
    for own, paths in zip(found, written, strict=True):
        show(own, console)
        console.print("\n".join(f"  {path}" for path in paths), style="dim", soft_wrap=True)
    return 0


def traced(found: list[Studied], options: argparse.Namespace) -> Table:
    """The runs behind the cell that the command line names.

    Raises:
        ValueError: there are several sweeps, or there is no such cell.
    """
    if len(found) > 1:
        raise ValueError(f"--trace {options.trace}: a cell is of one sweep; name one")
    own = found[0].comparison
    cell = trace.trace(options.trace, own.frame, own.arms, own.question)
    return trace.terminal(cell, folder=trace.folder_of(options.storage, own.question))


def folder_of(own: Studied, out: Path | None, *, num: int) -> Path:
    """Where the files of a sweep go: of several sweeps, each has a folder of its own."""
    name = own.comparison.question.sweep
    if out is None:
        return REPORTS / name
    return out if num == 1 else out / name


def write(own: Studied, out: Path) -> list[Path]:
    """All files of a comparison; returns their paths."""
    # matplotlib takes a second to load: not before the input has proved right
    from analysis.plots import canvas, figures, sheet

    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out}: is a file; name a folder")
    out.mkdir(parents=True, exist_ok=True)
    comparison, known = own.comparison, own.record
    frame, arms, question = comparison.frame, comparison.arms, comparison.question
    texts = {
        "table.md": comparison.markdown(),
        "table.csv": comparison.csv(),
        "table.tex": comparison.latex(),
        "table-narrow.tex": comparison.latex_narrow(),
        "table.html": comparison.html(),
        "methods.tex": methods_latex(frame, arms, question, known),
        record.PROVENANCE: json.dumps(known.provenance(), indent=1, ensure_ascii=False) + "\n",
    }
    paths = [write_text(out / name, text) for name, text in texts.items()]
    export = out / sources.EXPORT
    paths.append(write_whole(export, lambda partial: write_parquet(frame, question, partial)))
    drawn = figures.draw_all(frame, arms, question)
    samples = sheet.sheet_figure(frame, arms, question, known.pictures, data=known.data)
    if samples is not None:
        drawn["samples"] = samples
    for stem, figure in drawn.items():
        for kind in canvas.FILE_KINDS:
            content = canvas.render(figure, kind=kind)
            paths.append(write_bytes(out / f"{stem}.{kind}", content))
    return paths


def show(own: Studied, console: Console) -> None:
    """Question, table and warnings on a console."""
    report = own.comparison
    console.print(f"\n  {report.question.question}\n", markup=False)
    console.print(report.terminal())
    for warning in (*report.warnings, *own.record.warnings):
        console.print(f"\n  warning: {warning}", style="yellow", markup=False, soft_wrap=True)
    console.print()


if __name__ == "__main__":
    sys.exit(main())
