"""A quiet MLflow client: no telemetry, no chatter, no long wait for a server that is down."""

import logging
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

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
STORES = "name a database, such as sqlite:///mlflow.db, or a server, such as http://host:5000"
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


def require_store(uri: str | None) -> None:
    """Look before MLflow does, which makes the database that it does not find.

    Raises:
        LookupError: nothing can be read at `uri`, or nothing is there; one line.
    """
    store = uri if uri is not None else _default_store()
    scheme = store.partition(":")[0].partition("+")[0]
    match scheme:
        case "sqlite":
            _require_database(store)
        case "http" | "https":
            if not _has_host(store):
                raise LookupError(f"{redact(store)} names no server; {STORES}")
        case "postgresql" | "mysql" | "mssql" | "databricks":
            pass  # MLflow says what is wrong there
        case _:
            shown = redact(store) if store.strip() else "a URI of nothing"
            raise LookupError(f"{shown} is no store that MLflow can read; {STORES}")


def _default_store() -> str:
    _prepare()
    import mlflow

    return mlflow.get_tracking_uri()


def _has_host(uri: str) -> bool:
    try:
        host = urlsplit(uri).hostname
    except ValueError:  # half an IPv6 address
        return False
    return bool(host) and not any(character.isspace() for character in uri)


def _require_database(uri: str) -> None:
    """The file of an SQLite URI is there, and MLflow's; it is only read."""
    place = unquote(absolute(uri).partition(":///")[2].partition("?")[0])
    if place in ("", ":memory:") or place.endswith("/:memory:"):
        raise LookupError(f"{uri} names no file; {STORES}")
    path = Path(place).resolve()
    if not path.exists():
        raise LookupError(f"there is no {path}; run the sweep in this folder first, or {STORES}")
    if path.is_dir():
        raise LookupError(f"{path} is a folder; {STORES}")
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            found = database.execute("select name from sqlite_master where type = 'table'")
            tables = {name for (name,) in found}
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise LookupError(f"{path} is no database, or a broken one ({reason(error)})") from None
    if not {"alembic_version", "experiments", "runs"} <= tables:
        raise LookupError(f"{path} is a database, but not MLflow's; {STORES}")


def reason(error: BaseException) -> str:
    """The first line of what a store says, without a password."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if "Max retries exceeded" in lines[0]:
        return "no server answers there"
    return redact(lines[0])


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
