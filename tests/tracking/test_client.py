"""No secret reaches a tracked value; a relative store has one absolute name."""

import shlex

import pytest

from sid_sweep.tracking.client import absolute, redact, ui_hint


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:secret@host/db", "postgresql://***@host/db"),
        (
            "run --tracking-uri https://token@host:5000 now",
            "run --tracking-uri https://***@host:5000 now",
        ),
        ("http://me:p@ss@host:5000/x", "http://***@host:5000/x"),
        ("mysql+pymysql://me:pa/ss@host/db", "mysql+pymysql://***@host/db"),
        ('{"uri": "http://me:secret@host"}', '{"uri": "http://***@host"}'),
        (
            "postgresql://host/db?user=me&password=secret",
            "postgresql://host/db?user=me&password=***",
        ),
        ("https://host/?access_token=secret&page=2", "https://host/?access_token=***&page=2"),
        ("https://host/a?sig=secret&key=own", "https://host/a?sig=***&key=***"),
        ("http://me:p'ss@host:5000", "http://***@host:5000"),
        ("http://host/?token=p'ss", "http://host/?token=***"),
        (shlex.join(["--tracking-uri", "http://me:p'ss@host"]), "--tracking-uri 'http://***@host'"),
        (
            shlex.join(["--tracking-uri", "http://host/?token=p'ss", "more"]),
            "--tracking-uri 'http://host/?token=***' more",
        ),
        ("http://host/?viewStateShareKey=sid_sweep", "http://host/?viewStateShareKey=sid_sweep"),
        ("see http://host/a, write to me@host", "see http://host/a, write to me@host"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
        ("mail me@host.org", "mail me@host.org"),
    ],
)
def test_credentials_are_redacted(text, shown):
    assert redact(text) == shown


def test_a_relative_sqlite_store_is_named_by_its_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert absolute("sqlite:///mlflow.db") == f"sqlite:///{tmp_path}/mlflow.db"
    assert absolute("http://host:5000") == "http://host:5000"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        (None, "mlflow ui   then http://127.0.0.1:5000/"),
        (
            "sqlite:///a.db",
            "mlflow ui --backend-store-uri sqlite:///a.db   then http://127.0.0.1:5000/",
        ),
        ("http://me:secret@host:5000/", "http://***@host:5000/"),
        ("http://host:5000/mlflow", "http://host:5000/mlflow/"),
    ],
)
def test_a_printed_link_opens_the_runs_as_runs(uri, shown):
    """Without the workflow MLflow opens a page of traces."""
    view = "workflowType=machine_learning&viewStateShareKey=sid_sweep"
    assert ui_hint(uri, experiment_id="7") == f"{shown}#/experiments/7/runs?{view}"
