"""An address at which there is no Ray to join is refused in one line that says why, within
seconds."""

import json
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from sid_sweep.orchestration import reach as reaches
from sid_sweep.orchestration.reach import Unreachable, _require_same, _use_token, _why, reach
from sid_sweep.spec import SpecError

BOUND_SECONDS = 5.0


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """No token, no cluster, and nothing of what is set stays."""
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "1")
    monkeypatch.setattr(reaches, "prepare", lambda: None)
    monkeypatch.setattr(reaches, "DEFAULT_TOKEN", tmp_path / "auth_token")


@contextmanager
def listening(reply):
    """Somebody who says this to whoever connects; None: who says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            line, _ = server.accept()
            with line:
                if reply is not None:
                    line.sendall(reply)
                line.recv(4096)
                time.sleep(BOUND_SECONDS if reply is None else 0)

        threading.Thread(target=answer, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def refused(address):
    began = time.monotonic()
    with pytest.raises(SpecError) as caught:
        reach(address)
    assert time.monotonic() - began < BOUND_SECONDS
    text = str(caught.value)
    assert text.startswith(f"--address {address}: ")
    assert "\n" not in text
    return text


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_nobody_is_there():
    assert "nothing answers there (Connection refused)" in refused(f"127.0.0.1:{free_port()}")


def test_somebody_who_says_nothing():
    with listening(None) as address:
        assert "nothing answers there" in refused(address)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "is no Ray; is it the dashboard's port"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "is no Ray"),
        (b"-ERR unknown command\r\n", "is no Ray"),
    ],
)
def test_somebody_else(reply, words):
    with listening(reply) as address:
        assert words in refused(address)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ray://head:10001", "Ray's client cannot drive a sweep; give host:port"),
        ("head", "give host:port"),
        ("local", "give host:port"),
        ("http://head:8265", "give host:port"),
        ("head:", "give host:port"),
        ("127.0.0.1:99999", "give host:port"),
        ("no-such-machine.invalid:6379", "no machine is called no-such-machine.invalid"),
    ],
)
def test_what_is_no_address(address, words):
    assert words in refused(address)


def test_auto_goes_by_what_the_environment_names(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free_port()}")
    assert "nothing answers there" in refused("auto")


def test_the_token_that_is_there_is_used(monkeypatch, tmp_path):
    assert _use_token() == ""
    assert "RAY_AUTH_MODE" not in reaches.os.environ
    (tmp_path / "auth_token").write_text("secret")
    assert _use_token() == f"that in {tmp_path / 'auth_token'}"
    assert reaches.os.environ["RAY_AUTH_MODE"] == "token"
    (tmp_path / "mine").write_text("secret")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "mine"))
    assert _use_token() == f"that in {tmp_path / 'mine'} (RAY_AUTH_TOKEN_PATH)"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    assert _use_token() == "that of RAY_AUTH_TOKEN"
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert _use_token() == ""


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), (" \n", "is empty")])
def test_a_token_that_is_named_and_not_there_is_refused(monkeypatch, tmp_path, content, words):
    if content is not None:
        (tmp_path / "mine").write_text(content)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "mine"))
    assert words in refused("127.0.0.1:6379")


def test_a_cluster_of_other_versions_is_refused_with_the_difference():
    import ray

    own = {"ray_version": ray.__version__, "python_version": "3.9.1"}
    _require_same({})
    with pytest.raises(Unreachable, match=r"^Python 3\.9\.1 there, 3\.\d+\.\d+ here; install"):
        _require_same(json.loads(json.dumps(own)))
    with pytest.raises(Unreachable, match=r"Ray 1\.0 there, .* and Python 3\.9\.1 there"):
        _require_same(own | {"ray_version": "1.0"})


def test_what_is_answered_without_the_right_token_names_the_remedy():
    error = "InvalidAuthToken: Authentication token is missing or incorrect"
    assert _why(error, "").startswith("it asks for a token, and none is here; copy ")
    assert _why(error, "that of RAY_AUTH_TOKEN").startswith(
        "it does not take the token, that of RAY_AUTH_TOKEN; copy "
    )
    assert _why("UNIMPLEMENTED\nmore", "") == (
        "what answers there is not the head of a Ray (UNIMPLEMENTED)"
    )
