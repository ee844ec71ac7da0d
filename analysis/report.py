"""The command: `python -m analysis.report lambda` writes one file of HTML that can be sent."""

import argparse
import sys
from pathlib import Path

from analysis import inputs
from analysis.comparison import Comparison
from analysis.inputs import Studied
from analysis.record import Record
from analysis.texts import answer, html
from analysis.texts.methods import methods
from analysis.written import write_text
from sid_sweep.places import REPORTS

EXIT_INPUT = 2

DESCRIPTION = """\
Write a report of one or several sweeps: question, answer with its certainty, table, warnings,
plots, samples, methods, provenance and runs, in one HTML file that needs no network and can be
mailed. A sweep that is not done is marked preliminary."""

EPILOG = """\
examples:
  python -m analysis.report lambda
  python -m analysis.report lambda methods --out sid.html
  python -m analysis.report lambda --tracking-uri http://localhost:5000     with links to the runs
  python -m analysis.report --from reports/lambda/runs.parquet

exit status: 0 done; 2 the input is wrong. The same trials give the same bytes.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis.report",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    inputs.add_sources(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where to write (default: reports/SWEEP.html, of several reports/report.html)",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = parser().parse_args(arguments)
    try:
        found = inputs.studied(options)
        names = [own.comparison.question.sweep for own in found]
        default = REPORTS / f"{names[0] if len(names) == 1 else 'report'}.html"
        out = options.out or default
        if out.is_dir():
            raise ValueError(f"--out {out}: is a folder; name a file")
        text = html.page([section(own) for own in found])
        write_text(out, text)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_INPUT
    for own in found:
        print(f"{own.comparison.question.sweep}: {' '.join(_answer(own.comparison))}")
    print(f"{out}: {len(text.encode()) / 1e6:.1f} MB")
    return 0


def section(own: Studied) -> html.Section:
    """All that the report says of one sweep."""
    comparison, record = own.comparison, own.record
    frame, arms, question = comparison.frame, comparison.arms, comparison.question
    return html.Section(
        question=question,
        arms=arms,
        answer=_answer(comparison),
        warnings=(*comparison.warnings, *record.warnings),
        preliminary=comparison.preliminary,
        pictures=_pictures(comparison, record),
        methods=methods(frame, arms, question, record),
        expected=str(record.sweep.get("expect", "")),
        provenance=record.provenance(),
        runs=_runs(comparison, record),
    )


def _answer(comparison: Comparison) -> list[str]:
    found = answer.answer(comparison.arms, comparison.question)
    if comparison.preliminary:
        found[0] = f"Preliminary, as not all trials have ended: {found[0]}"
    return found


def _pictures(comparison: Comparison, record: Record) -> list[html.Picture]:
    # matplotlib takes a second to load: not before the input has proved right
    from analysis.plots import canvas, figures, sheet

    frame, arms, question = comparison.frame, comparison.arms, comparison.question
    drawn = dict(figures.captioned(frame, arms, question))
    samples = sheet.sheet_figure(frame, arms, question, record.pictures, data=record.data)
    if samples is not None:
        drawn["Samples of each arm's student at its last evaluation"] = samples
    return [html.Picture(text, canvas.render(own, kind="png")) for text, own in drawn.items()]


def _runs(comparison: Comparison, record: Record) -> list[dict[str, str]]:
    from sid_sweep.tracking import address_of_run

    finals = comparison.frame[comparison.frame["final"]]
    where = {"uri": record.tracking_uri, "experiment_id": record.experiment_id}
    return [
        {
            "arm": str(trial["arm"]),
            "seed": str(trial["seed"]),
            "outcome": trial["outcome"],
            "trial": trial["trial"],
            "run": trial["run_id"],
            "address": address_of_run(trial["run_id"], **where) if trial["run_id"] else "",
        }
        for _, trial in finals.iterrows()
    ]


if __name__ == "__main__":
    sys.exit(main())
