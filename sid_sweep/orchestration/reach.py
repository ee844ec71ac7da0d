"""What answers at the address of a cluster, found out before Ray is asked to join: Ray tries for
half a minute, and then says nothing of the cause."""

import json
import os
import platform
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sid_sweep.spec import SpecError

from .environment import prepare
from .machine import Capacity

CONNECT_SECONDS = 1.5
HEAR_SECONDS = 2.5
ANSWER_SECONDS = 20.0  # of one that is there, and busy
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
SETTINGS = 4  # the type of the frame with which whoever speaks gRPC begins
PLACE = re.compile(r"(?P<host>\[[0-9a-fA-F:]+\]|[^\s/:]+):(?P<port>\d{1,5})")
MAX_PORT = 65535
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
DEFAULT_TOKEN = Path("~/.ray/auth_token")
START = "start one with `ray start --head`"


@dataclass(frozen=True)
class Answer:
    """A Ray that can be joined."""

    address: str
    """host:port"""
    nodes: list[Capacity]
    jobs: dict[str, dict[str, str]]
    """What the commands that are connected to it have noted of themselves, by the id of each."""


def reach(address: str) -> Answer:
    """Look at what answers at `address`, with whatever token is there.

    Raises:
        SpecError: it cannot be joined; one line with the cause, within seconds.
    """
    try:
        prepare()
        token = _use_token()
        place = _find() if address == "auto" else _parse(address)
        _hear(place)
        return _ask(place, token)
    except Unreachable as error:
        raise SpecError(f"--address {address}: {error}") from None


class Unreachable(Exception):
    """Why it cannot be joined."""


# ---- where


def _parse(address: str) -> str:
    if address.startswith("ray://"):
        raise Unreachable(
            "Ray's client cannot drive a sweep; give host:port, and run the command on a node of "
            "the cluster"
        )
    found = PLACE.fullmatch(address)
    if found is None or int(found["port"]) > MAX_PORT:
        raise Unreachable("give host:port (the port is 6379 unless told otherwise), or auto")
    if found["host"] in LOOPBACK:  # else Ray makes the machine's address of it, as it will
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    return address


def _find() -> str:
    """The Ray that `ray start` has last started on this machine, or the only one."""
    if named := os.environ.get("RAY_ADDRESS"):
        if named == "auto":
            raise Unreachable("RAY_ADDRESS is auto as well")
        return _parse(named)
    from ray._private import services

    services.find_gcs_addresses.cache_clear()
    running, latest = services.find_gcs_addresses(), services.find_bootstrap_address(None)
    if latest in running:
        return _parse(latest)
    if not running:
        raise Unreachable(f"no Ray runs on this machine; {START}, or give host:port")
    if len(running) > 1:
        raise Unreachable(f"several run on this machine ({', '.join(sorted(running))}); give one")
    return _parse(next(iter(running)))


def _hear(place: str) -> None:
    """Connect, and hear whether gRPC is spoken."""
    found = PLACE.fullmatch(place)
    assert found is not None
    where = (found["host"].strip("[]"), int(found["port"]))
    try:
        with socket.create_connection(where, CONNECT_SECONDS) as line:
            line.settimeout(HEAR_SECONDS)
            line.sendall(GREETING)
            heard = line.recv(9)
    except socket.gaierror:
        raise Unreachable(f"no machine is called {where[0]}") from None
    except TimeoutError:
        raise Unreachable("nothing answers there; is it the cluster's head, and running?") from None
    except OSError as error:
        raise Unreachable(f"nothing answers there ({error.strerror}); {START}") from None
    if "RAY_USE_TLS" not in os.environ and heard[3:4] != bytes((SETTINGS,)):
        more = "; is it the dashboard's port? Ray's own is 6379" if heard[:4] == b"HTTP" else ""
        raise Unreachable(f"what answers there is no Ray{more}")


# ---- with which token


