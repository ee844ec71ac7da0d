"""The command: `python -m sid_sweep.run search_spaces/lambda.yaml`.

Its words and what they mean. What it does lies behind `command`, which is loaded once the words are
understood: so Ctrl-C is one line at any moment.
"""

import argparse
import sys
from pathlib import Path

from sid_sweep.exits import EXIT_INTERRUPTED
from sid_sweep.places import STORAGE

DESCRIPTION = """\
Run a sweep of Score identity Distillation: train every arm at every seed, watch it live, and end
with a comparison table. To resume, run the same command again: what is done is not done again,
and a larger space runs only what is missing."""

EXAMPLES = """\
examples:
  python -m sid_sweep.run search_spaces/lambda.yaml              ask the question in a file
  python -m sid_sweep.run search_spaces/lambda.yaml --dry-run    show the plan, start nothing
  python -m sid_sweep.run search_spaces/lambda.yaml --name wide \\
      --set seeds='[0, 1, 2]' --set budget.images=800_000        the same question, asked otherwise
  python -m sid_sweep.run search_spaces/lambda.yaml \
      --set seeds.confirm=20 --until decided                     the best arms and the baseline on
                                                                 fresh seeds, until verdicts stand
  python -m sid_sweep.run --knobs generator                      what can be set under generator
  python -m sid_sweep.run --metrics                              what students can be judged by

then:
  mlflow ui                             curves, samples, parameters and weights of every run
  python -m analysis.compare lambda     table (Markdown, CSV, LaTeX), plots and runs.parquet

exit status: 0 all done; 1 some trials failed; 2 the input is wrong; 3 a limit was reached and
something is left to do; 130 interrupted.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m sid_sweep.run",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "space", nargs="?", type=Path, metavar="SPACE.yaml", help="the search space"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the plan and start nothing")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="PATH=VALUE",
        help="override a value, as if written in the file: a key of it (seeds='[0, 1]', "
        "resources.workers=2) or a fixed value of the trial (budget.images=100_000); repeatable",
    )
    parser.add_argument(
        "--until",
        choices=["spent", "decided"],
        help="decided: hand out the reported seeds in turn, and no more to an arm whose verdict "
        "against the baseline stands; short for --set seeds.until=...",
    )
    parser.add_argument("--name", help="another name for the sweep, its folder and its experiment")
    parser.add_argument(
        "--storage",
        type=Path,
        default=STORAGE,
        metavar="DIR",
        help="where sweeps, trained teachers and checkpoints lie (default: ./sweeps)",
    )
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow tracking server or database (default: MLflow's own, ./mlflow.db)",
    )
    parser.add_argument(
        "--replica",
        metavar="URI",
        help="have a copy of the sweep follow it there: any place that fsspec knows, such as "
        "s3://bucket/sweeps; where the sweep's folder is gone, it is taken from there",
    )
    parser.add_argument(
        "--address",
        metavar="ADDR",
        help="host:port of a running Ray cluster that this machine is a node of, or auto: that of "
        "this machine (default: start Ray on this machine, for this command alone)",
    )
    parser.add_argument(
        "--notify",
        action="append",
        default=[],
        metavar="WHOM",
        help="tell of the end, of a limit, a failure or an interruption, as JSON: a program's "
        "command, which reads it (no shell), or webhook:NAME, where the environment variable NAME "
        "holds an https address that it is posted to; repeatable",
    )
    parser.add_argument(
        "--knobs",
        nargs="?",
        const="",
        metavar="PREFIX",
        help="list every key of a search space and every knob of a trial with its type, default "
        "and meaning, and exit",
    )
    parser.add_argument(
        "--metrics",
        action="store_true",
        help="list every metric with what it means and what it does not see, and exit",
    )
    parser.add_argument(
        "--schema",
        action="store_true",
        help="print the JSON schema of a search space, for editors, and exit",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    argv = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(argv)
    try:
        from sid_sweep.command import obey

        return obey(options, argv)
    except KeyboardInterrupt:  # before there is a session, which takes signals itself
        print("interrupted, before a trial began", file=sys.stderr)
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
