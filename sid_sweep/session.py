"""One run of the command, from a checked plan to the final table."""

import functools
import os
import shlex
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import NoReturn

from rich.markup import escape
from rich.text import Text

from sid_sweep.activity import Activity
from sid_sweep.console import Board
from sid_sweep.exhibit import make_exhibit
from sid_sweep.exits import (
    EVENTS,
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_INPUT,
    EXIT_INTERRUPTED,
    EXIT_LIMIT,
)
from sid_sweep.files import Damaged
from sid_sweep.notify import Listener, document, notify
from sid_sweep.orchestration import cluster
from sid_sweep.orchestration.drive import drive
from sid_sweep.orchestration.guard import Guard, Lost
from sid_sweep.orchestration.home import temporary_files
from sid_sweep.orchestration.signals import Interrupted, Signals
from sid_sweep.plan import Plan
from sid_sweep.preparation import STOPPED, WARNING
from sid_sweep.screen import duration, say
from sid_sweep.search import Ledger
from sid_sweep.spec import SETTLED, SpecError
from sid_sweep.spending import OF_A_COMMAND, STOPPING, Spending, Use, going_on
from sid_sweep.table_referee import TableReferee
from sid_sweep.teaching import train_teachers
from sid_sweep.tracking import Tracker, provenance, replicate, track
from sid_sweep.tracking.client import reason, redact
from sid_sweep.tracking.provenance import published
from sid_sweep.tracking.tracker import INTERRUPTED_SECONDS
from sid_sweep.trials import Entry, Result, Watcher
from sid_sweep.trials.rows import rows_of

LOSSES = "SID_SWEEP_LOSSES"  # how often Ray was lost in a row, and how many results there were then
MAX_LOSSES = 3


