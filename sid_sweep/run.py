"""The command: `python -m sid_sweep.run search_spaces/lambda.yaml`.

Reads and checks the search space with the light `spec` room alone; torch, ray, optuna and mlflow
are loaded only once there is something to run.
"""

import argparse
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from sid_sweep.activity import Activity
from sid_sweep.files import Damaged, DiskFull, told_if_full
from sid_sweep.screen import say
from sid_sweep.spec import SpecError, Sweep, load
from sid_sweep.spec.reader import stated_cost

if TYPE_CHECKING:
    from sid_sweep.trials import SweepFolder

EXIT_FAILED, EXIT_INPUT, EXIT_INTERRUPTED = 1, 2, 130
TABLE_WIDTH = 160  # columns that a table of five needs
PROSE = ("meaning", "limit")
PIPE_WIDTH = 400  # of what is written to a file or a pipe; nothing is cut there

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

exit status: 0 all done; 1 some trials failed; 2 the input is wrong; 130 interrupted.
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
        default=Path("sweeps"),
        metavar="DIR",
        help="where sweeps, trained teachers and checkpoints lie (default: ./sweeps)",
    )
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow tracking server or database (default: MLflow's own, ./mlflow.db)",
    )
    parser.add_argument(
        "--address",
        metavar="ADDR",
        help="host:port of a running Ray cluster that this machine is a node of, or auto: that of "
        "this machine (default: start Ray on this machine, for this command alone)",
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
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    if options.knobs is not None:
        return _print_knobs(console, options.knobs)
    if options.schema:
        from sid_sweep.spec.schema import schema_text

        sys.stdout.write(schema_text())
        return 0
    if options.metrics:
        return _print_metrics(console)
    try:
        if options.space is None:
            raise SpecError("no search space given; try search_spaces/lambda.yaml, or --help")
        sweep = _load(options)
        return _run(sweep, options, argv, Activity(console))
    except (SpecError, Damaged) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_INPUT
    except DiskFull as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:  # before there is a session, which takes signals itself
        print("interrupted, before a trial began", file=sys.stderr)
        return EXIT_INTERRUPTED


def _load(options: argparse.Namespace) -> Sweep:
    overrides = list(options.overrides)
    if options.until is not None:
        overrides.append(f"seeds.until={options.until}")
    if options.name is not None:
        overrides.append(f"sweep={options.name}")
    if options.storage.exists() and not options.storage.is_dir():
        raise SpecError(f"--storage {options.storage}: is a file; name a folder")
    try:
        return load(options.space, overrides)
    except SpecError as error:  # as it was typed
        told = str(error).replace(f"--set sweep={options.name}", f"--name {options.name}")
        told = told.replace(f"--set seeds.until={options.until}", f"--until {options.until}")
        raise SpecError(told) from None


def _run(sweep: Sweep, options: argparse.Namespace, argv: list[str], activity: Activity) -> int:
    from sid_sweep.plan import make_plan
    from sid_sweep.trials import SweepFolder, agreement

    console, folder = activity.console, SweepFolder(options.storage / sweep.sweep)
    with activity.doing("looking at what is there"):
        if folder.path.is_dir() and not options.dry_run:
            _mend(folder, sweep, console)
        agreement.check(folder, sweep)
        plan = make_plan(sweep, folder, address=options.address)
    if options.dry_run:
        console.print(plan.render(dry_run=True, stated=stated_cost(options.space)))
        return 0
    console.print(plan.render(dry_run=False))

    with activity.doing("loading libraries"):
        from sid_sweep.session import (
            Session,
            check_cluster,
            check_store,
            check_teachers,
            decode_pictures,
        )

        check_store(options.tracking_uri)
    check_cluster(plan, options.address, activity=activity)
    if not decode_pictures(plan, activity=activity):
        return EXIT_INTERRUPTED
    check_teachers(plan, activity=activity)
    command = shlex.join(["python", "-m", "sid_sweep.run", *argv])
    with folder.sole_driver(), told_if_full(folder.path):
        agreement.agree(folder, sweep)
        session = Session(
            plan,
            activity=activity,
            command=command,
            report=_report_command(sweep, options),
            tracking_uri=options.tracking_uri,
        )
        return session.run(address=options.address)


def _mend(folder: "SweepFolder", sweep: Sweep, console: Console) -> None:
    """What is damaged is named and set aside before anything is read."""
    from sid_sweep.search import mend

    with folder.sole_driver():
        for line in mend(folder, sweep):
            say(console, Text.assemble("  ", ("!", "yellow"), " "), line)


def _report_command(sweep: Sweep, options: argparse.Namespace) -> str:
    """What compares the arms, with the places that this command was given."""
    words = ["python", "-m", "analysis.compare", sweep.sweep]
    if options.storage != parser().get_default("storage"):
        words += ["--storage", str(options.storage)]
    if options.tracking_uri is not None:
        words += ["--tracking-uri", options.tracking_uri]
    return shlex.join(words)


def _print_knobs(console: Console, prefix: str) -> int:
    from sid_sweep.spec.knobs import manual, nearest

    listed = list(manual())
    found = [knob for knob in listed if knob.path.startswith(prefix)]
    if not found:
        names = sorted({knob.path for knob in listed} | {k.path.split(".")[0] for k in listed})
        hint = nearest(prefix, names)
        print(f"error: --knobs {prefix}: no knob begins like that{hint}", file=sys.stderr)
        return EXIT_INPUT
    rows = [
        (
            knob.path,
            knob.type,
            "" if knob.default is None else str(knob.default),
            ", ".join(f"{union}={kind}" for union, kind in knob.kinds),
            knob.doc,
        )
        for knob in found
    ]
    return _print_table(console, ("knob", "type", "default", "where", "meaning"), rows)


def _print_metrics(console: Console) -> int:
    from sid_sweep.spec.metrics import metrics

    return _print_table(console, ("metric", "where", "range", "meaning", "limit"), metrics())


def _print_table(console: Console, titles: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    if console.width < TABLE_WIDTH:  # a line of figures, and below it what they mean
        for row in rows:
            words = {title: cell for title, cell in zip(titles, row, strict=True) if cell}
            prose = [words.pop(title) for title in PROSE if title in words]
            name = Text("  ").append(words.pop(titles[0]), style="bold")
            facts = "   ".join(f"{title} {cell}" for title, cell in words.items())
            console.print(name.append(f"   {facts}" if facts else "", style="dim not bold"))
            console.print(Padding(Text("\n".join(prose)), (0, 0, 0, 6)))
        return 0
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # what stands in brackets is no markup
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
