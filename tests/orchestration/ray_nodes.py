"""A Ray cluster on this machine by `ray start`: nodes with an address, a folder and processes of
their own, and a token."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from real_sweep import wait_for

from sid_sweep.orchestration.processes import Process, _all

RAY = Path(sys.executable).with_name("ray")


class RayNode:
    """What one `ray start --block` has started."""

    def __init__(self, name: str, command: Sequence[str], environment: dict[str, str], log: Path):
        self.name, self._log = name, log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                command,
                cwd=log.parent,  # not where any driver stands
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Until it is part of the cluster."""
        wait_for(lambda: "Ray runtime started" in self._log.read_text() or self.process.poll())
        assert self.process.poll() is None, self._log.read_text()

    def tree(self) -> list[Process]:
        """Its processes."""
        found, above = [], {self.process.pid}
        every = list(_all())
        while below := [own for own, _, parent in every if parent in above]:
            found += below
            above = {own.pid for own in below}
        return found

    def runs(self, name: str) -> bool:
        """Whether one of its workers is called so."""
        return any(own.name.startswith(name) for own in self.tree())

    def kill(self) -> None:
        """As if the machine had lost its power."""
        for own in self.tree():
            own.kill()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


class RayCluster:
    """Nodes of one core each unless said otherwise, at 127.0.0.2, 127.0.0.3, ..."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = folder / "token"
        self.token.write_text("0" * 64)
        self.address = f"127.0.0.2:{free_port()}"
        self.nodes: list[RayNode] = []
        self._started = 0
        self._homes: list[Path] = []
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.token),
        }

    def start(
        self, *, cpus: int = 1, before: Sequence[str] = (), wait: bool = True, **environment: str
    ) -> RayNode:
        """Start a node, the first as the head.

        Args:
            before: what the command runs in.
        """
        self._started += 1
        name = f"127.0.0.{self._started + 1}"
        home = Path(tempfile.mkdtemp(prefix="sidc-", dir="/tmp"))  # paths of sockets are short
        self._homes.append(home)
        if self._started == 1:
            port = self.address.split(":")[1]
            own = ["--head", f"--port={port}", "--include-dashboard=false"]
        else:
            own = [f"--address={self.address}"]
        command = [
            *before,
            str(RAY),
            "start",
            *own,
            "--block",
            "--disable-usage-stats",
            f"--num-cpus={cpus}",
            f"--node-ip-address={name}",
            f"--temp-dir={home}",
            "--object-store-memory=100000000",
            "--min-worker-port=0",
            "--max-worker-port=0",
            f"--dashboard-agent-listen-port={free_port()}",
        ]
        node = RayNode(name, command, self.environment | environment, self.folder / f"{name}.txt")
        self.nodes.append(node)
        if wait:
            node.wait()
        return node

    def stop(self, node: RayNode) -> None:
        """Kill a node."""
        node.kill()
        self.nodes.remove(node)

    def close(self) -> None:
        """Leave nothing."""
        for node in reversed(self.nodes):
            node.kill()
        for home in self._homes:
            shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def ray_cluster(folder: Path, *, nodes: int) -> Iterator[RayCluster]:
    """A cluster of that many nodes, gone at the end."""
    cluster = RayCluster(folder)
    try:
        for _ in range(nodes):
            cluster.start()
        yield cluster
    finally:
        cluster.close()


def free_port() -> int:
    """A port on which nobody listens at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
