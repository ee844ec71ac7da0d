"""Where a sweep is read from: its folder, MLflow, or an exported Parquet file. All three give the
same frame.

The one file here that knows the rest of the program: folders and trackers are read with the code
that wrote them.
"""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from analysis.frame import read_parquet, tidy
from analysis.question import Question
from sid_sweep.files import Damaged
from sid_sweep.places import REPORTS, STORAGE
from sid_sweep.spec.names import sweep_name
from sid_sweep.trials import SweepFolder, sweeps_in
from sid_sweep.trials.derived import unlisted
from sid_sweep.trials.rows import rows_of

EXPORT = "runs.parquet"


class Source(NamedTuple):
    """A sweep's trials and its question."""

    frame: pd.DataFrame
    question: Question


def find(
    sweep: str,
    *,
    storage: Path = STORAGE,
    tracking_uri: str | None = None,
    reports: Path = REPORTS,
) -> Source:
    """A sweep by its name: from MLflow if a URI is given, else from its folder below `storage`,
    else from an earlier report.

    Raises:
        ValueError: there is no such sweep, or what is there breaks the schema; one line.
    """
    sweep_name(sweep)
    if tracking_uri is not None:
        return from_tracking(sweep, tracking_uri)
    folder, export = SweepFolder(storage / sweep), reports / sweep / EXPORT
    if folder.exists():
        return from_folder(folder)
    if export.exists():
        return from_parquet(export)
    known = sweeps_in(storage)
    hint = f"; there are {', '.join(known)}" if known else ""
    raise ValueError(
        f"no sweep {sweep!r}: there is neither {folder.path} nor {export}{hint}; "
        "name its place with --storage, --tracking-uri or --from"
    )


def from_folder(folder: SweepFolder) -> Source:
    """A sweep from its own folder: the truth, also while it trials.

    Raises:
        Damaged: what it holds is not what was written there.
    """
    from sid_sweep.tracking import run_ids

    sweep, begun = folder.sweep(), folder.trials_like("")
    entries = folder.entries(sweep)
    if begun and not entries:
        raise Damaged(folder.numbering, "names no arm, and there are trials")
    if lost := unlisted(begun, entries, sweep):
        raise Damaged(folder.numbering, f"lacks arms that have trials, such as {lost[0]}")
    question = Question.from_outline(sweep.outline())
    found = rows_of(sweep.sweep, entries, run_ids(folder))
    return Source(tidy(found, question), question)


def from_tracking(sweep: str, uri: str) -> Source:
    """A sweep from an MLflow server or database."""
    from sid_sweep.tracking import read_sweep

    try:
        found, outline = read_sweep(sweep, tracking_uri=uri)
    except LookupError as error:
        raise ValueError(error.args[0]) from error
    question = Question.from_outline(outline)
    return Source(tidy(found, question), question)


def from_parquet(path: Path) -> Source:
    """A sweep from what an earlier report exported."""
    return Source(*read_parquet(path))
