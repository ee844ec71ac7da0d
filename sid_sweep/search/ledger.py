"""The ledger: every arm asked for once, every trial handed out once, every arm told once.

An arm is told with the mean over its seeds. A trial's result is looked up in its folder, so what
was computed once is never computed again, whichever space asks. A grown space gets a new study in
the same journal, which begins with the arms of the older ones.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import fmean

import optuna
from optuna.trial import FrozenTrial, TrialState

from sid_sweep.spec import Arm, Sweep
from sid_sweep.spec.sweep import GridSearch
from sid_sweep.trials import Entry, Result, SweepFolder, TrialFolder

from .study import (
    ARM,
    CAUSE,
    OUTCOME,
    SETTLED,
    arm_of,
    enqueue,
    has_queue,
    latest_by_arm,
    open_study,
    propose,
)

MAX_REPEATS = 100  # draws of known arms in a row after which a space counts as exhausted


@dataclass
class _Asked:
    """An arm, its entries, their results so far, and the open proposal, if any."""

    arm: Arm
    entries: list[Entry]
    proposal: optuna.Trial | None
    results: dict[int, Result] = field(default_factory=dict)


class Ledger:
    """The arms of a sweep, in the order in which they were asked for, and what is left to run."""

    def __init__(
        self,
        folder: SweepFolder,
        sweep: Sweep,
        *,
        known: Callable[[Entry, Result], None] | None = None,
    ) -> None:
        """Open the ledger in `folder`.

        Args:
            known: called for every trial of an asked arm whose result is there already.
        """
        self.folder = folder
        self.sweep = sweep
        self._known = known or (lambda entry, result: None)
        self._asked: dict[int, _Asked] = {}
        self._queue: list[Entry] = []
        self._twins: dict[TrialFolder, list[Entry]] = {}
        self._numbers = {arm: number for number, arm in enumerate(folder.arms())}
        self._study = open_study(folder.journal, sweep)
        for proposal in latest_by_arm(self._study):
            if proposal.state is not TrialState.WAITING and not self._adopt(proposal):
                self._ask_again(proposal)

    @property
    def arms(self) -> list[Arm]:
        """All arms asked for so far."""
        return [asked.arm for asked in self._asked.values()]

    def entries(self) -> list[Entry]:
        """Every arm asked for so far at every seed, by number and seed."""
        return [entry for _, asked in sorted(self._asked.items()) for entry in asked.entries]

    def next_entry(self) -> Entry | None:
        """The next trial to run: a started arm's seeds before a new arm's. None: nothing is
        left."""
        while not self._queue:
            asked = self._ask()
            if asked is None:
                return None
            self._start(asked)
        return self._queue.pop(0)

    def has_work(self) -> bool:
        """Whether there is a next trial."""
        if not self._queue and (entry := self.next_entry()) is not None:
            self._queue.insert(0, entry)
        return bool(self._queue)

    def tell(self, entry: Entry, result: Result) -> None:
        """Note how a trial ended; with the last of its seeds, the arm is told."""
        asked = self._asked[entry.number]
        asked.results[entry.seed] = result
        for twin in self._twins.pop(entry.folder, []):
            self.tell(twin, result)
            self._known(twin, result)
        if len(asked.results) < len(asked.entries):
            return
        assert asked.proposal is not None
        results = list(asked.results.values())
        outcome, cause = _verdict(results)
        asked.proposal.set_user_attr(OUTCOME, outcome)
        if outcome != "finished":
            asked.proposal.set_user_attr(CAUSE, cause)
            self._study.tell(asked.proposal, state=TrialState.FAIL)
            return
        means = [fmean(r.metrics[o.metric] for r in results) for o in self.sweep.objectives]
        self._study.tell(asked.proposal, means)

    def _ask(self) -> _Asked | None:
        """The next new arm, from the queue or from the sampler; None if the sweep has all."""
        known = set(self.arms)
        for _ in range(MAX_REPEATS):
            if not has_queue(self._study) and not self._wants_more():
                return None
            proposal, arm = propose(self._study, self.sweep)
            if arm not in known:
                proposal.set_user_attr(ARM, dict(arm))
                return self._note(arm, proposal)
            proposal.set_user_attr(OUTCOME, "repeated")
            self._study.tell(proposal, state=TrialState.FAIL)
        return None

    def _wants_more(self) -> bool:
        search = self.sweep.search
        return not isinstance(search, GridSearch) and len(self._asked) < search.arms

    def _note(self, arm: Arm, proposal: optuna.Trial | None) -> _Asked:
        if arm not in self._numbers:
            self._numbers[arm] = len(self._numbers)
            self.folder.append_arm(arm)
        number = self._numbers[arm]
        entries = [self.folder.entry(self.sweep, number, arm, seed) for seed in self.sweep.seeds]
        self._asked[number] = _Asked(arm, entries, proposal)
        return self._asked[number]

    def _start(self, asked: _Asked) -> None:
        """Queue the seeds that have no result; tell those that have one."""
        for entry in asked.entries:
            if (result := entry.folder.result()) is not None:
                self.tell(entry, result)
                self._known(entry, result)
            elif entry.folder in self._twins:  # another arm comes to the same trial
                self._twins[entry.folder].append(entry)
            else:
                self._twins[entry.folder] = []
                self._queue.append(entry)

    def _adopt(self, proposal: FrozenTrial) -> bool:
        """Take over an arm that an earlier run has settled, if all its results are still there."""
        if proposal.user_attrs.get(OUTCOME) not in SETTLED:
            return False
        asked = self._note(arm_of(proposal), None)
        for entry in asked.entries:
            if (result := entry.folder.result()) is None:
                del self._asked[entry.number]
                return False
            asked.results[entry.seed] = result
        for entry in asked.entries:
            self._known(entry, asked.results[entry.seed])
        return True

    def _ask_again(self, proposal: FrozenTrial) -> None:
        """Queue an arm that failed or was interrupted; diverging is a result, not a failure."""
        if proposal.state is TrialState.RUNNING:
            self._study.tell(proposal.number, state=TrialState.FAIL)
        enqueue(self._study, arm_of(proposal))


def _verdict(results: list[Result]) -> tuple[str, str]:
    """The outcome of an arm, the worst of its seeds', and the first cause of it."""
    for outcome in ("failed", "diverged"):
        for result in results:
            if result.outcome == outcome:
                return outcome, result.cause
    return "finished", ""
