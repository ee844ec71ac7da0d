"""The sweeps that are killed: small, yet with trials of some seconds, and an MLflow of their own.

A user's folder, `user/`, holds the space, the sweep and the default MLflow database; a server's
files lie in `server/`; temporary files in `tmp/`.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from kill_processes import KEEP_ENVIRONMENT, MARK

ROOT = Path(__file__).parents[2]
NAME = "tiny"
SPACE = """\
question: Does it survive?
sweep: tiny
objective: {metric: js}
seeds: [0, 1]
scientific:
  generator.optim.lr: {choice: [0.001, 0.002, 1000.0]}
baseline: {generator.optim.lr: 0.001}
fixed:
  data: {kind: mixture, name: ring8}
  generator: {init: {kind: random, net: {kind: mlp, width: 16, depth: 2}}}
  fake_score: {init: {kind: random, net: {kind: mlp, width: 16, depth: 2}}}
  batch: {latents: 64}
  budget: {images: 16_000}
  evaluation: {times: 4, samples: 256}
resources: {checkpoint_seconds: 0}
"""
VARIANTS: dict[str, list[str]] = {
    "plain": [],
    "teacher": [
        "teacher={kind: trained, images: 100_000, net: {kind: mlp, width: 16, depth: 2}}",
        "scientific.generator.optim.lr={choice: [0.001, 1000.0]}",
    ],
    "workers": [
        "resources.workers=2",
        "scientific.generator.optim.lr={choice: [0.001]}",
        "budget.images=12_000",
    ],
    "server": ["scientific.generator.optim.lr={choice: [0.001, 1000.0]}"],
}
"""What each kind of sweep changes: all but the second train few arms, since they start slowly."""
NO_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""For an MLflow server: eight processes of its own, for what nobody here asks for."""
READY_SECONDS = 120.0


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Home:
    """The folder of a case, and how its commands are started."""

    path: Path
    variant: str
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        for own in (self.user, self.temporary, self.server_files):
            own.mkdir(parents=True, exist_ok=True)
        (self.user / "space.yaml").write_text(SPACE)

    @property
    def mark(self) -> str:
        """What all its processes bear."""
        return str(self.path)

    @property
    def user(self) -> Path:
        return self.path / "user"

    @property
    def temporary(self) -> Path:
        return self.path / "tmp"

    @property
    def server_files(self) -> Path:
        return self.path / "server"

    @property
    def storage(self) -> Path:
        return self.user / "sweeps"

    @property
    def sweep(self) -> Path:
        return self.storage / NAME

    @property
    def cache(self) -> Path:
        return self.storage / "cache"

    @property
    def database(self) -> Path:
        """MLflow's."""
        folder = self.server_files if self.has_server else self.user
        return folder / "mlflow.db"

    @property
    def has_server(self) -> bool:
        return self.variant == "server"

    @property
    def tracking_uri(self) -> str:
        """As this process would read it."""
        return f"http://127.0.0.1:{self.port}" if self.has_server else f"sqlite:///{self.database}"

    def environment(self) -> dict[str, str]:
        own = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "RAY_"))}
        return own | {
            MARK: self.mark,
            KEEP_ENVIRONMENT: "1",
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(self.temporary),
            "OMP_NUM_THREADS": "1",
        }

    def start(self, turn: int) -> subprocess.Popen[bytes]:
        """The command, for the `turn`-th time, in a session of its own as in a terminal."""
        words = [sys.executable, "-m", "sid_sweep.run", "space.yaml"]
        for override in VARIANTS[self.variant]:
            words += ["--set", override]
        if self.has_server:
            words += ["--tracking-uri", self.tracking_uri]
        with self.output(turn).open("wb") as output:
            return subprocess.Popen(
                words, cwd=self.user, env=self.environment(), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def output(self, turn: int) -> Path:
        """What the command has printed."""
        return self.path / f"output-{turn}.txt"

    def start_server(self) -> subprocess.Popen[bytes]:
        """`mlflow server`, once it answers."""
        words = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        words += ["--port", str(self.port), "--workers", "1"]
        words += ["--backend-store-uri", f"sqlite:///{self.database}"]
        words += ["--artifacts-destination", str(self.server_files / "artifacts")]
        with (self.path / "server.txt").open("ab") as output:
            server = subprocess.Popen(
                words, cwd=self.server_files, env=self.environment() | NO_JOBS,
                start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.tracking_uri}/health", timeout=5):
                    return server
            except OSError:
                time.sleep(0.2)
        raise TimeoutError(f"no MLflow server answers at {self.tracking_uri}")


def kill_server(server: subprocess.Popen[bytes]) -> None:
    """End a server and its workers, which share its session."""
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()
