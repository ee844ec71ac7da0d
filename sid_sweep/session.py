"""One run of the command, from a checked plan to the final table."""

import functools
import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import NoReturn

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from sid_sweep.activity import Activity
from sid_sweep.console import Board
from sid_sweep.exhibit import make_exhibit
from sid_sweep.foreign.pictures import Report, pictures
from sid_sweep.orchestration import cluster
from sid_sweep.orchestration.drive import drive
from sid_sweep.orchestration.guard import Guard, Lost
from sid_sweep.orchestration.machine import lay_out
from sid_sweep.orchestration.reach import reach
from sid_sweep.orchestration.signals import Interrupted, Signals
from sid_sweep.plan import Lines, Plan, costs
from sid_sweep.screen import duration, say
from sid_sweep.search import Ledger
from sid_sweep.spec import Data, SpecError, Trial
from sid_sweep.table_referee import TableReferee
from sid_sweep.tracking import Tracker, provenance, track
from sid_sweep.tracking.client import redact, require_writable
from sid_sweep.tracking.tracker import INTERRUPTED_SECONDS
from sid_sweep.trials import Entry, Result, Watcher
from sid_sweep.trials.rows import rows_of

EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130
LOSSES = "SID_SWEEP_LOSSES"  # how often Ray was lost in a row, and how many results there were then
MAX_LOSSES = 3
WARNING = Text.assemble("  ", ("!", "yellow"), " ")


def decode_pictures(plan: Plan, *, activity: Activity) -> bool:
    """Decode what the cache lacks of the data, and say how far that is, before the sweep is begun:
    a picture that is not taken leaves no sweep behind. False where that was interrupted.

    Raises:
        SpecError: a picture is not taken.
    """
    if not plan.pictures:
        return True
    signals = Signals()
    with signals.installed(), activity.doing("decoding pictures") as step:

        def report(done: int, total: int) -> None:
            signals.check()
            step.far(done, total, "pictures")

        for data in plan.pictures:
            try:
                _decode(data, plan, activity.console, report)
            except ValueError as error:
                raise SpecError(f"data.path: {error}") from None
            except Interrupted:
                return False
    return True


def _decode(data: Data, plan: Plan, console: Console, report: Report) -> None:
    if data.kind != "images":
        return
    cache, skip = plan.folder.cache, data.skip_corrupt
    skipped = pictures(data.path, cache=cache, skip_corrupt=skip, report=report).skipped
    if skipped:
        text = f"{data.path}: {len(skipped):,} pictures cannot be decoded and are left out"
        say(console, WARNING, f"{text}, such as {skipped[0]}")


def check_store(uri: str | None) -> None:
    """Refuse a tracking URI that nothing could ever be sent to.

    Raises:
        SpecError: it is none of a store.
    """
    try:
        if uri is not None:
            require_writable(uri)
    except LookupError as error:
        raise SpecError(f"--tracking-uri: {error}") from None


def check_cluster(plan: Plan, address: str | None, *, activity: Activity) -> None:
    """Refuse an address that cannot be joined, or a cluster on which not even one trial fits.

    Raises:
        SpecError: why, and what to do.
    """
    if address is not None and plan.done < plan.sweep.num_trials:
        with activity.doing("reaching Ray"):
            lay_out(plan.sweep, *reach(address).nodes)


def check_teachers(plan: Plan, *, activity: Activity) -> None:
    """Load what someone else trained, and ask it, before anything is created; the first one says
    what a trial will cost.

    Raises:
        SpecError: it cannot be loaded, or not be used as the sweep does.
    """
    for trial in plan.loaded:
        kind = f"teacher.kind = {trial.teacher.kind}"
        with activity.doing(f"loading what others trained ({kind})"):
            from sid_sweep import teachers

            try:
                blueprint = teachers.check(trial, cache=plan.folder.cache)
            except ValueError as error:
                raise SpecError(f"{kind}: {error}") from None
        if trial is plan.loaded[0]:
            activity.console.print(Lines(costs(trial, blueprint)))


