"""No secret reaches a tracked value; a relative store has one absolute name."""

import pytest

from sid_sweep.tracking.client import absolute, redact


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
