"""Optuna's side of the ledger: a study in a journal, its samplers, and suggestions for knobs.

Optuna's trials are called *proposals* here: one is made for each arm that is asked for, and carries
the arm's values in an attribute from the moment that they are known.
"""

import hashlib
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from sid_sweep.files import drop_half_line
from sid_sweep.spec import Arm, Scalar, Sweep
from sid_sweep.spec.domain import Cases, Choice, Domain, IntUniform, LogUniform, Uniform
from sid_sweep.spec.sweep import GridSearch, RandomSearch, Search, TPESearch, space_digest

ARM, OUTCOME, CAUSE = "arm", "outcome", "cause"  # attributes of a proposal
SETTLED = ("finished", "diverged")


def open_study(path: Path, sweep: Sweep) -> optuna.Study:
    """The study of this space; a new one begins with its grid and with the arms of older spaces."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    # What a kill in the middle of a write leaves: a lock (we hold the folder) and half a line.
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    drop_half_line(path)
    lock = JournalFileOpenLock(str(path))
    storage = JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
    known = optuna.get_all_study_names(storage)
    name = f"{sweep.sweep}-{space_digest(sweep)}"
    if name in known:
        return optuna.load_study(study_name=name, storage=storage)
    directions: list[Any] = [objective.goal for objective in sweep.objectives]
    study = optuna.create_study(storage=storage, study_name=name, directions=directions)
    older = [optuna.load_study(study_name=other, storage=storage) for other in known]
    inherited = [arm_of(proposal) for other in older for proposal in latest_by_arm(other)]
    grid = sweep.grid() if isinstance(sweep.search, GridSearch) else []
    for arm in dict.fromkeys([*grid, *inherited]):
        enqueue(study, arm)
    return study


def latest_by_arm(study: optuna.Study) -> list[FrozenTrial]:
    """The last attempt at every arm, in the order of the first attempts."""
    latest: dict[Arm, FrozenTrial] = {}
    for proposal in study.get_trials(deepcopy=False):
        if ARM in proposal.user_attrs:
            latest[arm_of(proposal)] = proposal
        elif proposal.state is TrialState.RUNNING:  # killed between asking and noting the arm
            study.tell(proposal.number, state=TrialState.FAIL)
    return list(latest.values())


def arm_of(proposal: FrozenTrial) -> Arm:
    """The arm that a proposal was made for."""
    return Arm(proposal.user_attrs[ARM])


def enqueue(study: optuna.Study, arm: Arm) -> None:
    """Have the study ask for this arm before it asks its sampler."""
    study.enqueue_trial(dict(arm), user_attrs={ARM: dict(arm)})


def has_queue(study: optuna.Study) -> bool:
    """Whether an enqueued arm is left."""
    return bool(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def propose(study: optuna.Study, sweep: Sweep) -> tuple[optuna.Trial, Arm]:
    """A new proposal and its values for all knobs whose conditions hold."""
    study.sampler = _sampler(sweep.search, len(study.get_trials(deepcopy=False)))
    proposal = study.ask()
    values: dict[str, Scalar] = {}
    for knob, domain in sweep.domains.items():
        if sweep.applies(knob, values):
            values[knob] = _suggest(proposal, knob, domain)
    return proposal, Arm(values)


def _suggest(proposal: optuna.Trial, knob: str, domain: Domain) -> Scalar:
    match domain:
        case Choice() | Cases():
            return cast(Scalar, proposal.suggest_categorical(knob, domain.corners()))
        case Uniform():
            return proposal.suggest_float(knob, *domain.uniform)
        case LogUniform():
            return proposal.suggest_float(knob, *domain.log_uniform, log=True)
        case IntUniform():
            return proposal.suggest_int(knob, *domain.int_uniform)


def _sampler(search: Search, num_proposals: int) -> optuna.samplers.BaseSampler:
    """A sampler for one question: seeded anew for each, so that a resumed one does not repeat
    itself."""
    own = 0 if isinstance(search, GridSearch) else search.seed
    key = hashlib.blake2b(f"{own}/{num_proposals}".encode(), digest_size=4).digest()
    seed = int.from_bytes(key, "little")
    match search:
        case GridSearch() | RandomSearch():  # a grid is queued whole and never asks its sampler
            return optuna.samplers.RandomSampler(seed=seed)
        case TPESearch():
            return optuna.samplers.TPESampler(seed=seed)
