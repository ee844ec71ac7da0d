"""What the command does with its words: print a manual, or check a space, show the plan and run it.

The space is read and checked with the light `spec` room alone; torch, ray, optuna and mlflow are
loaded only once there is something to run.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from sid_sweep.activity import Activity
from sid_sweep.exits import EXIT_FAILED, EXIT_INPUT
from sid_sweep.files import Damaged, DiskFull, Unwritable, told_if_full
from sid_sweep.places import STORAGE
from sid_sweep.screen import say
from sid_sweep.spec import SpecError, Sweep, load
from sid_sweep.spec.reader import stated_cost

if TYPE_CHECKING:
    from sid_sweep.notify import Listener
    from sid_sweep.trials import SweepFolder

PIPE_WIDTH = 400  # of what is written to a file or a pipe; nothing is cut there


def obey(options: argparse.Namespace, argv: Sequence[str]) -> int:
    """Do what the words say; returns the exit status."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    try:
        if options.knobs is not None or options.metrics or options.schema:
            return _print(options, console)
        if options.space is None:
            raise SpecError("no search space given; try search_spaces/lambda.yaml, or --help")
        return _run(_load(options), options, argv, Activity(console))
    except (SpecError, Damaged, Unwritable) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_INPUT
    except DiskFull as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED


def _print(options: argparse.Namespace, console: Console) -> int:
    from sid_sweep import manual

    if options.knobs is not None:
        manual.print_knobs(console, options.knobs)
    elif options.metrics:
        manual.print_metrics(console)
    else:
        from sid_sweep.spec.schema import schema_text

        sys.stdout.write(schema_text())
    return 0


def _load(options: argparse.Namespace) -> Sweep:
    overrides = list(options.overrides)
    if options.until is not None:
        overrides.append(f"seeds.until={options.until}")
    if options.name is not None:
        overrides.append(f"sweep={options.name}")
    _check_storage(options.storage)
    try:
        return load(options.space, overrides)
    except SpecError as error:  # as it was typed
        told = str(error).replace(f"--set sweep={options.name}", f"--name {options.name}")
        told = told.replace(f"--set seeds.until={options.until}", f"--until {options.until}")
        raise SpecError(told) from None


def _check_storage(storage: Path) -> None:
    try:
        is_file = storage.exists() and not storage.is_dir()
    except OSError as error:  # not even to be looked at
        raise SpecError(f"--storage {storage}: {error.strerror}; name another place") from None
    if is_file:
        raise SpecError(f"--storage {storage}: is a file; name a folder")


def _run(sweep: Sweep, options: argparse.Namespace, argv: Sequence[str], activity: Activity) -> int:
    from sid_sweep.plan import make_plan
    from sid_sweep.trials import SweepFolder, agreement

    listeners = _listeners(options.notify)
    console, folder = activity.console, SweepFolder(options.storage / sweep.sweep)
    if options.replica is not None and not options.dry_run:
        from sid_sweep import preparation

        preparation.restore_folder(folder, options.replica, activity=activity)
    with activity.doing("looking at what is there"):
        if folder.path.is_dir() and not options.dry_run:
            _mend(folder, sweep, console)
        agreement.check(folder, sweep)
        _say_earlier(folder, sweep, console)
        plan = make_plan(sweep, folder, address=options.address)
    if options.dry_run:
        console.print(plan.render(dry_run=True, stated=stated_cost(options.space)))
        return 0
    console.print(plan.render(dry_run=False))

    with activity.doing("loading libraries"):
        from sid_sweep import preparation
        from sid_sweep.session import Session

        preparation.check_store(options.tracking_uri)
    preparation.check_cluster(plan, options.address, activity=activity)
    if status := preparation.decode_pictures(plan, activity=activity):
        return status
    preparation.check_teachers(plan, activity=activity)
    command = shlex.join(["python", "-m", "sid_sweep.run", *argv])
    with folder.sole_driver(), told_if_full(folder.path):
        agreement.agree(folder, sweep)
        session = Session(
            plan,
            activity=activity,
            command=command,
            report=_report_command(sweep, options),
            tracking_uri=options.tracking_uri,
            replica=options.replica,
            listeners=listeners,
        )
        return session.run(address=options.address)


def _listeners(named: Sequence[str]) -> "list[Listener]":
    if not named:
        return []
    from sid_sweep.notify import listener

    try:
        return [listener(text) for text in named]
    except ValueError as error:
        raise SpecError(f"--notify: {error}") from None


def _mend(folder: "SweepFolder", sweep: Sweep, console: Console) -> None:
    """What is damaged is named and set aside before anything is read."""
    from sid_sweep.search import mend

    with folder.sole_driver():
        for line in mend(folder, sweep):
            say(console, Text.assemble("  ", ("!", "yellow"), " "), line)


def _say_earlier(folder: "SweepFolder", sweep: Sweep, console: Console) -> None:
    """What the sampler learns from another sweep, if it does, before anything is created. A sweep
    that was begun has learnt it, whatever became of the other."""
    if getattr(sweep.search, "from_", None) is not None and not folder.exists():
        from sid_sweep.search import earlier

        say(console, Text("  "), str(earlier(sweep, folder)))


def _report_command(sweep: Sweep, options: argparse.Namespace) -> str:
    """What compares the arms, with the places that this command was given."""
    words = ["python", "-m", "analysis.compare", sweep.sweep]
    if options.storage != STORAGE:
        words += ["--storage", str(options.storage)]
    if options.tracking_uri is not None:
        words += ["--tracking-uri", options.tracking_uri]
    return shlex.join(words)
