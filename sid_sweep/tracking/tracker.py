"""Sends what happens to MLflow from a thread of its own, so that no server can slow or stop
training.

The buffer is the sweep's folder: what could not be sent now is sent later, or by the next run.
"""

import queue
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from sid_sweep.orchestration.events import Run
from sid_sweep.orchestration.folder import Result
from sid_sweep.spec import Sweep, digest

from .client import absolute, connect, redact
from .mirror import VIEW, Mirror

RETRY_SECONDS = 5.0
CLOSING_SECONDS = 120.0  # to send what is left at the end, as long as the store answers
INTERRUPTED_SECONDS = 10.0  # the same for somebody who pressed Ctrl-C

Task = Callable[[Mirror], None]


class Tracker(AbstractContextManager["Tracker"]):
    """A watcher that mirrors a sweep into MLflow."""

    def __init__(self, sweep: Sweep, folder: Path, *, tracking_uri: str | None) -> None:
        self.sweep = sweep
        self.folder = folder
        self.uri = redact(tracking_uri or "MLflow's default store")
        self.unsent = 0
        """After the end: things that could not be sent."""
        self.trouble = ""
        """Why not."""
        self._given_uri = tracking_uri
        self._failed = False
        self._experiment_id = ""
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._patience = CLOSING_SECONDS
        self._thread = threading.Thread(target=self._work, name="tracker", daemon=True)

    def __enter__(self) -> "Tracker":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.interrupted()
        self._closing.set()
        self._tasks.put(None)
        self._thread.join(self._patience)
        if self._thread.is_alive():
            self.unsent += self._tasks.qsize()
            self.trouble = self.trouble or "it answers too slowly"

    @property
    def ui_hint(self) -> str:
        """How to look at the runs: the command, and the page on which they open."""
        server, command = "http://127.0.0.1:5000", "mlflow ui"
        if self._given_uri is not None:
            command = f"mlflow ui --backend-store-uri {self.uri}"
            if self.uri.startswith("http"):
                server, command = self.uri, ""
        # MLflow opens an experiment as a GenAI project unless the address says otherwise.
        view = f"workflowType=machine_learning&viewStateShareKey={VIEW}"
        path = f"/#/experiments/{self._experiment_id}/runs?{view}"
        page = f"{server}{path}" if self._experiment_id else server
        return f"{command}   then {page}" if command else page

    # ---- events

    def started(self, run: Run) -> None:
        self._tasks.put(lambda mirror: mirror.show(run))

    def progressed(self, run: Run, images: int, metrics: dict[str, float]) -> None:
        self._tasks.put(lambda mirror: mirror.show(run))

    def ended(self, run: Run, result: Result) -> None:
        self._failed |= result.outcome == "failed"
        self._tasks.put(lambda mirror: mirror.end(run, result))

    def conclude(self, report: str) -> None:
        """The sweep is done: question and table, in Markdown, become the description of its run."""
        self._tasks.put(lambda mirror: mirror.conclude(report, failed=self._failed))

    def interrupted(self) -> None:
        """The sweep was stopped: no run may look as if it were still going on."""
        self._patience = INTERRUPTED_SECONDS
        self._tasks.put(lambda mirror: mirror.interrupt())

    # ---- the thread

    def _work(self) -> None:
        mirror: Mirror | None = None
        while (task := self._tasks.get()) is not None:
            while True:
                try:
                    mirror = mirror or self._mirror()
                    task(mirror)
                    break
                except Exception as error:  # whatever a server, a database or a disk can do
                    self.trouble = redact(str(error).strip().splitlines()[0])
                    if self._closing.is_set() or self._closing.wait(RETRY_SECONDS):
                        self.unsent += 1
                        break

    def _mirror(self) -> Mirror:
        client = connect(self._given_uri)
        store = absolute(client.tracking_uri)
        cursor = self.folder / f"tracking-{digest({'uri': redact(store)})}.json"
        mirror = Mirror(client, self.sweep, self.folder, cursor)
        self._experiment_id = mirror.experiment_id
        return mirror