class Session:
    """What the steps of a run share: plan, console, watchers, and the commands to name."""

    def __init__(
        self, plan: Plan, *, activity: Activity, command: str, report: str, tracking_uri: str | None
    ) -> None:
        """
        Args:
            command: what goes on with the sweep.
            report: what compares its arms.
        """
        self.plan = plan
        self.sweep, self.folder = plan.sweep, plan.folder
        self.activity, self.console = activity, activity.console
        self.command, self.report = command, report
        self.signals = Signals()
        self.board = Board(self.sweep, console=self.console, known=plan.known)
        exhibit = functools.partial(make_exhibit, self.folder)
        self.trackers = [track(self.sweep, self.folder, uri=tracking_uri, exhibit=exhibit)]
        self.watchers: list[Watcher] = [self.board, *self.trackers]

    def run(self, *, address: str | None) -> int:
        """Train what is missing, track it, show the table; returns the exit status."""
        leave = None
        with self.signals.installed(), ExitStack() as stack:
            for tracker in self.trackers:
                stack.enter_context(tracker)
            with self.activity.doing("opening the ledger"):
                ledger = Ledger(
                    self.folder,
                    self.sweep,
                    referee=TableReferee(self.sweep),
                    known=self._known,
                    foreseen=self.board.foreseen,
                )
                if has_work := ledger.has_work():
                    self.folder.append_command(provenance())
            try:
                if has_work:
                    self._train_teachers()
                    self._train_students(ledger, address)
                status = self._conclude(ledger)
                self._send_rest()
            except Interrupted:
                status = self._interrupt(ledger)
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

    def _known(self, entry: Entry, result: Result) -> None:
        for watcher in self.watchers:
            watcher.ended(entry, result)

    def _train_teachers(self) -> None:
        """Train the teachers that the grid needs and the cache lacks."""
        if not self.plan.untrained:
            return
        with self.activity.doing("loading libraries, to train the teacher"):
            import torch

            import sid_sweep.quality
            import sid_sweep.teachers  # noqa: F401

        torch.set_num_threads(self.sweep.resources.cpus_per_worker)
        for trial in self.plan.untrained:
            self._train_teacher(trial)

    def _train_teacher(self, trial: Trial) -> None:
        from sid_sweep import quality, teachers

        began, cache = time.monotonic(), self.folder.cache
        with self.activity.doing("training the teacher") as step:

            def report(images: int, total: int, loss: float) -> None:
                self.signals.check()
                step.far(images, total, "images", more=f", loss {loss:.4f}")

            device = self._teacher_device()
            teacher = teachers.load(trial, cache=cache, device=device, report=report)
            step.now("judging the teacher's own samples, until their score stands")
            references = quality.judge(trial, teacher, cache=cache).references
        figures = ", ".join(f"{name} {value:.4g}" for name, value in references.items())
        took = duration(time.monotonic() - began)
        say(self.console, Text("  teacher   "), f"trained in {took}: {figures}")

    def _teacher_device(self) -> str:
        """Where a trial's worker would train; before a cluster is seen, as this machine allows."""
        import torch

        layout = self.plan.layout
        wanted = layout.device if layout else "cuda"
        if layout is None and self.sweep.resources.gpus_per_worker == 0:
            wanted = "cpu"
        return wanted if torch.cuda.is_available() else "cpu"

    def _train_students(self, ledger: Ledger, address: str | None) -> None:
        def leave_at_once(reason: str) -> None:
            if self.signals.received is not None:
                os._exit(EXIT_INTERRUPTED)
            self._lose(reason, can_start=address is None)()

        guard = Guard(self.signals, leave_at_once)
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
            try:
                drive(ledger, connected, watchers=self.watchers, guard=guard, say=self._warn)
            finally:
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

    def _lose(self, reason: str, *, can_start: bool) -> Callable[[], NoReturn]:
        """Say that Ray is lost; returns what to do then. It is started again for as long as trials
        get done in between, and a few times more."""
        self.activity.close()
        self.activity.pass_on()
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
            self._say_command()
        return _run_again if again else _leave

    def _conclude(self, ledger: Ledger) -> int:
        """The table and its warnings, for the screen and the watchers, as the folders say; returns
        the exit status."""
        with self.activity.doing("comparing the arms"):
            from analysis.comparison import make_comparison
            from analysis.frame import tidy
            from analysis.question import Question

            entries = ledger.entries()
            question = Question.from_outline(self.sweep.outline())
            begun = self.folder.entries(self.sweep)
            frame = tidy(rows_of(self.sweep.sweep, begun), question)
            comparison = make_comparison(frame, question)
        self.console.print(comparison.terminal())
        for warning in comparison.warnings:
            self._warn(warning)
        standings = [(entry, entry.folder.standing()) for entry in entries]
        lost = [pair for pair in standings if pair[1].outcome not in ("finished", "diverged")]
        for entry, standing in lost:
            line = f"{entry}: {standing.cause or 'it has no end'} ({entry.folder.failure})"
            say(self.console, Text.assemble("  ", ("failed", "red"), " "), line)
        took = time.monotonic() - self.activity.began
        self.console.print(f"\n  took {duration(took)}", style="dim")
        for watcher in self.watchers:
            watcher.concluded(comparison.markdown(), failed=bool(lost))
        return EXIT_FAILED if lost else EXIT_DONE

    def _interrupt(self, ledger: Ledger) -> int:
        done = sum(entry.folder.result() is not None for entry in ledger.entries())
        self.console.print(f"\n  interrupted, {done} of {self.board.total} trials done; to go on:")
        self._say_command()
        self._stop_watchers()
        return EXIT_INTERRUPTED

    def _stop_watchers(self) -> None:
        for watcher in self.watchers:
            watcher.interrupted()
        for tracker in self.trackers:
            self._drain(tracker, patience=INTERRUPTED_SECONDS)

    def _send_rest(self) -> None:
        """Wait for the trackers."""
        for tracker in self.trackers:
            with suppress(Interrupted):  # what is left is kept, like everything else
                self._drain(tracker, patience=None, check=self.signals.check)

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

    def _say_command(self) -> None:
        """What goes on with the sweep, never broken: it is there to be copied."""
        self.console.print(f"\n  {escape(redact(self.command))}\n", soft_wrap=True)

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


def _run_again() -> NoReturn:
    """Become the same command, begun anew: nothing is left of a Ray that is lost."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _leave() -> NoReturn:
    """End without Ray's farewells, which wait for what is gone."""
    sys.stdout.flush()
    os._exit(EXIT_FAILED)
