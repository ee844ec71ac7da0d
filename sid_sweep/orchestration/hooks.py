"""Where Tune meets the ledger: a searcher that hands out its jobs, a callback that tells how they
end."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from .events import Run, Watcher
from .folder import Result, TrialFolder
from .search import Job, Ledger

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Jobs:
    """The ledger's jobs by Tune's trial ids."""

    ledger: Ledger
    config: Callable[[Job], dict[str, Any]]
    taken: dict[str, Job] = field(default_factory=dict)

    def take(self, trial_id: str) -> dict[str, Any] | None:
        """The configuration of the next job, or None if nothing is left."""
        job = self.ledger.next_job()
        if job is None:
            return None
        self.taken[trial_id] = job
        return self.config(job)

    def run(self, trial_id: str) -> Run:
        """The job of a Tune trial, as watchers see it."""
        return self.ledger.run(self.taken[trial_id])

    def __reduce__(self) -> Any:
        return (str, ("jobs",))  # Tune pickles its parts into snapshots that nobody restores


class Dispatcher(Searcher):
    """Hands the ledger's jobs to Tune, one at a time."""

    def __init__(self, jobs: Jobs) -> None:
        super().__init__()
        self._jobs = jobs

    def suggest(self, trial_id: str) -> Any:
        return self._jobs.take(trial_id) or Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Nothing: the trial's folder knows better, and Relay reads it."""

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a sweep is resumed from its ledger")


class Relay(tune.Callback):
    """Tells ledger and watchers what happens; between two of Tune's steps it is safe to stop."""

    def __init__(self, jobs: Jobs, watchers: list[Watcher], *, check: Callable[[], None]) -> None:
        self._jobs = jobs
        self._watchers = watchers
        self._check = check

    def __reduce__(self) -> Any:
        return (tune.Callback, ())  # as for Jobs

    def on_step_begin(self, iteration: int, trials: list, **info: Any) -> None:
        self._check()

    def on_trial_start(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        run = self._jobs.run(trial.trial_id)
        for watcher in self._watchers:
            watcher.started(run)

    def on_trial_result(
        self, iteration: int, trials: list, trial: Any, result: dict, **info: Any
    ) -> None:
        if result.get("over"):
            return
        run = self._jobs.run(trial.trial_id)
        metrics = {name: result[name] for name in run.trial.data.metrics if name in result}
        for watcher in self._watchers:
            watcher.progressed(run, result["images"], metrics)

    def on_trial_complete(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        self._end(trial.trial_id)

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        """The process died: whatever a trial raises by itself is in its folder already."""
        folder = self._jobs.run(trial.trial_id).folder
        if folder.result() is None:
            text = ANSI.sub("", Path(trial.error_file).read_text()).partition("\n")[2].strip()
            folder.write_failure(f"its process died ({first_sentence(text)})", traceback=text)
        self._end(trial.trial_id)

    def _end(self, trial_id: str) -> None:
        job, run = self._jobs.taken[trial_id], self._jobs.run(trial_id)
        result = outcome(run.folder)
        self._jobs.ledger.tell(job, result)
        for watcher in self._watchers:
            watcher.ended(run, result)


def first_sentence(text: str) -> str:
    """The beginning of what Ray says of a dead process."""
    return text.splitlines()[0].split(". ")[0].rstrip(".") if text else "no reason given"


def outcome(folder: TrialFolder) -> Result:
    """How a trial ended that is no longer running: its result, or its failure."""
    if (result := folder.result()) is not None:
        return result
    records = folder.records()
    cause = folder.failure() or "its process died"
    if not records:
        return Result("failed", cause, 0, 0.0, 0)
    last = records[-1]
    return Result("failed", cause, last.images, last.seconds, last.peak_memory_bytes)
