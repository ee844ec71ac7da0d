"""A local run is heard on this machine alone, by its own processes alone, whatever the environment
says of other clusters."""

import http.client
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

import pytest
from real_sweep import Command, wait_for

FOREIGN = "203.0.113.7:6379"  # of a range that is nobody's
TOKENLESS = """\
import sys
from ray._raylet import GcsClient
try:
    print(GcsClient(address=sys.argv[1]).get_all_node_info(timeout=10))
except Exception as error:
    print("refused", type(error).__name__, error)
"""


def listening(pids) -> dict[str, int]:
    """The addresses, in the kernel's hexadecimal, on which processes listen, and whose they are."""
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    inodes = {f"socket:[{row[9]}]": row[1] for row in rows if row[3] == "0A"}
    found = {}
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                target = os.readlink(handle)
            except OSError:
                continue
            if target in inodes:
                found[inodes[target]] = pid
    return found


def is_loopback(address: str) -> bool:
    host = address.split(":")[0]
    return host in ("0100007F", "0" * 24 + "01000000", "0" * 16 + "FFFF00000100007F")


def status_for_another_name(port: int) -> int | None:
    """What a socket answers to a browser on this machine whose page, of a host of another name, was
    made to point here (DNS rebinding); None: it speaks no HTTP."""
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        asked.request("GET", "/", headers={"Host": "rebound.example"})
        return asked.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        asked.close()


def test_the_table_of_sockets_is_read_as_the_kernel_writes_it():
    for host, loopback in (("127.0.0.1", True), ("0.0.0.0", False)):
        with socket.create_server((host, 0)):
            (address,) = listening([os.getpid()])
            assert is_loopback(address) is loopback
    with socket.create_server(("::1", 0), family=socket.AF_INET6):
        (address,) = listening([os.getpid()])
        assert is_loopback(address)


@pytest.mark.slow
def test_nothing_of_a_run_listens_to_other_machines(tmp_path):
    """Two workers for each trial, so that gloo and its meeting point are there too; and the
    environment names a cluster that is not ours."""
    command = Command(
        tmp_path, "--set", "resources.workers=2", "--set", "seeds=[0]", RAY_ADDRESS=FOREIGN
    )
    try:
        wait_for(lambda: len(command.named("ray::RayTrain")) >= 2)
        command.wait_for_checkpoint()
        heard = listening(process.pid for process in command.tree())
        names = {process.pid: process.name for process in command.tree()}
        assert {"gcs_server", "raylet"} <= {names[pid] for pid in heard.values()}
        assert len(heard) >= 6
        assert {a: names[pid] for a, pid in heard.items() if not is_loopback(a)} == {}
        assert not any("dashboard.py" in _line(pid) for pid in heard.values())
        ports = {int(a.split(":")[1], 16): names[pid] for a, pid in heard.items()}
        with ThreadPoolExecutor() as pool:
            pages = list(pool.map(status_for_another_name, ports))
        refused = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
        assert refused & set(pages)  # an agent of Ray's
        assert set(pages) <= {None, *refused}, dict(zip(ports.values(), pages, strict=True))
        (gcs,) = [
            port
            for a, pid in heard.items()
            if names[pid] == "gcs_server"
            for port in [int(a.split(":")[1], 16)]
        ]
        tokenless = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        for mode in ("disabled", "token"):
            asked = subprocess.run(
                [sys.executable, "-c", TOKENLESS, f"127.0.0.1:{gcs}"],
                env=tokenless | {"RAY_AUTH_MODE": mode, "RAY_AUTH_TOKEN": "a guess"},
                capture_output=True,
                text=True,
            )
            assert asked.stdout.startswith("refused"), (mode, asked.stdout, asked.stderr)
            assert "uthenticat" in asked.stdout, (mode, asked.stdout)
        assert command.end() == 0, command.output
    finally:
        command.kill()


def _line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()
