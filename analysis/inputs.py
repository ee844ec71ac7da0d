"""Which sweeps a command of this package is about, and where they are read from."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from analysis import record, sources
from analysis.comparison import Comparison, make_comparison
from analysis.record import Record
from sid_sweep.places import REPORTS, STORAGE
from sid_sweep.trials import SweepFolder


@dataclass(frozen=True)
class Studied:
    """A sweep with all that is known of it."""

    comparison: Comparison
    record: Record


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Arguments that name sweeps and their place."""
    parser.add_argument("sweeps", nargs="*", metavar="SWEEP", help="names of sweeps")
    parser.add_argument(
        "--storage",
        type=Path,
        default=STORAGE,
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
        dest="parquets",
        action="append",
        default=[],
        metavar="FILE",
        help="read an exported runs.parquet instead; once for each sweep",
    )


def studied(options: argparse.Namespace) -> list[Studied]:
    """The sweeps that the command line names, in its order.

    Raises:
        ValueError: there are no such trials, or they break the schema; one line.
    """
    found = list(_from_files(options) if options.parquets else _by_name(options))
    names = [own.comparison.question.sweep for own in found]
    if not found:
        raise ValueError("name a sweep, such as lambda, or a file with --from; see --help")
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"sweep {twice[0]} is named twice; once is enough")
    return found


def _from_files(options: argparse.Namespace) -> Iterator[Studied]:
    for path in options.parquets:
        source = sources.from_parquet(path)
        name = source.question.sweep
        if options.sweeps and name not in options.sweeps:
            raise ValueError(f"{path}: holds sweep {name}, not {', '.join(options.sweeps)}")
        yield Studied(make_comparison(*source), record.beside(path))


def _by_name(options: argparse.Namespace) -> Iterator[Studied]:
    for name in options.sweeps:
        found = sources.find(name, storage=options.storage, tracking_uri=options.tracking_uri)
        yield Studied(make_comparison(*found), _record(name, options))


def _record(name: str, options: argparse.Namespace) -> Record:
    if options.tracking_uri is not None:
        return record.from_tracking(name, options.tracking_uri)
    folder = SweepFolder(options.storage / name)
    if folder.exists():
        return record.from_folder(folder)
    return record.beside(REPORTS / name / sources.EXPORT)
