"""The nodes of a cluster while a sweep runs: whoever joins is examined and then used, whoever
leaves is missed."""

import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import examine
from .examine import WORD, versions
from .machine import Capacity, Layout

SILENT = "it does not answer"
HEAR_SECONDS = 2.0
LATELY_SECONDS = 60.0
EXAMINE_SECONDS = 120.0  # for a node to answer at all: a process is started there
POLL_SECONDS = 0.1
WAITING = ("PENDING", "RESCHEDULING")


@dataclass
class Node:
    """A node that is alive."""

    id: str
    name: str
    place: tuple[str, int]
    """Where its raylet listens."""
    capacity: Capacity
    began: float
    answer: Any
    """What its examination will return."""
    trouble: str | None = None
    """Why no trial may go there; None: not known yet, "": nothing."""


class Nodes:
    """Whoever is alive, as far as known. Asked by the guard's thread, read by the main one."""

    def __init__(self, folder: Path, *, say: Callable[[str], None]) -> None:
        """
        Args:
            folder: that every node must see, for our own files.
            say: tells the user a line.
        """
        self._folder, self._say = folder, say
        self._word = secrets.token_hex(16)
        self._nodes: dict[str, Node] = {}
        self._layout: Layout | None = None
        self._left = -LATELY_SECONDS
        self._waited: set[bytes] = set()
        self._waits = ""
        self._lock = threading.Lock()

    @contextmanager
    def written(self) -> Iterator[None]:
        """Within, the file is there that nodes are asked for."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / WORD).write_text(self._word)
        try:
            yield
        finally:
            for path in self._folder.iterdir():
                path.unlink(missing_ok=True)

    # ---- asked

    def look(self) -> bool:
        """Ask Ray who is alive; whether anybody is."""
        import ray

        with self._lock:
            alive = {row["NodeID"]: row for row in ray.nodes() if row["Alive"]}
            for id in self._nodes.keys() - alive.keys():
                gone = self._nodes.pop(id)
                self._left = time.monotonic()
                self._tell(f"node {gone.name} has left", needs=self._layout)
            for id in alive.keys() - self._nodes.keys():
                self._nodes[id] = self._begin(alive[id])
            for node in self._nodes.values():
                if node.trouble is None:
                    self._follow(node)
            self._hear(SILENT)
            self._waits = self._look_for_waiting() if self._layout else ""
            return bool(alive)

    def _begin(self, row: dict[str, Any]) -> Node:
        """Have a new node examined."""
        import ray
        from ray import cloudpickle
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        own = row["Resources"]
        capacity = Capacity(int(own.get("CPU", 0)), own.get("GPU", 0.0))
        there: Any = NodeAffinitySchedulingStrategy(row["NodeID"], soft=False)
        cloudpickle.register_pickle_by_value(examine)
        asked = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(examine.examine)
        answer = asked.remote(str(self._folder), self._word, row["NodeID"])
        place = (row["NodeManagerAddress"], row["NodeManagerPort"])
        return Node(row["NodeID"], row["NodeName"], place, capacity, time.monotonic(), answer)

    def _follow(self, node: Node) -> None:
        """Take note of what an examination has found, once it has."""
        import ray

        if not ray.wait([node.answer], timeout=0)[0]:
            if time.monotonic() - node.began > EXAMINE_SECONDS:
                node.trouble = f"nothing runs there for {EXAMINE_SECONDS:g} s"
        else:
            try:
                there, trouble = ray.get(node.answer)
                node.trouble = self._judge(node, there, trouble)
            except Exception as error:
                lines = str(error).strip().splitlines() or [type(error).__name__]
                node.trouble = f"nothing runs there ({lines[0]})"
        if self._layout and node.trouble is not None:
            used = f"is not used: {node.trouble}" if node.trouble else "has joined"
            self._tell(f"node {node.name} {used}", needs=None if node.trouble else self._layout)

    def _judge(self, node: Node, there: dict[str, str], trouble: str) -> str:
        differences = [
            f"{name} {there.get(name, 'absent')} there, {version} here"
            for name, version in versions().items()
            if there.get(name, "absent") != version
        ]
        if differences:
            return f"{', '.join(differences)}; install the same versions on all nodes"
        written = self._folder / node.id
        if not trouble and not (written.exists() and written.read_text() == self._word):
            trouble = "what it writes is not seen here"
        if trouble:
            return (
                f"it does not share {self._folder.parents[1]} ({trouble}); --storage must be a "
                "folder that all nodes see under one path"
            )
        return ""

    def _tell(self, what: str, *, needs: Layout | None) -> None:
        if needs is not None:
            num = needs.fits(self.capacities())
            what += f"; {num} trial{'s fit' if num != 1 else ' fits'} at a time"
        self._say(what)

    def _look_for_waiting(self) -> str:
        """What our trials have waited for since the last look, in words."""
        import ray
        from ray._private.state import gcs_pb2, state

        job = ray.JobID.from_hex(ray.get_runtime_context().get_job_id()).binary()
        table = state._connect_and_get_accessor().get_placement_group_table()
        data: Any = gcs_pb2.PlacementGroupTableData  # pyright: ignore
        groups, names = map(data.FromString, table), data.PlacementGroupState
        now = {
            group.placement_group_id
            for group in groups
            if group.creator_job_id == job and names.Name(group.state) in WAITING
        }
        lasting, self._waited = now & self._waited, now
        assert self._layout is not None
        if not lasting:
            return ""
        free, num = ray.available_resources(), len(lasting)
        who = "a trial waits" if num == 1 else f"{num} trials wait"
        each = f"{self._layout.each}{' each' if self._layout.workers > 1 else ''}"
        gpus = f" and {free.get('GPU', 0.0):g} GPU" if self._layout.gpus else ""
        return f"{who} for {each}: free are {free.get('CPU', 0.0):g} CPU{gpus} on all nodes"

    def lost_one(self) -> bool:
        """Whether a node has left lately, or does not answer any more, which Ray notices some time
        after the death of what ran there: until then no trial may go there either."""
        with self._lock:
            self._hear("")
            silent = any(node.trouble == SILENT for node in self._nodes.values())
            return silent or time.monotonic() - self._left < LATELY_SECONDS

    def _hear(self, trouble: str) -> None:
        """Find out which of the nodes with that trouble, or without one, listen, all at once: of a
        whole rack that is gone none refuses."""
        asked = [node for node in self._nodes.values() if node.trouble == trouble]
        if asked:
            with ThreadPoolExecutor(len(asked)) as pool:
                for node, listens in zip(asked, pool.map(_listens, asked), strict=True):
                    node.trouble = "" if listens else SILENT

    # ---- read

    def settle(self, check: Callable[[], None]) -> None:
        """Wait until all that are there are examined.

        Raises:
            Unfit: one of them cannot be used.
        """
        while not self._nodes or any(node.trouble is None for node in self._nodes.values()):
            check()
            self.look()
            time.sleep(POLL_SECONDS)
        for node in self._nodes.values():
            if node.trouble:
                raise Unfit(f"node {node.name}: {node.trouble}")

    def use(self, layout: Layout) -> None:
        """From here on trials of such a layout run, and the user is told who comes and goes."""
        self._layout = layout

    def capacities(self) -> list[Capacity]:
        """Of those that are fit for trials."""
        return [node.capacity for node in list(self._nodes.values()) if node.trouble == ""]

    def unfit(self) -> tuple[str, ...]:
        """The ids of all others: no trial may go there."""
        return tuple(sorted(n.id for n in list(self._nodes.values()) if n.trouble != ""))

    def waits(self) -> str:
        """What trials wait for, in words; "" where none does."""
        return self._waits


def _listens(node: Node) -> bool:
    """Whether its raylet does."""
    try:
        with socket.create_connection(node.place, HEAR_SECONDS):
            return True
    except OSError:
        return False


class Unfit(Exception):
    """A node that cannot be used, and why."""
