"""A quiet MLflow client: no telemetry, no chatter, no long wait for a server that is down."""

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from .database import OURS, path_of, prepare, tables_of
from .view import run_page, runs_page

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Read by mlflow when it is imported or calls. A user can set them otherwise.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # the tracker asks again, and looks first
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
SERVER = "http://127.0.0.1:5000"  # of a bare `mlflow ui`
STORES = "name a database, such as sqlite:///mlflow.db, or a server, such as http://host:5000"
_QUOTE = r"""'"'"'"""  # what a shell makes of the one in a word: a password may hold it
_CREDENTIALS = re.compile(rf"""(?<=://)(?:{_QUOTE}|[^/@:\s"])*(?::(?:{_QUOTE}|[^\s"])*)?@""")
_SECRET = "password|passwd|pwd|token|secret|api_?key|access_?key|signature"
_TOKENS = re.compile(
    rf"""([?&](?:[\w-]*(?:{_SECRET})|key|sig|auth)=)(?:{_QUOTE}|[^&\s"])+?(?=[&\s"]|'?$|'\s)""",
    re.I,
)
_REMEDIES = {
    r"read-?only|permission denied|unable to open|not permitted": "make it writable, and {again}",
    r"disk is full|no space left|quota": "free some room, and {again}",
    r"no database|not a database|malformed": "move it away, and the same command makes a new one "
    "and sends them all",
    r"no module named": "install it with pip, and {again}",
    r"not mlflow's|is a folder|no store that": "name another with --tracking-uri: {again}",
}


def connect(uri: str | None) -> "MlflowClient":
    """A client of the store at `uri`, or of MLflow's default."""
    _import_quietly()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def connect_to_write(uri: str | None, *, remark: Callable[[str], None]) -> "MlflowClient":
    """As `connect`, once there is such a store: a database in a file is made whole first.

    Args:
        remark: told in one line what was found damaged and made anew.
    """
    if uri is not None:
        _require_known(uri)
    _import_quietly()
    store = uri if uri is not None else _default_store()
    if (path := path_of(absolute(store))) is not None:
        prepare(path, remark=remark)
    return connect(uri)


def _import_quietly() -> None:
    """Set what MLflow reads when it is imported, import it, and undo what it sets itself."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"  # it shows the URI's password
    import mlflow  # noqa: F401

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
    _require_known(store)
    if store.startswith("sqlite"):
        _require_database(store)


def require_writable(uri: str) -> None:
    """Refuse what no run of a sweep could ever be sent to, before anything is begun.

    Raises:
        LookupError: no such store can be made; one line.
    """
    _require_known(uri)
    if uri.startswith("sqlite"):
        path = path_of(absolute(uri))
        if path is None:
            raise LookupError(f"{uri} names no file; {STORES}")
        if path.is_dir():
            raise LookupError(f"{path} is a folder; {STORES}")


def _require_known(store: str) -> None:
    """MLflow has such stores, and a server has a name."""
    scheme = store.partition(":")[0].partition("+")[0]
    match scheme:
        case "http" | "https":
            if not _has_host(store):
                raise LookupError(f"{redact(store)} names no server; {STORES}")
        case "sqlite" | "postgresql" | "mysql" | "mssql" | "databricks":
            pass  # MLflow says what is wrong there
        case _:
            shown = redact(store) if store.strip() else "a URI of nothing"
            raise LookupError(f"{shown} is no store that MLflow can read; {STORES}")


def _default_store() -> str:
    _import_quietly()
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
    path = path_of(absolute(uri))
    if path is None:
        raise LookupError(f"{uri} names no file; {STORES}")
    if not path.exists():
        raise LookupError(f"there is no {path}; run the sweep in this folder first, or {STORES}")
    if not {"alembic_version", *OURS} <= tables_of(path):
        raise LookupError(f"{path} is a database, but not MLflow's; {STORES}")


def reason(error: BaseException) -> str:
    """The first line of what a store says, without a password."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if "Max retries exceeded" in lines[0]:
        return "no server answers there"
    return redact(lines[0])


def remedy(trouble: str) -> str:
    """What sends later what could not be sent now."""
    again = "the same command sends them"
    found = (words for sign, words in _REMEDIES.items() if re.search(sign, trouble, re.I))
    return next(found, "{again}").format(again=again)


def redact(text: str) -> str:
    """`text` without the credentials of any URI in it."""
    return _TOKENS.sub(r"\1***", _CREDENTIALS.sub("***@", text))


def address_of_run(run_id: str, *, uri: str, experiment_id: str) -> str:
    """Of a run's page on a server, without credentials: it is published. "" where there is no
    server."""
    if not uri.startswith("http"):
        return ""
    return f"{_CREDENTIALS.sub('', uri).rstrip('/')}/{run_page(experiment_id, run_id)}"


def ui_hint(uri: str | None, *, experiment_id: str = "") -> str:
    """How to look at the runs: the command, and the page on which they open."""
    server, command = SERVER, "mlflow ui"
    if uri is not None:
        command = f"mlflow ui --backend-store-uri {redact(uri)}"
        if uri.startswith("http"):
            server, command = redact(uri), ""
    page = f"{server.rstrip('/')}/{runs_page(experiment_id)}" if experiment_id else server
    return f"{command}   then {page}" if command else page
