"""What a sweep has spent, and the limits at which it stops by itself.

Trials, GPU time and the disk are the sweep's: they are read from its folder, and count on from one
command to the next. Wall time and failures are this command's: a scheduler gives each job its own
hours, and what has failed is tried again by the next command, once its cause is gone.

At a limit of trials or of failures no other trial begins, and those that run go on to their end: no
more than these can still be spent. At the others all stop at their checkpoints, as at Ctrl-C: time,
GPUs and room on a disk would be spent for as long as they ran.
"""

import os
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType

from sid_sweep.screen import duration
from sid_sweep.spec import Sweep
from sid_sweep.trials import Entry, Result, SweepFolder
from sid_sweep.trials.sweep_folder import Held

HOUR_SECONDS, GIGABYTE_BYTES = 3600.0, 1e9
STOPPING = ("wall_hours", "gpu_hours", "disk_gigabytes")
"""Limits at which what runs stops; at the others it goes on to its end."""
OF_A_COMMAND = ("failures", "wall_hours")
UNITS = {"trials": "trials", "failures": "failures", "gpu_hours": "GPU hours"}
FAILED = "SID_SWEEP_FAILED"
"""In the environment: the trials that failed in a command that has begun itself anew."""
WRITE_SECONDS = 10.0  # of GPU time that a kill of the command may lose
LOOK_SECONDS, REST = 5.0, 20  # between two looks at the disk: at least, and by how long one takes


@dataclass(frozen=True)
class Use:
    """A limit, by its key under `limits`, and what is spent of it, in its unit."""

    key: str
    limit: float
    spent: float

    @property
    def is_reached(self) -> bool:
        return self.spent >= self.limit

    def __str__(self) -> str:
        """`12 of 20 trials (8 left)`."""
        left = self._figure(max(self.limit - self.spent, 0.0))
        return f"{self._figure(self.spent)} of {self.allowed} ({left} left)"

    @property
    def allowed(self) -> str:
        """`20 trials`."""
        unit = UNITS.get(self.key, "")
        unit = unit.removesuffix("s") if self.limit == 1 else unit
        return f"{self._figure(self.limit)} {unit}".rstrip()

    @property
    def planned(self) -> str:
        """`20 trials (12 spent)`, `4 h 00 min a command`."""
        if self.key in OF_A_COMMAND:
            return f"{self.allowed} a command"
        return f"{self.allowed} ({self._figure(self.spent)} spent)" if self.spent else self.allowed

    @property
    def reached(self) -> str:
        """`limits.trials = 20 is reached (20 of 20 trials)`."""
        spent = f"{self._figure(self.spent)} of {self.allowed}"
        return f"limits.{self.key} = {_number(self.limit)} is reached ({spent})"

    def _figure(self, value: float) -> str:
        match self.key:
            case "wall_hours":
                return duration(value * HOUR_SECONDS)
            case "gpu_hours":
                return _number(float(f"{value:.3g}"))
            case "disk_gigabytes":
                return f"{_number(float(f'{value:.3g}'))} GB"
        return f"{value:,.0f}"