class Session:
    """What the steps of a run share: plan, console, watchers, and the commands to name."""

    def __init__(
        self,
        plan: Plan,
        *,
        activity: Activity,
        command: str,
        report: str,
        tracking_uri: str | None,
        replica: str | None = None,
        listeners: Sequence[Listener] = (),
    ) -> None:
        """
        Args:
            command: what goes on with the sweep.
            report: what compares its arms.
            replica: where a copy of the folder follows it; None: nowhere.
            listeners: who are told of the end.
        """
        self.plan = plan
        self.sweep, self.folder = plan.sweep, plan.folder
        self.activity, self.console = activity, activity.console
        self.command, self.report = command, report
        self.listeners, self._answer = listeners, ""
        self._has_begun = False
        self.signals = Signals()
        self.spending = Spending(self.sweep, self.folder, began=activity.began)
        shown = {"known": plan.known, "limits": self.spending}
        self.board = Board(self.sweep, console=self.console, **shown)
        exhibit = functools.partial(make_exhibit, self.folder)
        self.trackers = [track(self.sweep, self.folder, uri=tracking_uri, exhibit=exhibit)]
        if replica is not None:
            self.trackers.append(replicate(self.folder, replica))
        self.watchers: list[Watcher] = [self.spending, self.board, *self.trackers]

    def run(self, *, address: str | None) -> int:
        """Train what is missing, track it, show the table, tell of the end; returns the exit
        status."""
        with self.signals.installed(), temporary_files():
            try:
                status = self._run(address=address)
            except Exception as error:
                refused = isinstance(error, SpecError | Damaged)
                self._notify("error", EXIT_INPUT if refused else EXIT_FAILED, reason(error))
                raise
            event, words = EVENTS[status]
            reached = ", ".join(use.reached for use in self.spending.stops)
            self._notify(event, status, reached if status == EXIT_LIMIT else words)
        return status

    def _run(self, *, address: str | None) -> int:
        leave = None
        with ExitStack() as stack:
            for tracker in (*self.trackers, self.spending):
                stack.enter_context(tracker)
            with self.activity.doing("opening the ledger"):
                ledger = Ledger(
                    self.folder,
                    self.sweep,
                    referee=TableReferee(self.sweep),
                    known=self._known,
                    foreseen=self.board.foreseen,
                )
                if has_work := self._may_begin(ledger):
                    self.folder.append_command(provenance())
            try:
                if has_work:
                    with self.signals.unless(self.spending.is_over):
                        train_teachers(
                            self.plan,
                            activity=self.activity,
                            signals=self.signals,
                            spending=self.spending,
                        )
                        self._train_students(ledger, address)
                status = self._end(ledger)
            except Interrupted:
                by_signal = self.signals.received is not None
                status = self._interrupt(ledger) if by_signal else self._end(ledger)
            except Lost as lost:
                status, leave = EXIT_FAILED, self._lose(str(lost), can_start=address is None)
                self._stop_watchers()
        if leave is not None:
            leave()
        self._say_unsent()
        if status != EXIT_INTERRUPTED:
            self._say_next()
        return status

    # ---- steps

    def _may_begin(self, ledger: Ledger) -> bool:
        """Whether there is a trial to run, and limits allow it."""
        first = ledger.upcoming()
        self._has_begun = first is not None and self.spending.admits(first)
        return self._has_begun

    def _known(self, entry: Entry, result: Result) -> None:
        for watcher in self.watchers:
            watcher.ended(entry, result)

    def _train_students(self, ledger: Ledger, address: str | None) -> None:
        last_resort = functools.partial(self._leave_at_once, can_start=address is None)
        guard = Guard(self.signals, last_resort)
        with (
            guard.watching(),
            self.activity.doing("starting Ray" if address is None else "reaching Ray") as step,
            self._cluster(address, guard) as connected,
            self.activity.showing(self.board, self.board),
        ):
            if address is not None:
                say(self.console, Text("  cluster   "), str(connected))
            self.board.begin()
            self.board.waits = connected.waits
            self.spending.gpus = connected.layout.gpus
            shared = {"watchers": self.watchers, "guard": guard, "say": self._warn}
            try:
                drive(ledger, connected, gate=self.spending, **shared)
            finally:
                self.spending.release()
                step.now("stopping Ray" if address is None else "leaving Ray")

    def _cluster(
        self, address: str | None, guard: Guard
    ) -> AbstractContextManager[cluster.Cluster]:
        if address is None:
            assert self.plan.layout is not None
            if LOSSES not in os.environ:
                shutil.rmtree(self.folder.logs, ignore_errors=True)
            return cluster.local(self.plan.layout, guard=guard, logs=self.folder.logs)
        scratch, say = self.folder.scratch, self._warn
        return cluster.remote(self.sweep, address, guard=guard, scratch=scratch, say=say)

    def _leave_at_once(self, why: str, *, can_start: bool) -> None:
        """Called by the guard, where the main thread hangs in a Ray that is lost."""
        with suppress(OSError):
            self.spending.release()
        if self.signals.received is None:
            leave = self._lose(why, can_start=can_start)
            self._stop_watchers()
            leave()
        self.activity.close()
        self._stop_watchers()
        self._notify("interrupted", EXIT_INTERRUPTED, why)
        os._exit(EXIT_INTERRUPTED)

    def _lose(self, reason: str, *, can_start: bool) -> Callable[[], NoReturn]:
        """Say that Ray is lost; returns what to do then. It is started again for as long as trials
        get done in between, and a few times more."""
        self.activity.close()
        self.activity.pass_on()
        self.spending.pass_on()
        losses, before = map(int, os.environ.get(LOSSES, "0 -1").split())
        results = len(self.folder.results())
        losses = losses + 1 if results == before else 1
        os.environ[LOSSES] = f"{losses} {results}"
        again = can_start and losses < MAX_LOSSES
        if again:
            what = "it is started again, and trials go on from their checkpoints"
        else:
            what = "what was done is kept; to go on:"
        self._warn(f"Ray is lost: {reason}; {what}")
        if not again:
            self._say_command(self.command)
            self._notify("lost", EXIT_FAILED, f"Ray is lost: {reason}")
        return _run_again if again else _leave

    def _end(self, ledger: Ledger) -> int:
        """The table, and all that is still to be sent; returns the exit status."""
        status = self._conclude(ledger)
        hurry = any(use.key == "wall_hours" for use in self.spending.stops)
        self._send_rest(patience=INTERRUPTED_SECONDS if hurry else None)
        return status

    def _conclude(self, ledger: Ledger) -> int:
        """The table and its warnings, for the screen and the watchers, as the folders say; returns
        the exit status."""
        report = self._compare()
        standings = [(entry, entry.folder.standing()) for entry in ledger.entries()]
        stops = self.spending.stops if _is_left(ledger, standings) else []
        settled = (*SETTLED, *(["running"] if stops else []))
        lost = [pair for pair in standings if pair[1].outcome not in settled]
        if stops:  # else all have had their tries
            lost = [(entry, own) for entry, own in lost if not ledger.is_open(entry)]
        for entry, standing in lost:
            line = f"{entry}: {standing.cause or 'it has no end'} ({entry.folder.failure})"
            say(self.console, Text.assemble("  ", ("failed", "red"), " "), line)
        took = time.monotonic() - self.activity.began
        self.console.print(f"\n  took {duration(took)}", style="dim")
        if stops:
            return self._stop(stops, standings)
        for watcher in self.watchers:
            watcher.concluded(report, failed=bool(lost))
        return EXIT_FAILED if lost else EXIT_DONE

    def _compare(self) -> str:
        """Show the arms so far; returns them in Markdown."""
        begun = [own for own in self.folder.entries(self.sweep) if own.folder.has_begun()]
        if not begun:
            return ""
        with self.activity.doing("comparing the arms"):
            from analysis.comparison import make_comparison
            from analysis.frame import tidy
            from analysis.question import Question
            from analysis.texts.answer import answer

            question = Question.from_outline(self.sweep.outline())
            frame = tidy(rows_of(self.sweep.sweep, begun), question)
            comparison = make_comparison(frame, question)
            self._answer = " ".join(answer(comparison.arms, question))
            if comparison.preliminary:
                self._answer = f"Preliminary: {self._answer}"
        self.console.print(comparison.terminal())
        for warning in comparison.warnings:
            self._warn(warning)
        return comparison.markdown()

    def _stop(self, stops: list[Use], standings: list[tuple[Entry, Result]]) -> int:
        """Say which limits were reached, and what goes on."""
        own = [entry.folder for entry, _ in standings]
        num = Counter(standing.outcome for _, standing in standings)
        counts = f"{sum(num[name] for name in SETTLED)} of {self.board.total} trials done"
        if waiting := sum(folder.is_interrupted() for folder in own):
            counts += f", {waiting} interrupted"
        again = "to go on"
        if not all(use.key in OF_A_COMMAND for use in stops):
            again += " with as much again"
        is_idle = not any(folder.checkpoint.exists() or folder.ending.exists() for folder in own)
        if self._has_begun and is_idle and any(use.key in STOPPING for use in stops):
            again = f"none has come to a checkpoint yet, so give it more; {again}"
        reached = " and ".join(use.reached for use in stops)
        begun = "" if self._has_begun else "nothing was started: "
        say(self.console, STOPPED, f"{begun}{reached}; {counts}; {again}:")
        self._say_command(going_on(self.command, stops))
        why = "stopped at " + ", ".join(f"limits.{use.key}" for use in stops)
        for watcher in self.watchers:
            watcher.interrupted(why)
        return EXIT_LIMIT

    def _interrupt(self, ledger: Ledger) -> int:
        done = sum(entry.folder.result() is not None for entry in ledger.entries())
        self.console.print(f"\n  interrupted, {done} of {self.board.total} trials done; to go on:")
        self._say_command(self.command)
        self._stop_watchers()
        return EXIT_INTERRUPTED

    def _stop_watchers(self) -> None:
        for watcher in self.watchers:
            watcher.interrupted()
        for tracker in self.trackers:
            self._drain(tracker, patience=INTERRUPTED_SECONDS)

    def _send_rest(self, *, patience: float | None = None) -> None:
        """Wait for the trackers."""
        for tracker in self.trackers:
            with suppress(Interrupted):  # what is left is kept, like everything else
                self._drain(tracker, patience=patience, check=self.signals.check)

    def _drain(
        self, tracker: Tracker, *, patience: float | None, check: Callable[[], None] = lambda: None
    ) -> None:
        """Wait for a tracker, and say what it still has to send."""
        if not (most := tracker.pending):
            return
        with self.activity.doing(f"sending to {tracker.store}") as step:

            def show(left: int) -> None:
                check()
                step.far(max(most - left, 0), most, "updates")

            tracker.drain(patience=patience, show=show)

    # ---- words

    def _warn(self, text: str) -> None:
        say(self.console, WARNING, text)

    def _say_command(self, command: str) -> None:
        """What goes on with the sweep, never broken: it is there to be copied."""
        self.console.print(f"\n  {escape(redact(command))}\n", soft_wrap=True)

    def _notify(self, event: str, status: int, words: str) -> None:
        """Tell those who want to know of the end; what goes wrong there changes nothing."""
        if not self.listeners:
            return
        outcomes: Counter[str] = Counter()
        with suppress(Damaged, OSError):  # which may be what is told
            begun = [own for own in self.folder.entries(self.sweep) if own.folder.has_begun()]
            outcomes.update(own.folder.standing().outcome for own in begun)
        counts = {name: outcomes[name] for name in (*SETTLED, "failed")}
        left = max(self.board.total - sum(counts.values()), 0)
        command = going_on(self.command, self.spending.stops)
        told = document(
            sweep=self.sweep.sweep,
            event=event,
            status=status,
            words=redact(words),
            trials={**counts, "left": left},
            answer=self._answer,
            spent=self.spending.spent(),
            limits=dict(self.sweep.limits),
            command=redact(shlex.join(published(shlex.split(command)))),
        )
        with self.activity.doing("telling of the end"):
            lines = notify(self.listeners, told)
        for line in lines:
            self._warn(line)

    def _say_unsent(self) -> None:
        for tracker in self.trackers:
            lines = list(tracker.remarks)
            if tracker.unsent:
                lines.append(
                    f"{tracker.unsent} updates could not be sent to {tracker.store} "
                    f"({tracker.trouble}); they are kept: {tracker.remedy}"
                )
            for line in lines:
                say(self.console, Text.assemble(("tracking:", "yellow"), " "), line)

    def _say_next(self) -> None:
        looks = "".join(f"  look    {escape(tracker.hint)}\n" for tracker in self.trackers)
        self.console.print(f"\n{looks}  report  {escape(redact(self.report))}\n", soft_wrap=True)


def _is_left(ledger: Ledger, standings: list[tuple[Entry, Result]]) -> bool:
    """Whether there is something that a limit may have left undone."""
    going = [entry for entry, own in standings if not own.is_end]
    again = [entry for entry, own in standings if own.outcome == "failed" and ledger.is_open(entry)]
    return bool(going or again) or ledger.upcoming() is not None


def _run_again() -> NoReturn:
    """Become the same command, begun anew: nothing is left of a Ray that is lost."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _leave() -> NoReturn:
    """End without Ray's farewells, which wait for what is gone."""
    sys.stdout.flush()
    os._exit(EXIT_FAILED)
