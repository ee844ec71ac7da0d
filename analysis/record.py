"""What is known of a sweep beside its trials: the question's file, what ran it, pictures.

From the sweep's folder, from MLflow, or from the `provenance.json` that lies beside an exported
Parquet file; what a source does not know stays empty.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sid_sweep.spec import digest, plain
from sid_sweep.trials import SweepFolder
from sid_sweep.trials.mend import picture_trouble
from sid_sweep.trials.sweep_folder import FOREIGN

PROVENANCE = "provenance.json"
PARTS = ("data", "teacher")


@dataclass(frozen=True)
class Record:
    """Everything that a report says and that no trial's row holds."""

    sweep: Mapping[str, Any] = field(default_factory=dict)
    """The sweep as it was last run; {} where it is not known."""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256, by path as the sweep names it, of each file and folder that someone else made: data,
    teachers, weights of features."""
    runs: tuple[Mapping[str, Any], ...] = ()
    """Each command that ran trials: commit, versions, hardware."""
    pictures: Mapping[tuple[int, int], Path] = field(default_factory=dict)
    """Of each trial's last evaluation, by arm and seed."""
    data: Path | None = None
    """Real images, where all arms have the same."""
    warnings: tuple[str, ...] = ()
    """What is damaged and left out."""
    tracking_uri: str = ""
    experiment_id: str = ""
    """Where the runs are, in MLflow's words."""

    def provenance(self) -> dict[str, Any]:
        """What goes into `provenance.json`: the sweep's words with digests of them, what the files
        held that they name, and the runs."""
        fixed = self.sweep.get("fixed", {})
        digests = {name: digest(fixed[name]) for name in PARTS if isinstance(fixed.get(name), dict)}
        if self.sweep:
            digests["sweep"] = digest(dict(self.sweep))
        return {
            "digests": digests,
            "files": dict(self.files),
            "runs": list(self.runs),
            "sweep": dict(self.sweep),
        }


def from_folder(folder: SweepFolder) -> Record:
    """Of a sweep's own folder."""
    from sid_sweep.tracking import store_of

    sweep, values = folder.recorded()
    entries = folder.entries(sweep)
    drawn = {
        (entry.number, entry.seed): own[-1][1]
        for entry in entries
        if (own := entry.folder.pictures())
    }
    paths = {folder.data_picture(entry.trial.data) for entry in entries}
    data = (
        next((path for path in paths if path and path.exists()), None) if len(paths) == 1 else None
    )
    shown = [*drawn.values(), *([data] if data else [])]
    damaged = {path: what for path in shown if (what := picture_trouble(path))}
    uri, experiment_id = store_of(folder)
    return Record(
        plain(sweep),
        values.get(FOREIGN, {}),
        tuple(folder.commands()),
        {place: path for place, path in drawn.items() if path not in damaged},
        None if data in damaged else data,
        warnings=tuple(f"{path}: {what}; no sheet shows it" for path, what in damaged.items()),
        tracking_uri=uri,
        experiment_id=experiment_id,
    )


def from_tracking(sweep: str, uri: str) -> Record:
    """Of a sweep in MLflow. Its pictures stay there.

    Raises:
        ValueError: there is no such sweep, or the store cannot be read; one line.
    """
    from sid_sweep.tracking import read_record

    try:
        found = read_record(sweep, tracking_uri=uri)
    except LookupError as error:
        raise ValueError(error.args[0]) from error
    return Record(
        found.sweep,
        runs=(found.provenance,),
        tracking_uri=uri,
        experiment_id=found.experiment_id,
    )


def beside(export: Path) -> Record:
    """Of an exported Parquet file: from the `provenance.json` in its folder, if one is there.

    Raises:
        ValueError: there is one, and it is no such file.
    """
    path = export.with_name(PROVENANCE)
    if not path.exists():
        return Record()
    try:
        found = _json(path)
        return Record(dict(found["sweep"]), dict(found["files"]), tuple(found["runs"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: is no provenance of a sweep; delete it to go without") from error


def _json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))
