"""A real MLflow server that tests may kill, stop and slow down, on this machine alone."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import small_sweep

HOST = "127.0.0.1"
STARTING_SECONDS = 90
NO_JOBS = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"
}  # eight processes that nobody here asks for


def free_port() -> int:
    with socket.socket() as own:
        own.bind((HOST, 0))
        return own.getsockname()[1]


class Server:
    """`mlflow server` with a database below `root`."""

    def __init__(self, root: Path) -> None:
        self._root, self._port = root, free_port()
        self.uri = f"http://{HOST}:{self._port}"
        self.database = f"sqlite:///{root / small_sweep.DATABASE}"
        self.files = root / "files"
        (root / small_sweep.DATABASE).write_bytes(small_sweep.empty_database())
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Have it answer; as it is, if it does."""
        self.thaw()
        if self._process is None:
            words = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--workers", "1"]
            words += ["--port", str(self._port), "--backend-store-uri", self.database]
            words += ["--artifacts-destination", str(self.files)]
            with (self._root / "server.log").open("ab") as log:
                self._process = subprocess.Popen(
                    words, cwd=self._root, env=os.environ | NO_JOBS, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
        deadline = time.monotonic() + STARTING_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, (self._root / "server.log").read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Connections are taken, and nothing is answered."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGCONT)

    def _answers(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
            return answer.status == 200
        return False


class SlowProxy:
    """A way to a server on which each connection waits for `seconds` first."""

    def __init__(self, uri: str, *, seconds: float) -> None:
        self._target = (HOST, int(uri.rpartition(":")[2]))
        self._seconds = seconds
        self._listener = socket.create_server((HOST, 0))
        self.uri = f"http://{HOST}:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        time.sleep(self._seconds)
        server = socket.create_connection(self._target)
        for pair in ((client, server), (server, client)):
            threading.Thread(target=_copy, args=pair, daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(2**16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
