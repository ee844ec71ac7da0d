"""A sweep's folder: `sweeps/<name>/`, the truth about the sweep, with every path in it.

sweep.json              the sweep as it was last run, and its trials with all defaults filled in
arms.jsonl              a line per arm, in the order in which they were first asked for
ledger.journal          Optuna's journal
commands.jsonl          a line per command that ran trials: code, versions, hardware
spending.json           how long GPUs were held, by all commands; none where there are no GPUs
trials/<digest>/        a folder per trial
tracking-<store>.jsonl  what a tracker has sent where
identity.json           what trackers know the folder by, wherever it lies
data-<digest>.png       real images, to look at beside the students'
logs/, ray/             Ray's own logs of the last run; what it writes on a cluster
driver.lock             held by the command that runs the sweep
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError, with_config

from sid_sweep.files import Damaged, append_line, locked, write_json
from sid_sweep.spec import Arm, Data, SpecError, Sweep, Trial, digest
from sid_sweep.spec.arm import Scalar

from .checked import STRICT, first_line, read, read_each, words
from .folder import VALUES, Result, TrialFolder

RECORD = "sweep.json"
DRAWN, FOREIGN = "trial", "foreign"  # in sweep.json beside the sweep's own keys
DIGEST = re.compile("[0-9a-f]{12}")  # the name of a trial's folder
ARM = words(dict[str, Scalar])
SUMS = words(dict[str, str])


@with_config(STRICT)
@dataclass(frozen=True, kw_only=True)
class Held:
    """What a sweep has taken of the machines that it ran on."""

    gpu_seconds: Annotated[float, Field(ge=0)] = 0.0


HELD = TypeAdapter(Held)


def sweeps_in(storage: Path) -> list[str]:
    """The names of all sweeps in a folder of sweeps."""
    return sorted(path.parent.name for path in storage.glob(f"*/{RECORD}"))


@dataclass(frozen=True)
class Entry:
    """A trial and its place in a sweep: an arm at a seed."""

    number: int
    """Of its arm in the sweep, from 0."""
    arm: Arm
    seed: int
    trial: Trial
    folder: TrialFolder

    @property
    def key(self) -> str:
        """Its identity within the sweep, `arm/seed`; two arms may come to one trial."""
        return f"{self.number}/{self.seed}"

    def __str__(self) -> str:
        return f"{self.arm}, seed {self.seed}"


@dataclass(frozen=True)
class SweepFolder:
    """The files of one sweep by their meaning."""

    path: Path

    def exists(self) -> bool:
        """Whether a sweep was ever run here."""
        return self.record.exists()

    def recorded(self) -> tuple[Sweep, dict[str, Any]]:
        """The sweep as it was last run, and all that was recorded of it.

        Raises:
            Damaged: it is no sweep of this version.
        """
        if self.trials.is_file():
            raise Damaged(self.trials, "is a file, not a folder")
        values = read(VALUES, self.record)
        own = {key: value for key, value in values.items() if key not in (DRAWN, FOREIGN)}
        try:
            VALUES.validate_python(values.get(DRAWN))
            SUMS.validate_python(values.get(FOREIGN, {}))
            return Sweep.model_validate(own), values
        except ValidationError as error:
            raise Damaged(self.record, first_line(error)) from None

    def sweep(self) -> Sweep:
        """The sweep as it was last run."""
        return self.recorded()[0]

    def arms(self) -> list[Arm]:
        """All arms that were ever asked for, in the order of their numbers."""
        return [Arm(line) for line in read_each(ARM, self.numbering)]

    def append_arm(self, arm: Arm) -> None:
        """Give a new arm the next number, which it keeps for ever."""
        append_line(self.numbering, dict(arm))

    def commands(self) -> list[dict[str, Any]]:
        """What every command that ran trials was: code, versions, hardware, in their order."""
        return read_each(VALUES, self.provenance)

    def append_command(self, provenance: dict[str, Any]) -> None:
        """Note a command that is about to run trials; one like the last is noted once."""
        if provenance not in self.commands()[-1:]:
            append_line(self.provenance, provenance)

    def held(self) -> Held:
        """What all commands have taken so far, but for the last seconds of one that was killed."""
        return read(HELD, self.spending) if self.spending.exists() else Held()

    def write_held(self, held: Held) -> None:
        """Note what all commands have taken so far."""
        write_json(self.spending, asdict(held))

    def entry(self, sweep: Sweep, number: int, arm: Arm, seed: int) -> Entry:
        """An arm at a seed."""
        return self._entry(number, arm, sweep.trial(arm, seed))

    def entries(self, sweep: Sweep) -> list[Entry]:
        """Every arm so far at every seed of the sweep, begun or not."""
        return [
            self._entry(number, arm, trial)
            for number, arm in enumerate(self.arms())
            for trial in sweep.trials(arm)
        ]

    def _entry(self, number: int, arm: Arm, trial: Trial) -> Entry:
        return Entry(number, arm, trial.seed, trial, self.trial(trial))

    def trial(self, trial: Trial) -> TrialFolder:
        """The folder of a trial. It is found by the digest of its specification alone, so that what
        was computed once is known to whoever asks for it again."""
        return self.trial_of(digest(trial))

    def trial_of(self, digest: str) -> TrialFolder:
        """The folder of the trial with that digest."""
        return TrialFolder(self.trials / digest)

    def trials_like(self, prefix: str) -> list[TrialFolder]:
        """The folders of all trials whose digest begins with `prefix`."""
        own = (path for path in self.trials.glob("*") if DIGEST.fullmatch(path.name))
        return [TrialFolder(path) for path in sorted(own) if path.name.startswith(prefix)]

    def results(self) -> list[Result]:
        """The lasting ends of all trials that this folder has ever seen."""
        return [result for own in self.trials_like("") if (result := own.result()) is not None]

    @contextmanager
    def sole_driver(self) -> Iterator[None]:
        """Hold the folder: two commands would run the same trials.

        Raises:
            SpecError: another process holds it.
        """
        for place in (self.path, self.path.parent):
            if place.exists() and not place.is_dir():
                raise SpecError(f"{place}: is a file, not a folder; move it away, or use --name")
        with ExitStack() as held:
            self._take(held)
            yield

    def _take(self, held: ExitStack) -> None:
        """Lock the folder for as long as `held` is open."""
        lock = self.path / "driver.lock"
        try:
            held.enter_context(locked(lock, wait=False))
        except IsADirectoryError:
            raise SpecError(f"{lock}: is a folder; remove it") from None
        except BlockingIOError:
            raise SpecError(
                f"{self.path}: this sweep is being run by another process; wait for it, or use "
                "--name"
            ) from None

    # ---- paths

    @property
    def record(self) -> Path:
        return self.path / RECORD

    @property
    def journal(self) -> Path:
        return self.path / "ledger.journal"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def scratch(self) -> Path:
        """Where a cluster's Ray writes what nobody reads."""
        return self.path / "ray"

    @property
    def cache(self) -> Path:
        """Trained teachers and judges, shared by all sweeps beside this one."""
        return self.path.parent / "cache"

    def data_picture(self, data: Data) -> Path | None:
        """Real images of the data; None where there are none."""
        return self.path / f"data-{digest(data)}.png" if data.is_images else None

    def cursor(self, store: str) -> Path:
        """What a tracker has sent to a store of that name."""
        return self.path / f"tracking-{store}.jsonl"

    def cursors(self) -> list[Path]:
        """What trackers have sent, the last used first."""
        return sorted(self.path.glob("tracking-*.jsonl"), key=lambda p: -p.lstat().st_mtime_ns)

    @property
    def trials(self) -> Path:
        return self.path / "trials"

    @property
    def provenance(self) -> Path:
        return self.path / "commands.jsonl"

    @property
    def spending(self) -> Path:
        return self.path / "spending.json"

    @property
    def numbering(self) -> Path:
        return self.path / "arms.jsonl"
