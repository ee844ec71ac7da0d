"""Which arms, and how they did: a ledger in Optuna's journal, asked and told by the driver alone.

An arm is an Optuna trial, told once, with the mean over its seeds. A seed's result is looked up in
its trial's folder, by digest, so what was computed once is never computed again, whichever study
asks. A grown space gets a new study in the same journal, which begins with the arms of the older
ones.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from sid_sweep.spec import Arm, Sweep, Trial, digest
from sid_sweep.spec.domain import Cases, Choice, Domain, IntUniform, LogUniform, Scalar, Uniform
from sid_sweep.spec.sweep import GridSearch, RandomSearch, Search, TPESearch, space_digest

from .events import Run
from .folder import Result, TrialFolder

MAX_REPEATS = 100  # draws of known arms in a row after which a space counts as exhausted


@dataclass(frozen=True)
class Job:
    """One trial to run: an arm at a seed."""

    arm: int
    """Position of its arm in the ledger."""
    seed: int
    trial: Trial
    digest: str


@dataclass
class ArmState:
    """One arm, its Optuna trial, and the results of its seeds so far."""

    values: Arm
    number: int
    results: dict[int, Result] = field(default_factory=dict)


class Ledger:
    """The arms of a sweep, in the order in which they were asked for, and what is left to run."""

    def __init__(
        self, folder: Path, sweep: Sweep, *, known: Callable[[Run, Result], None] | None = None
    ) -> None:
        """Open the ledger in `folder`.

        Args:
            known: called for every trial of an asked arm whose result is there already.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.folder = folder
        self.sweep = sweep
        self.arms: list[ArmState] = []
        self._known = known or (lambda run, result: None)
        self._jobs: list[Job] = []
        self._open_trials: dict[int, optuna.Trial] = {}
        self._study = _open_study(folder / "ledger.journal", sweep)
        for trial in _latest_by_arm(self._study):
            if trial.state is not TrialState.WAITING and not self._adopt(trial):
                self._ask_again(trial)

    def trial_folder(self, job: Job) -> TrialFolder:
        """Where the files of a trial lie."""
        return TrialFolder(self.folder / "trials" / job.digest)

    def jobs(self, arm: int) -> list[Job]:
        """All trials of an arm, run or not, in the order of their seeds."""
        trials = [(s, self.sweep.trial(self.arms[arm].values, s)) for s in self.sweep.seeds]
        return [Job(arm, seed, trial, digest(trial)) for seed, trial in trials]

    def next_job(self) -> Job | None:
        """The next trial to run: a started arm's seeds before a new arm's. None: nothing is
        left."""
        while not self._jobs:
            arm = self._ask()
            if arm is None:
                return None
            self._start(arm)
        return self._jobs.pop(0)

    def has_work(self) -> bool:
        """Whether there is a next job."""
        if not self._jobs and (job := self.next_job()) is not None:
            self._jobs.insert(0, job)
        return bool(self._jobs)

    def run(self, job: Job) -> Run:
        """A job as watchers see it."""
        values = self.arms[job.arm].values
        return Run(job.arm, values, job.seed, job.trial, job.digest, self.trial_folder(job))

    def tell(self, job: Job, result: Result) -> None:
        """Note how a trial ended; with the last of its seeds, the arm is told."""
        arm = self.arms[job.arm]
        arm.results[job.seed] = result
        if len(arm.results) < len(self.sweep.seeds):
            return
        study_trial = self._open_trials.pop(arm.number)
        bad = [result for result in arm.results.values() if result.outcome != "finished"]
        if bad:
            study_trial.set_user_attr("outcome", _worst(bad))
            study_trial.set_user_attr("cause", bad[0].cause)
            self._study.tell(study_trial, state=TrialState.FAIL)
            return
        study_trial.set_user_attr("outcome", "finished")
        results = list(arm.results.values())
        means = [fmean(r.metrics[o.metric] for r in results) for o in self.sweep.objectives]
        self._study.tell(study_trial, means)

    def _ask(self) -> ArmState | None:
        """The next new arm, from the queue or from the sampler; None if the sweep has all."""
        for _ in range(MAX_REPEATS):
            queued = bool(self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
            if not queued and not self._wants_more():
                return None
            self._study.sampler = _sampler(self.sweep.search, len(self._study.get_trials(False)))
            study_trial = self._study.ask()
            values = _suggest(study_trial, self.sweep)
            if all(arm.values != values for arm in self.arms):
                study_trial.set_user_attr("arm", values)
                self._open_trials[study_trial.number] = study_trial
                self.arms.append(ArmState(values, study_trial.number))
                return self.arms[-1]
            study_trial.set_user_attr("outcome", "repeated")
            self._study.tell(study_trial, state=TrialState.FAIL)
        return None

    def _wants_more(self) -> bool:
        search = self.sweep.search
        return not isinstance(search, GridSearch) and len(self.arms) < search.arms

    def _start(self, arm: ArmState) -> None:
        """Queue the seeds that have no result; tell those that have one."""
        for job in self.jobs(self.arms.index(arm)):
            if (result := self.trial_folder(job).result()) is not None:
                self.tell(job, result)
                self._known(self.run(job), result)
            else:
                self._jobs.append(job)

    def _adopt(self, trial: FrozenTrial) -> bool:
        """Take over an arm that an earlier run has settled, if all its results are still there."""
        self.arms.append(ArmState(trial.user_attrs["arm"], trial.number))
        jobs = self.jobs(len(self.arms) - 1)
        results = [self.trial_folder(job).result() for job in jobs]
        if trial.user_attrs.get("outcome") not in ("finished", "diverged") or None in results:
            self.arms.pop()
            return False
        for job, result in zip(jobs, results, strict=True):
            assert result is not None
            self.arms[-1].results[job.seed] = result
            self._known(self.run(job), result)
        return True

    def _ask_again(self, trial: FrozenTrial) -> None:
        """Queue an arm that failed or was interrupted; diverging is a result, not a failure."""
        if trial.state is TrialState.RUNNING:
            self._study.tell(trial.number, state=TrialState.FAIL)
        _enqueue(self._study, trial.user_attrs["arm"])


def _open_study(path: Path, sweep: Sweep) -> optuna.Study:
    """The study of this space; a new one begins with its grid and with the arms of older spaces."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_remains(path)
    lock = JournalFileOpenLock(str(path))
    storage = JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    known = optuna.get_all_study_names(storage)
    name = f"{sweep.sweep}-{space_digest(sweep)}"
    if name in known:
        return optuna.load_study(study_name=name, storage=storage)
    directions: list[Any] = [objective.goal for objective in sweep.objectives]
    study = optuna.create_study(storage=storage, study_name=name, directions=directions)
    older = [optuna.load_study(study_name=other, storage=storage) for other in known]
    inherited = [trial.user_attrs["arm"] for other in older for trial in _latest_by_arm(other)]
    grid = list(sweep.grid()) if isinstance(sweep.search, GridSearch) else []
    seen: list[Arm] = []
    for arm in [*grid, *inherited]:
        if arm not in seen:
            seen.append(arm)
            _enqueue(study, arm)
    return study


def _clear_remains(path: Path) -> None:
    """What a kill in the middle of a write leaves: a lock (we hold the folder) and half a line."""
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    if path.exists() and not (content := path.read_bytes()).endswith(b"\n"):
        path.write_bytes(content[: content.rfind(b"\n") + 1])


def _enqueue(study: optuna.Study, arm: Arm) -> None:
    study.enqueue_trial(arm, user_attrs={"arm": arm})


def _latest_by_arm(study: optuna.Study) -> list[FrozenTrial]:
    """The last attempt at every arm, in the order of the first attempts."""
    latest: dict[str, FrozenTrial] = {}
    for trial in study.get_trials(deepcopy=False):
        if "arm" in trial.user_attrs:
            latest[repr(trial.user_attrs["arm"])] = trial
        elif trial.state is TrialState.RUNNING:  # killed between asking and noting the arm
            study.tell(trial.number, state=TrialState.FAIL)
    return list(latest.values())


def _worst(results: list[Result]) -> str:
    return "failed" if any(result.outcome == "failed" for result in results) else "diverged"


def _suggest(trial: optuna.Trial, sweep: Sweep) -> Arm:
    """Values for all knobs whose conditions hold, in the order of their definition."""
    arm: Arm = {}
    for knob, domain in sweep.domains.items():
        if sweep.applies(knob, arm):
            arm[knob] = _suggest_value(trial, knob, domain)
    return arm


def _suggest_value(trial: optuna.Trial, knob: str, domain: Domain) -> Scalar:
    match domain:
        case Choice():
            return cast(Scalar, trial.suggest_categorical(knob, domain.choice))
        case Cases():
            return cast(Scalar, trial.suggest_categorical(knob, domain.examples()))
        case Uniform():
            return trial.suggest_float(knob, *domain.uniform)
        case LogUniform():
            return trial.suggest_float(knob, *domain.log_uniform, log=True)
        case IntUniform():
            return trial.suggest_int(knob, *domain.int_uniform)


def _sampler(search: Search, num_trials: int) -> optuna.samplers.BaseSampler:
    """A sampler for one question: seeded anew for each, so that a resumed one does not repeat
    itself."""
    own = 0 if isinstance(search, GridSearch) else search.seed
    key = hashlib.blake2b(f"{own}/{num_trials}".encode(), digest_size=4).digest()
    seed = int.from_bytes(key, "little")
    match search:
        case GridSearch() | RandomSearch():  # a grid is queued whole and never asks its sampler
            return optuna.samplers.RandomSampler(seed=seed)
        case TPESearch():
            return optuna.samplers.TPESampler(seed=seed)
