"""A tracked sweep as rows of the tidy table: the same rows that its folders give.

Each run of a trial keeps its log of measurements as an artifact, and how it stands as tags, so that
a sweep is read in one search and one small file per trial, bit for bit what was written.
"""

import atexit
import json
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from sid_sweep.files import read_json
from sid_sweep.spec import SETTLED
from sid_sweep.spec.names import sweep_name, trial_name
from sid_sweep.trials import Measurement, Result, TrialFolder
from sid_sweep.trials.folder import HOST, LOG, STUDENT
from sid_sweep.trials.rows import Columns, rows, stacked

from .client import connect, reason, redact, require_store
from .store import TAG, is_bare

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PAGE = 1000
READERS = 8  # files of a server that are fetched at a time


def read_sweep(name: str, *, tracking_uri: str | None = None) -> tuple[Columns, dict[str, Any]]:
    """All rows of the newest sweep of that name, and its question.

    Raises:
        LookupError: there is no such sweep, or the store cannot be read; one line.
    """
    sweep_name(name)
    client = _client(tracking_uri, wanted=f"sweep {name!r}")
    from mlflow.exceptions import MlflowException

    from_where = redact(tracking_uri or "MLflow's default store")
    try:
        parent = _newest(client, name, from_where=from_where)
        runs = _seed_runs(client, parent)
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(READERS) as pool:
            fetch = _Fetcher(Path(folder), client.tracking_uri)
            question = read_json(fetch(parent, "question.json"))
            return stacked(pool.map(lambda run: _rows(name, run, fetch), runs)), question
    except (
        MlflowException,
        OSError,
        ValueError,
        TypeError,
        KeyError,
    ) as error:  # all that it holds
        raise LookupError(f"{from_where} cannot be read: {reason(error)}") from None


def _client(uri: str | None, *, wanted: str) -> "MlflowClient":
    """A client of the store at `uri`, which is there.

    Raises:
        LookupError: there is no store that MLflow could open; one line.
    """
    try:
        require_store(uri)
    except LookupError as error:
        raise LookupError(f"no {wanted}: {error.args[0]}") from None
    try:
        return connect(uri)
    except Exception as error:  # whatever a URI, a file or a database can be
        raise LookupError(f"{redact(str(uri))} is no MLflow store: {reason(error)}") from None


