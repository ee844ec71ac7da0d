"""MLflow's database in a file: whole or not there, and nobody else's is ever written to.

MLflow makes its tables in some fifty steps. A process that ends within them leaves a database that
none can open again, so that ours is made under another name beside its place and then moved there.
"""

import fcntl
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sid_sweep.files import replacing, set_aside

OURS = {"experiments", "runs"}  # MLflow's first tables
ARTIFACTS = "./mlruns"  # where MLflow keeps the files of a database without a server
SETTLED_SECONDS = 10.0  # in which nobody has written to a database that is no longer being made
FILLED = {"alembic_version", "experiments", "workspaces"}
"""The tables that have a row in an MLflow that nobody has used."""


def path_of(uri: str) -> Path | None:
    """The file of an SQLite URI; None for others, and for one in memory."""
    scheme, _, place = uri.partition(":///")
    place = unquote(place.partition("?")[0])
    if scheme.partition("+")[0] != "sqlite" or place in ("", ":memory:"):
        return None
    return None if place.endswith("/:memory:") else Path(place).resolve()


def tables_of(path: Path) -> set[str]:
    """The tables of a database.

    Raises:
        LookupError: it is none, a broken one, or not MLflow's; one line.
    """
    if path.is_dir():
        raise LookupError(f"{path} is a folder")
    try:
        with _reading(path) as database:
            found = database.execute("select name from sqlite_master where type = 'table'")
            tables = {name for (name,) in found}
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if "locked" in str(error):
            raise LookupError(f"{path} is held by another process ({error})") from None
        raise LookupError(f"{path} is no database, or a broken one ({error})") from None
    if tables and not tables & OURS:
        raise LookupError(f"{path} is a database, but not MLflow's")
    return tables


def prepare(path: Path, *, remark: Callable[[str], None]) -> None:
    """Have MLflow's database at `path`: made where there is none, made anew where half of one is.

    Args:
        remark: told in one line what was set aside.

    Raises:
        LookupError: what is there is not MLflow's, or broken; one line.
        BlockingIOError: another process is still making it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(path.parent):
        if not path.exists() or (path.is_file() and path.stat().st_size == 0):
            _make(path)
        elif tables_of(path) and _holds_nothing(path) and not _opens(path):
            _replace(path, remark)


def _replace(path: Path, remark: Callable[[str], None]) -> None:
    files = (path, path.with_name(f"{path.name}-journal"))
    written = max(file.stat().st_mtime for file in files if file.exists())
    if time.time() - written < SETTLED_SECONDS:
        raise BlockingIOError(f"{path} is half made; another process may still be making it")
    aside = set_aside(path)
    _make(path)
    remark(f"{path} was half made and held no run; it was set aside as {aside.name} and made anew")


def _make(path: Path) -> None:
    """A new database. Nothing waits for the disk before it is whole."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import Engine, event

    def hurry(connection: Any, record: Any) -> None:
        connection.execute("pragma synchronous = off")

    for left in path.parent.glob(f".{path.name}.*.tmp*"):  # by a process that was killed
        left.unlink(missing_ok=True)
    event.listen(Engine, "connect", hurry)
    try:
        with replacing(path) as partial:
            SqlAlchemyStore(f"sqlite:///{partial}", ARTIFACTS).engine.dispose()
    finally:
        event.remove(Engine, "connect", hurry)


def _opens(path: Path) -> bool:
    """Whether MLflow can use it. A copy is tried, since an attempt changes what it fails on."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with tempfile.TemporaryDirectory() as folder:
        copied = shutil.copy(path, folder)
        try:
            SqlAlchemyStore(f"sqlite:///{copied}", ARTIFACTS).engine.dispose()
        except Exception:  # whatever a migration can stumble over
            return False
    return True


def _holds_nothing(path: Path) -> bool:
    """Whether nobody has kept anything in an MLflow's database."""
    with _reading(path) as database:
        for table in tables_of(path):
            (rows,) = database.execute(f'select count(*) from "{table}"').fetchone()
            if rows > (table in FILLED):
                return False
    return True


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that makes no file; what a killed process left half written is undone by it."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as database:
        yield database


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Two commands that begin together make one database; the lock dies with its holder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some networks' disks lock nothing
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
