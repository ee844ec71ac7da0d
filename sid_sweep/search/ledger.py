"""The ledger: every arm asked for once, every trial handed out once, every arm told once.

A sweep runs in phases. All arms run on the seeds that screen; then, where seeds confirm, the best
few and the baseline run on those. Where how many seeds an arm gets depends on what they show, they
are handed out in rounds: each arm that is still in gets its next seed, and the next round begins
when all of this one have ended. So a worker may have to wait, but which trials are run depends on
their results alone, not on which of them came first, and a sweep that was killed goes on to the
same ones.

What was begun and has no end comes before what is new, the furthest of it first. An arm that is
given up (`pruning`) gets none of its further screening seeds.

Optuna is told of an arm with the mean over the screening seeds that it got (`telling`). A trial's
result is looked up in its folder, so what was computed once is never computed again, whichever
space asks. A grown space gets a new study in the same journal, which begins with the arms of the
older ones.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import optuna
from optuna.trial import TrialState

from sid_sweep.spec import SETTLED, Arm, Sweep
from sid_sweep.spec.search import GridSearch
from sid_sweep.trials import Entry, Result, SweepFolder, TrialFolder

from .earlier import lessons_of
from .pruning import Pruner
from .referee import Referee
from .study import (
    ARM,
    REPEATED,
    arm_of,
    enqueue,
    go_on,
    has_queue,
    latest_by_arm,
    open_study,
    propose,
    repeats_of,
)
from .telling import CAUSE, OUTCOME, Teller

MAX_REPEATS = 100  # draws of known arms in a row after which a space counts as exhausted


@dataclass
class _Asked:
    """An arm, its results so far by seed, and the open proposal, if any."""

    arm: Arm
    proposal: optuna.Trial | None
    results: dict[int, Result] = field(default_factory=dict)


class Ledger:
    """The arms of a sweep, in the order in which they were asked for, and what is left to run."""

    def __init__(
        self,
        folder: SweepFolder,
        sweep: Sweep,
        *,
        referee: Referee | None = None,
        known: Callable[[Entry, Result], None] | None = None,
        foreseen: Callable[[int], None] | None = None,
    ) -> None:
        """Open the ledger in `folder`.

        Args:
            referee: judges which arms get more seeds; needed where that depends on results.
            known: called for every trial of an asked arm whose result is there already.
            foreseen: called with the number of trials in all, at most, when it has changed.
        """
        self.folder = folder
        self.sweep = sweep
        self._referee = referee
        self._known = known or (lambda entry, result: None)
        self._foreseen = foreseen or (lambda total: None)
        self._asked: dict[int, _Asked] = {}
        self._started: dict[tuple[int, int], Entry] = {}
        self._queue: list[Entry] = []
        self._twins: dict[TrialFolder, list[Entry]] = {}
        self._numbers = {arm: number for number, arm in enumerate(folder.arms())}
        self._study = open_study(
            folder.journal,
            sweep,
            known=folder.arms(),
            goes_on=self._goes_on,
            lessons=lessons_of(sweep, folder),
        )
        self._pruner = Pruner(sweep)
        self._teller = Teller(self._study, sweep, self._pruner)
        self._num_forgone = 0
        self._declared, self._count = set(sweep.declared), repeats_of(self._study)
        for proposal in latest_by_arm(self._study):
            if proposal.state is TrialState.WAITING:
                continue
            number = self._number(arm_of(proposal))
            if proposal.state is TrialState.PRUNED:
                self._pruner.give_up(number, proposal.user_attrs[CAUSE])
            if proposal.state.is_finished() and proposal.user_attrs.get(OUTCOME) in SETTLED:
                self._note(arm_of(proposal), None)
            elif proposal.state is TrialState.RUNNING:
                self._note(arm_of(proposal), go_on(self._study, proposal, sweep))
            else:
                enqueue(self._study, arm_of(proposal))
        self._course = self._phases()
        self._at_end_of_round = False

    @property
    def arms(self) -> list[Arm]:
        """All arms asked for so far."""
        return [asked.arm for asked in self._asked.values()]

    @property
    def waits(self) -> bool:
        """Whether what comes next depends on trials that were handed out and have not ended."""
        return self._at_end_of_round and bool(self._twins)

    def is_open(self, entry: Entry) -> bool:
        """Whether a trial is queued or out: how it ends was not told yet."""
        return entry.folder in self._twins

    def entries(self) -> list[Entry]:
        """All that was asked for so far, begun or not, by arm and in the order of the seeds."""
        order = {seed: place for place, seed in enumerate(self.sweep.seeds.all)}
        return sorted(self._started.values(), key=lambda e: (e.number, order[e.seed]))

    def next_entry(self) -> Entry | None:
        """The next trial to run. None: nothing is left, or nothing can be said before trials that
        are out have ended (`waits`)."""
        while self._queue or self._fill():
            if self._queue:
                entry = self._queue.pop(0)
                if not (cause := self._pruner.why(entry)):
                    return entry
                self._forgo(entry, cause)
        return None

    def _fill(self) -> bool:
        """Queue the next step of the phases, which may be empty; whether there is one now."""
        if self.waits:
            return False
        try:
            step = next(self._course)
        except StopIteration:
            self._at_end_of_round = False
            return False
        self._at_end_of_round = step is None
        for entry in sorted(step or (), key=_place):
            self._start(entry)
        return True

    def upcoming(self) -> Entry | None:
        """The next trial, as `next_entry`, which stays the next."""
        if (entry := self.next_entry()) is not None:
            self._queue.insert(0, entry)
        return entry

    def evaluated(self, entry: Entry, images: int, metrics: Mapping[str, float]) -> None:
        """Note an evaluation. Where the arm is given up for it, or was, the trial is told to
        stop."""
        self._pruner.evaluated(entry, images, metrics)
        if entry.folder.result() is None and (cause := self._pruner.why(entry, images)):
            entry.folder.prune(cause)

    def tell(self, entry: Entry, result: Result) -> None:
        """Note how a trial ended, for all arms that come to it."""
        if result.outcome == "pruned":
            entry.folder.forget_attempts()
        self._settle(entry, result)
        for twin in self._twins.pop(entry.folder, []):
            self._pruner.recall(twin)
            self._settle(twin, result)
            self._known(twin, result)

    def _settle(self, entry: Entry, result: Result) -> None:
        """With the last of its screening seeds, Optuna is told of the arm."""
        asked = self._asked[entry.number]
        asked.results[entry.seed] = result
        self._pruner.ended(entry, result)
        if set(self.sweep.seeds.screen) <= set(asked.results):
            self._tell_study(asked)

    # ---- phases: steps of entries that may run at once, and None where all so far must have ended

    def _phases(self) -> Iterator[list[Entry] | None]:
        seeds = self.sweep.seeds
        if seeds.screened_in_turn:
            yield from self._screen_in_turn()
        else:
            yield from self._screen()
        if seeds.confirm:
            yield None
            yield from self._confirm()

    def _screen(self) -> Iterator[list[Entry]]:
        """The seeds of all arms that were started, then arm by arm."""
        yield self._entries(list(self._asked), self.sweep.seeds.screen)
        while (number := self._ask()) is not None:
            yield self._entries([number], self.sweep.seeds.screen)

    def _screen_in_turn(self) -> Iterator[list[Entry] | None]:
        while self._ask() is not None:
            pass
        seeds = self.sweep.seeds
        later = self.sweep.num_confirmed * len(seeds.confirm)
        yield from self._rounds(list(self._asked), seeds.screen, race=seeds.race, later=later)
        for asked in self._asked.values():
            self._tell_study(asked)

    def _confirm(self) -> Iterator[list[Entry] | None]:
        """The arms that are kept, and the baseline, on fresh seeds."""
        assert self._referee is not None
        seeds, screened = self.sweep.seeds, self.entries()
        arms = self._referee.kept(screened)
        base = self._referee.baseline(screened)
        if base is not None:
            arms = [base, *(arm for arm in arms if arm != base)]
        self._foreseen(len(screened) + len(arms) * len(seeds.confirm))
        if seeds.until == "decided":
            yield from self._rounds(arms, seeds.confirm)
        elif arms:
            yield [e for seed in seeds.confirm for e in self._entries(arms, [seed])]

    def _rounds(
        self, arms: list[int], seeds: list[int], *, race: bool = False, later: int = 0
    ) -> Iterator[list[Entry] | None]:
        """The next seed of every arm that is still in, until none is or no seeds are left.

        Whether an arm is in is asked anew after every round: where its verdict, adjusted for all
        arms, no longer stands, it gets its next seed.

        Args:
            later: trials that may follow in another phase.
        """
        before = [entry for entry in self.entries() if entry.seed not in seeds]
        going = arms
        while True:
            left = {arm: [s for s in seeds if s not in self._asked[arm].results] for arm in going}
            num_left = sum(map(len, left.values()))
            self._foreseen(len(self._started) + num_left + later)
            if not num_left:
                return
            yield [e for arm in going if left[arm] for e in self._entries([arm], left[arm][:1])]
            yield None
            ended = [e for e in self.entries() if e.seed in seeds]
            going = self._still_in(arms, [*before, *ended], race=race)

    def _still_in(self, arms: list[int], entries: Sequence[Entry], *, race: bool) -> list[int]:
        """The arms that get another seed. What is reported is compared with the baseline, which
        gets seeds for as long as another arm does."""
        assert self._referee is not None
        seeds = self.sweep.seeds
        out = self._referee.outclassed(entries) if race else set()
        if seeds.confirm and race:  # nothing of this is reported
            return [arm for arm in arms if arm not in out]
        if seeds.until == "decided":
            out |= self._referee.settled(entries)
        base = self._referee.baseline(entries)
        others = {arm for arm in arms if arm != base and arm not in out}
        return [arm for arm in arms if arm in others or (arm == base and others)]

    def _entries(self, arms: list[int], seeds: list[int]) -> list[Entry]:
        return [
            self.folder.entry(self.sweep, number, self._asked[number].arm, seed)
            for number in arms
            for seed in seeds
        ]

    # ---- arms

    def _ask(self) -> int | None:
        """The number of the next new arm, from the queue or from the sampler; None if the sweep has
        all."""
        known = set(self.arms)
        for _ in range(MAX_REPEATS):
            if not has_queue(self._study) and not self._wants_more():
                return None
            proposal, arm = propose(self._study, self.sweep, self._count)
            if arm not in known:
                proposal.set_user_attr(ARM, dict(arm))
                self._count.repeats_in_a_row = 0
                return self._note(arm, proposal)
            proposal.set_user_attr(OUTCOME, REPEATED)
            self._study.tell(proposal, state=TrialState.FAIL)
            self._count.repeated()
        return None

    def _goes_on(self, arm: Arm) -> bool:
        own = (self.folder.trial(trial) for trial in self.sweep.trials(arm))
        return any(trial.has_begun() and trial.result() is None for trial in own)

    def _wants_more(self) -> bool:
        search = self.sweep.search
        return not isinstance(search, GridSearch) and len(self._asked) < search.arms

    def _note(self, arm: Arm, proposal: optuna.Trial | None) -> int:
        """Give a new arm the next number; `proposal` is None where Optuna has been told of it."""
        number = self._number(arm)
        self._asked[number] = _Asked(arm, proposal)
        self._count.drawn += arm not in self._declared
        return number

    def _number(self, arm: Arm) -> int:
        """Of an arm; a new one gets the next, in the order in which they are first asked for."""
        if arm not in self._numbers:
            self.folder.append_arm(arm)
            self._numbers[arm] = len(self._numbers)
        return self._numbers[arm]

    def _start(self, entry: Entry) -> None:
        """Queue a trial that has no result; tell one that has."""
        self._started[entry.number, entry.seed] = entry
        self._pruner.recall(entry)
        if (result := entry.folder.result()) is not None:
            self.tell(entry, result)
            self._known(entry, result)
        elif entry.folder in self._twins:  # another arm comes to the same trial
            self._twins[entry.folder].append(entry)
        else:
            self._twins[entry.folder] = []
            self._queue.append(entry)

    def _forgo(self, entry: Entry, cause: str) -> None:
        """Queue it no more, since its arm was given up; other arms that come to the same trial may
        still want it."""
        if twins := self._twins.pop(entry.folder):
            self._twins[entry.folder] = twins[1:]
            self._queue.insert(0, twins[0])
        if entry.folder.has_begun() and not twins:
            entry.folder.prune(cause)
            entry.folder.forget_attempts()
            result = entry.folder.standing()
            self._known(entry, result)
        else:
            del self._started[entry.number, entry.seed]
            result = Result(outcome="pruned", cause=cause)
            self._num_forgone += 1
            self._foreseen(self.sweep.num_trials - self._num_forgone)
        self._settle(entry, result)

    def _tell_study(self, asked: _Asked) -> None:
        """Once: the mean over the screening seeds that the arm got, or what went wrong."""
        proposal, asked.proposal = asked.proposal, None
        screen = self.sweep.seeds.screen
        results = [asked.results[seed] for seed in screen if seed in asked.results]
        number = self._numbers[asked.arm]
        self._teller.tell(number, asked.arm, proposal, results)


def _place(entry: Entry) -> tuple[bool, int]:
    """Sort key of what has no result: what was begun, the furthest first, before all else."""
    has_begun = entry.folder.has_begun()
    return (not has_begun, -entry.folder.standing().images if has_begun else 0)