def _use_token() -> str:
    """Have Ray use the token that is there, as `ray start` does; says whose it is, "" of none."""
    if os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return ""
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    default = DEFAULT_TOKEN.expanduser()
    if os.environ.get("RAY_AUTH_TOKEN"):
        whose = "that of RAY_AUTH_TOKEN"
    elif named:
        _require_token(Path(named))
        whose = f"that in {named} (RAY_AUTH_TOKEN_PATH)"
    elif default.is_file():
        whose = f"that in {DEFAULT_TOKEN}"
    else:
        return ""
    os.environ["RAY_AUTH_MODE"] = "token"
    return whose


def _require_token(path: Path) -> None:
    try:
        empty = not path.read_text().strip()
    except OSError as error:
        raise Unreachable(f"RAY_AUTH_TOKEN_PATH {path}: {error.strerror}") from None
    if empty:
        raise Unreachable(f"RAY_AUTH_TOKEN_PATH {path}: is empty")


# ---- which Ray


def _ask(place: str, token: str) -> Answer:
    """Ask its head in a thread, since some questions are never answered."""
    found: list[Answer] = []
    errors: list[Exception] = []

    def ask() -> None:
        try:
            found.append(_answer(place))
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=ask, name="reach", daemon=True)
    with _silent():
        thread.start()
        thread.join(ANSWER_SECONDS)
    if found:
        return found[0]
    if not errors:
        raise Unreachable(f"it does not answer for {ANSWER_SECONDS:g} s")
    if isinstance(errors[0], Unreachable):
        raise errors[0]
    raise Unreachable(_why(str(errors[0]), token))


@contextmanager
def _silent() -> Iterator[None]:
    """Without what Ray's own code writes to the standard error, which no level of logging hides."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _why(error: str, token: str) -> str:
    if "uthenticat" in error or "InvalidAuthToken" in error:
        remedy = f"copy {DEFAULT_TOKEN} of its head here, or name the file: RAY_AUTH_TOKEN_PATH"
        if token:
            return f"it does not take the token, {token}; {remedy}"
        return f"it asks for a token, and none is here; {remedy}"
    first = error.strip().partition("\n")[0]
    return f"what answers there is not the head of a Ray ({first})"


def _answer(place: str) -> Answer:
    from ray._private import ray_constants, services
    from ray._raylet import AuthenticationTokenLoader, Config, GcsClient  # pyright: ignore
    from ray.core.generated.gcs_pb2 import GcsNodeInfo  # pyright: ignore

    Config.initialize("")  # both keep what they have read, where Ray was imported before
    AuthenticationTokenLoader.instance().reset_cache()
    client = GcsClient(address=place)
    nodes = client.get_all_node_info(
        timeout=ANSWER_SECONDS, state_filter=GcsNodeInfo.GcsNodeState.ALIVE
    )
    space = ray_constants.KV_NAMESPACE_CLUSTER
    own = client.internal_kv_get(b"CLUSTER_METADATA", namespace=space, timeout=ANSWER_SECONDS)
    _require_same(json.loads(own) if own else {})
    if not nodes:
        raise Unreachable("it has no node that is alive")
    if {id.hex() for id in nodes}.isdisjoint(services.find_node_ids()):
        raise Unreachable(
            "no node of it runs on this machine; make it one with `ray start --address` "
            "(--num-cpus=0: for the command alone), or run the command on a node"
        )
    jobs = client.get_all_job_info(timeout=ANSWER_SECONDS)
    return Answer(
        place,
        [_capacity(dict(node.resources_total)) for node in nodes.values()],
        {id.hex(): dict(job.config.metadata) for id, job in jobs.items() if not job.is_dead},
    )


def _capacity(resources: dict[str, float]) -> Capacity:
    return Capacity(int(resources.get("CPU", 0)), resources.get("GPU", 0.0))


def _require_same(metadata: dict[str, Any]) -> None:
    """Its versions are those of this process; else Ray itself would end in a traceback."""
    import ray

    own = {"ray": ray.__version__, "python": platform.python_version()}
    different = [
        f"{name.capitalize()} {metadata[f'{name}_version']} there, {version} here"
        for name, version in own.items()
        if metadata.get(f"{name}_version", version) != version
    ]
    if different:
        raise Unreachable(f"{' and '.join(different)}; install the same versions on all nodes")
