"""A quiet MLflow client: no telemetry, no chatter, no long wait for a server that is down."""

import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Read by mlflow when it is imported or calls. A user can set them otherwise.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
VIEW = "sid_sweep"  # name of the view that the address of the runs table asks for
SERVER = "http://127.0.0.1:5000"  # of a bare `mlflow ui`
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


def connect(uri: str | None) -> "MlflowClient":
    """A client of the store at `uri`, or of MLflow's default."""
    _prepare()
    from mlflow import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.ERROR)  # importing it sets its own
    return MlflowClient(tracking_uri=uri)


def _prepare() -> None:
    """What MLflow reads when it is imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # each error is told once


def absolute(uri: str) -> str:
    """`uri` without dependence on the current folder, as a name for the store."""
    prefix = "sqlite:///"
    if not uri.startswith(prefix):
        return uri
    return prefix + str(Path(unquote(uri[len(prefix) :])).resolve())


def missing_database(uri: str | None) -> Path | None:
    """The file of the store at `uri`, if it should be there and is not."""
    _prepare()
    import mlflow

    store = absolute(uri or mlflow.get_tracking_uri())
    path = Path(store.removeprefix("sqlite:///"))
    return path if store.startswith("sqlite:///") and not path.exists() else None


def redact(text: str) -> str:
    """`text` without the credentials of any URI in it."""
    return _CREDENTIALS.sub("***@", text)


def ui_hint(uri: str | None, *, experiment_id: str = "") -> str:
    """How to look at the runs: the command, and the page on which they open."""
    server, command = SERVER, "mlflow ui"
    if uri is not None:
        command = f"mlflow ui --backend-store-uri {redact(uri)}"
        if uri.startswith("http"):
            server, command = redact(uri), ""
    # MLflow opens an experiment as a GenAI project unless the address says otherwise.
    view = f"workflowType=machine_learning&viewStateShareKey={VIEW}"
    path = f"/#/experiments/{experiment_id}/runs?{view}"
    page = f"{server}{path}" if experiment_id else server
    return f"{command}   then {page}" if command else page
