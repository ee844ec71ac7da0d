"""Optuna's side of the ledger: a study in a journal, and suggestions for knobs.

Optuna's trials are called *proposals* here: one is made for each arm that is asked for, and carries
the arm's values in an attribute from the moment that they are known.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from sid_sweep.files import Damaged, drop_half_line, make_folder
from sid_sweep.spec import Arm, Scalar, Sweep
from sid_sweep.spec.domain import Cases, Choice, Domain, IntUniform, LogUniform, Uniform
from sid_sweep.spec.sweep import space_digest

from .earlier import Lesson
from .samplers import EARLIER, blind, distribution, first_generation, join_generation, sampler
from .telling import OUTCOME

ARM = "arm"  # attribute of a proposal
REPEATED = "repeated"
LEARNT = "learnt"  # attribute of a study that has all that an earlier sweep lends
MAX_OWN_REPEATS = 5
"""Known arms that a sampler asks for in a row; then one is drawn."""


@dataclass
class Count:
    """How often the sampler was asked to an end. Arms that the file names do not count, nor does
    what was interrupted before its arm was noted, nor arms that were asked for again: without the
    interruption they would not be."""

    drawn: int = 0
    """Arms that the file does not name."""
    repeats: int = 0
    """Proposals of known arms."""
    repeats_in_a_row: int = 0
    """Of the last ones."""

    @property
    def number(self) -> int:
        """Of the next question."""
        return self.drawn + self.repeats

    def repeated(self) -> None:
        """Note a proposal of a known arm."""
        self.repeats += 1
        self.repeats_in_a_row += 1


def open_study(
    path: Path,
    sweep: Sweep,
    *,
    known: Sequence[Arm] = (),
    goes_on: Callable[[Arm], bool] = lambda arm: False,
    lessons: Callable[[], Sequence[Lesson]] | None = None,
) -> optuna.Study:
    """The study of this space. Whatever it lacks of the arms that the file names, of those of older
    spaces and of those that are known is queued: it is new, or was killed or damaged before it had
    all.

    Args:
        known: arms that were asked for, whether or not the journal says so.
        goes_on: whether an arm has a trial that goes on; it is queued before others.
        lessons: asks what an earlier sweep lends, once; None where none does.
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
    if lessons is not None and LEARNT not in study.user_attrs:
        _learn(study, sweep, lessons())
    there = {arm_of(proposal) for proposal in latest_by_arm(study)}
    named = [*sweep.declared, *inherited, *known]
    lacks = [arm for arm in dict.fromkeys(named) if arm not in there]
    for arm in sorted(lacks, key=lambda arm: not goes_on(arm)):
        enqueue(study, arm)
    return study


def _learn(study: optuna.Study, sweep: Sweep, lessons: Sequence[Lesson]) -> None:
    """Tell a study once what an earlier sweep found, whatever becomes of that sweep."""
    known = {own.user_attrs.get(EARLIER) for own in study.get_trials(deepcopy=False)}
    for lesson in lessons:
        if lesson.number not in known:
            study.add_trial(
                optuna.trial.create_trial(
                    values=lesson.values,
                    params=dict(lesson.arm),
                    distributions={knob: distribution(sweep.domains[knob]) for knob in lesson.arm},
                    user_attrs={EARLIER: lesson.number},
                    system_attrs=first_generation(sweep),
                    constraints=lesson.excess,
                )
            )
    study.set_user_attr(LEARNT, len(lessons))


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
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # of libraries that it would like
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


def propose(study: optuna.Study, sweep: Sweep, count: Count) -> tuple[optuna.Trial, Arm]:
    """A new proposal and its values for all knobs whose conditions hold."""
    is_stuck = sweep.search.learns and count.repeats_in_a_row >= MAX_OWN_REPEATS
    study.sampler = (blind if is_stuck else sampler)(sweep, count.number)
    proposal = study.ask()
    join_generation(study, proposal.number)
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


def repeats_of(study: optuna.Study) -> Count:
    """The count of a study without its arms."""
    outcomes = [own.user_attrs.get(OUTCOME) for own in study.get_trials(deepcopy=False)]
    row = next((n for n, own in enumerate(reversed(outcomes)) if own != REPEATED), len(outcomes))
    return Count(repeats=outcomes.count(REPEATED), repeats_in_a_row=row)


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
