"""What a tracked sweep says of itself beside its trials: its file, and what ran it."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from sid_sweep.files import read_json
from sid_sweep.trials.sweep_folder import RECORD

from .client import connect, redact
from .store import TAG


class Recorded(NamedTuple):
    """A sweep as a store has it."""

    sweep: dict[str, Any]
    """As it was last run."""
    provenance: dict[str, Any]
    experiment_id: str
    """MLflow's, of the pages of its runs."""


def read_record(name: str, *, tracking_uri: str) -> Recorded:
    """The newest sweep of that name.

    Raises:
        LookupError: there is no such sweep, or the store cannot be read; one line.
    """
    client = connect(tracking_uri)
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            raise LookupError(f"no sweep {name!r} in {redact(tracking_uri)}")
        level, newest = f"tags.`{TAG}level` = 'sweep'", ["attributes.start_time DESC"]
        ids = [experiment.experiment_id]
        (run, *_) = client.search_runs(ids, level, order_by=newest, max_results=1)
        with tempfile.TemporaryDirectory() as folder:
            found = []
            for file in (RECORD, "provenance.json"):
                uri = f"{run.info.artifact_uri}/{file}"
                options = {"dst_path": folder, "tracking_uri": tracking_uri}
                found.append(read_json(Path(download_artifacts(artifact_uri=uri, **options))))
            return Recorded(found[0], found[1], experiment.experiment_id)
    except MlflowException as error:
        raise LookupError(f"sweep {name!r} cannot be read: {str(error).splitlines()[0]}") from None
