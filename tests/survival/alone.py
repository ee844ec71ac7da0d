"""A whole sweep in one process and without Ray, in a fraction of a second: what the command does,
from the lock to the last trial, for tests that run it hundreds of times."""

import itertools
from pathlib import Path
from typing import Any

from sid_sweep.search import Ledger, mend
from sid_sweep.spec import Sweep
from sid_sweep.spending import WRITE_SECONDS, Spending
from sid_sweep.table_referee import TableReferee
from sid_sweep.trials import Entry, SweepFolder, agreement
from sid_sweep.worker.job import Job
from sid_sweep.worker.run import run

BY_THE_CLOCK = ("cost/samples_per_second",)
IMAGES_PER_STEP, STEPS = 16, 4

SWEEP = {
    "sweep": "small",
    "question": "Which λ?",
    "objective": {"metric": "js"},
    "seeds": [0],
    "scientific": {"loss.lambda": {"choice": [0.5, 1.0]}},
    "baseline": {"loss.lambda": 1.0},
    "fixed": {
        "data": {"kind": "mixture"},
        "generator": {"init": {"net": {"width": 8, "depth": 1}}, "optim": {"warmup_images": 64}},
        "fake_score": {"init": {"net": {"width": 8, "depth": 1}}},
        "batch": {"latents": 2 * IMAGES_PER_STEP},
        "budget": {"images": STEPS * IMAGES_PER_STEP},
        "evaluation": {"times": 2, "samples": 32},
    },
}


def small(**changes: Any) -> Sweep:
    """The sweep, with keys changed."""
    return Sweep.model_validate(SWEEP | changes)


def command(storage: Path, sweep: Sweep | None = None, *, most: int = 1000) -> list[str]:
    """Run a sweep as the command does, at most so many trials; returns what was mended.

    An error in a trial fails the trial; another, such as what the command itself writes while a
    trial runs, ends the command.
    """
    sweep = sweep or small()
    folder = SweepFolder(storage / sweep.sweep)
    with folder.sole_driver():
        lines = mend(folder, sweep)
        agreement.agree(folder, sweep)
        ledger = Ledger(folder, sweep, referee=TableReferee(sweep) if sweep.seeds.confirm else None)
        seconds = map(float, itertools.count(step=int(WRITE_SECONDS)))
        with Spending(sweep, folder, began=0.0, clock=lambda: next(seconds)) as spending:
            spending.gpus = 1.0
            if most and ledger.upcoming() is not None:
                folder.append_command({"code": "abc"})
            while most and (entry := ledger.next_entry()) is not None:
                most -= 1
                _train(entry, ledger, spending, cache=folder.cache)
    return lines


def _train(entry: Entry, ledger: Ledger, spending: Spending, *, cache: Path) -> None:
    """A trial to its end."""
    job = Job(
        trial=entry.trial, folder=entry.folder, cache=cache, checkpoint_seconds=0.0, threads=1
    )
    relay = _Relay(ledger, entry, spending)
    spending.started(entry)
    try:
        run(job, relay)
    except Exception as error:
        if relay.is_broken:
            raise
        entry.folder.write_failure(f"{type(error).__name__}: {error}", traceback="")
    result = entry.folder.standing()
    ledger.tell(entry, result)
    spending.ended(entry, result)


class _Relay:
    """What the command makes of a report."""

    def __init__(self, ledger: Ledger, entry: Entry, spending: Spending) -> None:
        self._ledger, self._entry, self._spending = ledger, entry, spending
        self.is_broken = False

    def __call__(self, figures: dict[str, float]) -> None:
        known = self._entry.trial.metrics
        metrics = {name: value for name, value in figures.items() if name in known}
        self.is_broken = True
        self._ledger.evaluated(self._entry, int(figures["images"]), metrics)
        self._spending.is_over()
        self.is_broken = False


def table(storage: Path, sweep: Sweep | None = None) -> dict[tuple[int, int], Any]:
    """All that the folder says of a sweep's trials, but for what the clock measures: by arm and
    seed, the arm, how it stands, and the metrics of every evaluation."""
    sweep = sweep or small()
    found = {}
    for entry in SweepFolder(storage / sweep.sweep).entries(sweep):
        standing = entry.folder.standing()
        found[entry.number, entry.seed] = (
            dict(entry.arm), standing.outcome, standing.cause, standing.images,
            _timeless(standing.metrics),
            [(own.images, _timeless(own.metrics)) for own in entry.folder.measurements()],
        )  # fmt: skip
    return found


def _timeless(metrics: dict[str, float]) -> dict[str, str]:
    return {name: x.hex() for name, x in metrics.items() if name not in BY_THE_CLOCK}