def _newest(client: "MlflowClient", name: str, *, from_where: str) -> "Run":
    """The run of the newest sweep of that name."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        known = sorted(e.name for e in client.search_experiments() if e.name != "Default")
        hint = f"; there are {', '.join(known)}" if known else "; it holds no sweep yet"
        raise LookupError(f"no sweep {name!r} in {from_where}{hint}")
    parents = client.search_runs(
        [experiment.experiment_id],
        f"tags.`{TAG}level` = 'sweep'",
        order_by=["attributes.start_time DESC"],
        max_results=1,
    )
    if not parents:
        raise LookupError(f"experiment {name!r} in {from_where} holds no sweep of sid_sweep")
    return parents[0]


def fetch_student(run_id: str, *, tracking_uri: str | None = None) -> Path:
    """A run's exported student, in a temporary folder that lives as long as this process.

    Raises:
        LookupError: there is no such run, or it has exported none.
    """
    client = _client(tracking_uri, wanted=f"run {run_id}")
    from mlflow.exceptions import MlflowException

    try:
        return Path(client.download_artifacts(run_id, STUDENT, str(_temporary_folder())))
    except (MlflowException, OSError) as error:
        from_where = redact(tracking_uri or "MLflow's default store")
        raise LookupError(
            f"run {run_id} in {from_where} has no {STUDENT}: {reason(error)}; "
            "name a seed's finished run"
        ) from None


def fetch_trial(run_id: str, *, tracking_uri: str | None = None) -> TrialFolder:
    """A run's trial as its folder says it: specification, measurements, host and end. The folder is
    a temporary one that lives as long as this process.

    Raises:
        LookupError: there is no such run, or it is no trial's.
    """
    client = _client(tracking_uri, wanted=f"run {run_id}")
    from mlflow.exceptions import MlflowException

    from_where = redact(tracking_uri or "MLflow's default store")
    try:
        run = client.get_run(run_id)
        if _tag(run, "level") != "seed":
            raise LookupError(f"run {run_id} in {from_where} is no trial; name a seed's run")
        folder = TrialFolder(_temporary_folder() / trial_name(_tag(run, "trial")))
        folder.path.mkdir()
        for path in (folder.specification, folder.log, folder.path / HOST):
            if any(file.path == path.name for file in client.list_artifacts(run_id)):
                client.download_artifacts(run_id, path.name, str(folder.path))
        standing = _standing(run, folder.measurements())
    except (MlflowException, OSError, ValueError, TypeError) as error:
        raise LookupError(f"run {run_id} in {from_where} cannot be read: {reason(error)}") from None
    if standing.outcome == "pruned":
        folder.prune(standing.cause)
    elif standing.outcome in SETTLED:
        folder.write_result(standing)
    return folder


def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sid-sweep-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _seed_runs(client: "MlflowClient", parent: "Run") -> list["Run"]:
    found: list[Run] = []
    token = None
    while True:
        page = client.search_runs(
            [parent.info.experiment_id],
            f"tags.`{TAG}level` = 'seed' AND tags.`{TAG}parent` = '{parent.info.run_id}'",
            max_results=PAGE,
            page_token=token,
        )
        found += page
        token = page.token
        if not token:
            break
    # A server that hung may have made a run twice: the oldest that holds something counts.
    worst_first = sorted(found, key=lambda run: (not is_bare(run), -run.info.start_time))
    best = {(int(_tag(run, "arm")), int(_tag(run, "seed"))): run for run in worst_first}
    return [run for _, run in sorted(best.items(), key=lambda item: item[0])]


class _Fetcher:
    """Files that runs keep: copies, or themselves where a database without a server says where they
    lie."""

    def __init__(self, folder: Path, tracking_uri: str) -> None:
        self._folder, self._tracking_uri = folder, tracking_uri

    def __call__(self, run: "Run", name: str) -> Path:
        """A file of a run.

        Raises:
            OSError: it is not there.
        """
        uri = f"{run.info.artifact_uri}/{name}"
        if self._tracking_uri.startswith("sqlite:") and (path := _local(uri)) is not None:
            path.stat()
            return path
        from mlflow.artifacts import download_artifacts

        own = tempfile.mkdtemp(dir=self._folder)  # a server's words name no place on this disk
        options = {"dst_path": own, "tracking_uri": self._tracking_uri}
        return Path(download_artifacts(artifact_uri=uri, **options))


def _local(uri: str) -> Path | None:
    """The place on this disk that a URI names, if it does."""
    if uri.startswith("/"):
        return Path(uri)
    scheme, host, path, *_ = urlsplit(uri)
    return Path(unquote(path)) if scheme == "file" and not host else None


def _rows(sweep: str, run: "Run", fetch: _Fetcher) -> Columns:
    place = {
        "sweep": sweep,
        "arm": int(_tag(run, "arm")),
        "seed": int(_tag(run, "seed")),
        "trial": _tag(run, "trial"),
        "run_id": run.info.run_id,
    }
    measurements = TrialFolder(fetch(run, LOG).parent).measurements() if run.data.metrics else []
    standing = _standing(run, measurements)
    return rows(place, json.loads(_tag(run, "values")), standing, measurements)


def _standing(run: "Run", measurements: list[Measurement]) -> Result:
    outcome: Any = run.data.tags.get(f"{TAG}outcome", "running")
    if end := run.data.tags.get(f"{TAG}end"):
        return Result(outcome=outcome, cause=_tag(run, "cause"), **json.loads(end))
    images = measurements[-1].images if measurements else 0
    return Result(outcome=outcome, images=images)


def _tag(run: "Run", name: str) -> str:
    return run.data.tags.get(f"{TAG}{name}", "")