class Spending(AbstractContextManager["Spending"]):
    """A watcher that counts, and asks the limits. Its main thread is the command's."""

    def __init__(
        self,
        sweep: Sweep,
        folder: SweepFolder,
        *,
        began: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            began: when the command did, by the clock.
        """
        self.gpus = 0.0
        """Of a trial; known once Ray is."""
        self.limits, self._folder = sweep.limits, folder
        self._began, self._clock = began, clock
        self._begun = {own.path.name for own in folder.trials_like("") if own.has_begun()}
        self._failed = set(os.environ.get(FAILED, "").split())
        self._holding: dict[str, float] = {}  # GPUs by who holds them
        self._held = (folder.held().gpu_seconds, clock())  # and until when that is counted
        self._written = self._held
        self._reached: set[str] = set()
        self._over = threading.Event()
        limited = self.limits.disk_gigabytes is not None
        self._disk_bytes = bytes_in(folder.path) if limited else None

    def __enter__(self) -> "Spending":
        if self._disk_bytes is not None:
            threading.Thread(target=self._look, name="disk", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._count()
        self._write(patience=0.0)

    # ---- what is spent

    def spent(self) -> dict[str, float]:
        """By the keys of the limits, in their units; of the disk only where it has one."""
        held, until = self._held
        held += sum(list(self._holding.values())) * (self._clock() - until)
        own = {
            "trials": len(self._begun),
            "failures": len(self._failed),
            "wall_hours": (self._clock() - self._began) / HOUR_SECONDS,
            "gpu_hours": held / HOUR_SECONDS,
        }
        if self._disk_bytes is not None:
            own["disk_gigabytes"] = self._disk_bytes / GIGABYTE_BYTES
        return own

    def uses(self) -> list[Use]:
        """Of all limits that are set."""
        spent = self.spent()
        return [Use(key, own, spent[key]) for key, own in self.limits if own is not None]

    def __str__(self) -> str:
        """`limits: 12 of 20 trials (8 left), 1 h 02 min of 4 h 00 min (2 h 58 min left)`; "" where
        none is set."""
        uses = self.uses()
        return f"limits: {', '.join(map(str, uses))}" if uses else ""

    # ---- what that means

    @property
    def stops(self) -> list[Use]:
        """The limits for which something was left undone."""
        return [use for use in self.uses() if use.key in self._reached]

    def is_over(self) -> bool:
        """Whether all that runs must stop; asked between two steps of the main thread."""
        self._count()
        self._write(patience=WRITE_SECONDS)
        found = {use.key for use in self.uses() if use.is_reached and use.key in STOPPING}
        self._reached |= found
        return bool(found)

    def is_late(self) -> bool:
        """As `is_over`, for the time alone: before a sweep has a folder."""
        found = {use.key for use in self.uses() if use.is_reached and use.key == "wall_hours"}
        self._reached |= found
        return bool(found)

    def admits(self, entry: Entry) -> bool:
        """Whether a trial may be handed out. One that has begun is no further trial."""
        name = entry.folder.path.name
        found = {use.key for use in self.uses() if use.is_reached}
        if name in self._begun:
            found.discard("trials")
        self._reached |= found
        return not self._reached

    # ---- events

    def started(self, entry: Entry) -> None:
        self._count()
        self._holding[entry.folder.path.name] = self.gpus

    def handed(self, entry: Entry) -> None:
        """A trial was handed out, and will be started."""
        self._begun.add(entry.folder.path.name)

    def progressed(self, entry: Entry, images: int, metrics: dict[str, float]) -> None:
        """Nothing: time is counted anyhow."""

    def ended(self, entry: Entry, result: Result) -> None:
        name = entry.folder.path.name
        self._count()
        self._holding.pop(name, None)
        if result.outcome == "failed":
            self._failed.add(name)

    def interrupted(self, why: str = "") -> None:
        """Nothing: the folder says it."""

    def concluded(self, report: str, *, failed: bool) -> None:
        """Nothing: the folder says it."""

    def returned(self, entry: Entry) -> None:
        """A trial that was handed out is to be handed out again, and holds nothing until then."""
        self._count()
        self._holding.pop(entry.folder.path.name, None)

    def release(self) -> None:
        """No trial runs any more, whatever became of those that did."""
        self._count()
        self._holding.clear()
        self._write(patience=0.0)

    def pass_on(self) -> None:
        """Have the command that this process becomes count the same failures."""
        os.environ[FAILED] = " ".join(sorted(self._failed))

    @contextmanager
    def holding(self, gpus: float) -> Iterator[None]:
        """Within, something other than a trial holds GPUs."""
        self._count()
        self._holding[""] = gpus
        try:
            yield
        finally:
            self._count()
            del self._holding[""]

    # ---- the folder

    def _count(self) -> None:
        """The GPUs that are held, up to now."""
        (held, until), now = self._held, self._clock()
        self._held = (held + sum(self._holding.values()) * (now - until), now)

    def _write(self, *, patience: float) -> None:
        """Note what GPUs were held, where that has grown for a while."""
        (held, now), (before, then) = self._held, self._written
        if held > before and now - then >= patience:
            self._folder.write_held(Held(gpu_seconds=held))
            self._written = self._held

    def _look(self) -> None:
        """The disk's thread: a folder on a network may take long to look at."""
        pause = LOOK_SECONDS
        while not self._over.wait(pause):
            began = time.monotonic()
            self._disk_bytes = bytes_in(self._folder.path)
            pause = max(LOOK_SECONDS, REST * (time.monotonic() - began))


def bytes_in(folder: Path) -> int:
    """The size of all files below a folder, without those that are being written: each of these
    takes the place of another."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            if not (name.startswith(".") and name.endswith(".tmp")):
                with suppress(OSError):  # it is gone, or replaced on another machine
                    total += os.lstat(os.path.join(place, name)).st_size
    return total


def never_reached(use: Use, sweep: Sweep, *, gpus: float | None) -> str:
    """Why a limit can never be reached, or "".

    Args:
        gpus: of a trial, if that is known.
    """
    if use.key == "gpu_hours" and gpus == 0:
        return "never reached: trials take no GPU"
    most = sweep.num_trials + (use.spent if use.key == "trials" else 0)
    if use.key in ("trials", "failures") and use.limit >= most:
        return f"never reached: there are {sweep.num_trials:,} trials at most"
    return ""


def going_on(command: str, stops: Sequence[Use]) -> str:
    """The command that goes on where limits stopped it: with as much again of what is counted for
    the sweep, and unchanged for what begins anew with each command."""
    words = shlex.split(command)
    for use in stops:
        if use.key in OF_A_COMMAND:
            continue
        written = f"limits.{use.key}="
        kept: list[str] = []
        for word in words:
            if word.startswith(written) and kept[-1:] == ["--set"]:
                kept.pop()
            elif not word.startswith(f"--set={written}"):
                kept.append(word)
        words = [*kept, "--set", f"{written}{_number(use.spent + use.limit)}"]
    return shlex.join(words)


def _number(value: float) -> str:
    """As YAML takes it, never with an exponent."""
    return format(Decimal(f"{value:.6g}").normalize(), "f")
