"""Optuna's side of the ledger: a study in a journal, its samplers, and suggestions for knobs.

Optuna's trials are called *proposals* here: one is made for each arm that is asked for, and carries
the arm's values in an attribute from the moment that they are known.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from sid_sweep.files import Damaged, drop_half_line, make_folder
from sid_sweep.spec import Arm, Scalar, Sweep
from sid_sweep.spec.domain import Cases, Choice, Domain, IntUniform, LogUniform, Uniform
from sid_sweep.spec.sweep import GridSearch, RandomSearch, Search, TPESearch, space_digest

ARM, OUTCOME, CAUSE = "arm", "outcome", "cause"  # attributes of a proposal
SETTLED, REPEATED = ("finished", "diverged"), "repeated"


def open_study(
    path: Path,
    sweep: Sweep,
    *,
    known: Sequence[Arm] = (),
    is_interrupted: Callable[[Arm], bool] = lambda arm: False,
) -> optuna.Study:
    """The study of this space. Whatever it lacks of its grid, of the arms of older spaces and of
    those that are known is queued: it is new, or was killed or damaged before it had all.

    Args:
        known: arms that were asked for, whether or not the journal says so.
        is_interrupted: whether an arm has a trial that goes on; it is queued before others.
    """
    storage = _storage(path)
    names = optuna.get_all_study_names(storage)
    own = f"{sweep.sweep}-{space_digest(sweep)}"
    older = [_load(name, storage) for name in names if name != own]
    if own in names:
        study = _load(own, storage)
    else:
        directions: list[Any] = [objective.goal for objective in sweep.objectives]
        study = optuna.create_study(storage=storage, study_name=own, directions=directions)
    inherited = [arm_of(proposal) for other in older for proposal in latest_by_arm(other)]
    grid = sweep.grid() if isinstance(sweep.search, GridSearch) else []
    there = {arm_of(proposal) for proposal in latest_by_arm(study)}
    lacks = [arm for arm in dict.fromkeys([*grid, *inherited, *known]) if arm not in there]
    for arm in sorted(lacks, key=lambda arm: not is_interrupted(arm)):
        enqueue(study, arm)
    return study


def arms_asked(path: Path, sweep: Sweep) -> list[Arm]:
    """All arms that a journal says were asked for, in the order of the first times.

    Raises:
        Damaged: it is no journal of this sweep.
    """
    if not path.exists():
        return []
    if not path.is_file():
        raise Damaged(path, "is a folder, not a file")
    try:
        storage = _storage(path)
        names = optuna.get_all_study_names(storage)
        proposals = [p for name in names for p in _load(name, storage).get_trials(deepcopy=False)]
        asked = [p for p in proposals if p.state is not TrialState.WAITING]
        arms = [arm_of(p) for p in asked if ARM in p.user_attrs]
    except Damaged:
        raise
    except Exception as error:  # whatever it raises where lines are not Optuna's
        raise Damaged(path, f"is no journal of Optuna's ({type(error).__name__})") from None
    if strange := [name for name in names if name.rpartition("-")[0] != sweep.sweep]:
        raise Damaged(path, f"is of another sweep, {strange[0]}")
    return list(dict.fromkeys(arms))


def _storage(path: Path) -> JournalStorage:
    """A journal, without what a kill in the middle of a write leaves: a lock (we hold the folder)
    and half a line."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    make_folder(path.parent)
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    drop_half_line(path)
    lock = JournalFileOpenLock(str(path))
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def _load(name: str, storage: JournalStorage) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=storage)


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
    study.sampler = _sampler(sweep.search, _num_proposed(study))
    proposal = study.ask()
    values: dict[str, Scalar] = {}
    for knob, domain in sweep.domains.items():
        if sweep.applies(knob, values):
            values[knob] = _suggest(proposal, knob, domain)
    return proposal, Arm(values)


def go_on(study: optuna.Study, proposal: FrozenTrial, sweep: Sweep) -> optuna.Trial:
    """The proposal of an interrupted arm, open again; what it still lacks of its values, which the
    arm holds, is suggested."""
    again = optuna.Trial(study, proposal._trial_id)
    arm = arm_of(proposal)
    for knob, domain in sweep.domains.items():
        if knob in arm:
            _suggest(again, knob, domain)
    return again


def _num_proposed(study: optuna.Study) -> int:
    """How often the sampler was asked to an end. What was interrupted before its arm was noted, and
    arms that were asked for again, do not count: without the interruption they would not be."""
    proposals = study.get_trials(deepcopy=False)
    arms = {arm_of(own) for own in proposals if ARM in own.user_attrs}
    return len(arms) + sum(own.user_attrs.get(OUTCOME) == REPEATED for own in proposals)


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
