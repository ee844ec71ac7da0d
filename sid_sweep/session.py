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
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.status import Status

from sid_sweep.console import Board, duration
from sid_sweep.exhibit import make_exhibit
from sid_sweep.foreign.pictures import Report, pictures
from sid_sweep.orchestration import cluster
from sid_sweep.orchestration.drive import drive
from sid_sweep.orchestration.guard import Guard, Lost
from sid_sweep.orchestration.signals import Interrupted, Signals
from sid_sweep.plan import Plan, costs, lines
from sid_sweep.search import Ledger
from sid_sweep.spec import Data, SpecError, Trial
from sid_sweep.table_referee import TableReferee
from sid_sweep.tracking import provenance, track
from sid_sweep.tracking.client import redact, require_writable
from sid_sweep.tracking.tracker import INTERRUPTED_SECONDS
from sid_sweep.trials import Entry, Result, Watcher
from sid_sweep.trials.rows import rows_of

EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130
LOSSES = "SID_SWEEP_LOSSES"  # how often Ray was lost in a row, and how many results there were then
MAX_LOSSES = 3


def decode_pictures(plan: Plan, *, console: Console) -> bool:
    """Decode what the cache lacks of the data, with a progress bar, before the sweep is begun: a
    picture that is not taken leaves no sweep behind. False where that was interrupted.

    Raises:
        SpecError: a picture is not taken.
    """
    columns = (TextColumn("  pictures"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    signals = Signals()
    with signals.installed(), Progress(*columns, console=console, transient=True) as bar:
        for data, facts in plan.pictures.items():
            task = bar.add_task("", total=facts.num)

            def report(done: int, total: int, task: TaskID = task) -> None:
                signals.check()
                bar.update(task, completed=done, total=total)

            try:
                _decode(data, plan, console, report)
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
        console.print(
            f"  [yellow]![/] {escape(text)}, such as {escape(skipped[0])}", soft_wrap=True
        )


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


def check_teachers(plan: Plan, *, console: Console) -> None:
    """Load what someone else trained, and ask it, before anything is created; the first one says
    what a trial will cost.

    Raises:
        SpecError: it cannot be loaded, or not be used as the sweep does.
    """
    for trial in plan.loaded:
        from sid_sweep import teachers

        try:
            blueprint = teachers.check(trial, cache=plan.folder.cache)
        except ValueError as error:
            raise SpecError(f"teacher.kind = {trial.teacher.kind}: {error}") from None
        if trial is plan.loaded[0]:
            console.print(lines(costs(trial, blueprint)), end="")


class Session:
    """What the steps of a run share: plan, console, watchers, and the commands to name."""

    def __init__(
        self, plan: Plan, *, console: Console, command: str, report: str, tracking_uri: str | None
    ) -> None:
        """
        Args:
            command: what goes on with the sweep.
            report: what compares its arms.
        """
        self.plan = plan
        self.sweep, self.folder = plan.sweep, plan.folder
        self.console = console
        self.command, self.report = command, report
        self.signals = Signals()
        self.board = Board(self.sweep, console=console)
        exhibit = functools.partial(make_exhibit, self.folder)
        self.trackers = [track(self.sweep, self.folder, uri=tracking_uri, exhibit=exhibit)]
        self.watchers: list[Watcher] = [self.board, *self.trackers]

    def run(self, *, address: str | None) -> int:
        """Train what is missing, track it, show the table; returns the exit status."""
        began, leave = time.monotonic(), None
        with self.signals.installed(), ExitStack() as stack:
            for tracker in self.trackers:
                stack.enter_context(tracker)
            ledger = Ledger(
                self.folder,
                self.sweep,
                referee=TableReferee(self.sweep),
                known=self._known,
                foreseen=self.board.foreseen,
            )
            try:
                if ledger.has_work():
                    self.folder.append_command(provenance())
                    self._train_teachers()
                    self._train_students(ledger, address)
                status = self._conclude(ledger, began=began)
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
        """Train the teachers that the grid needs and the cache lacks, with a progress bar."""
        if not self.plan.untrained:
            return
        import torch

        torch.set_num_threads(self.sweep.resources.cpus_per_worker)
        for trial in self.plan.untrained:
            self._train_teacher(trial)

    def _train_teacher(self, trial: Trial) -> None:
        from sid_sweep import quality, teachers

        began, cache = time.monotonic(), self.folder.cache
        with Progress(
            TextColumn("  teacher"),
            BarColumn(),
            TextColumn("{task.completed:,}/{task.total:,} images, loss {task.fields[loss]:.4f}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        ) as bar:
            assert trial.teacher.kind == "trained"  # what the plan calls untrained
            task = bar.add_task("", total=trial.teacher.images, loss=float("nan"))

            def report(images: int, total: int, loss: float) -> None:
                self.signals.check()
                bar.update(task, completed=images, total=total, loss=loss)

            device = self._teacher_device()
            teacher = teachers.load(trial, cache=cache, device=device, report=report)
        with self._waiting("judging the teacher's own samples, until their score stands"):
            references = quality.judge(trial, teacher, cache=cache).references
        figures = ", ".join(f"{name} {value:.4g}" for name, value in references.items())
        took = duration(time.monotonic() - began)
        self.console.print(f"  teacher   trained in {took}: {figures}", soft_wrap=True)

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
            self.console.show_cursor()
            self._lose(reason, can_start=address is None)()

        status, guard = self._waiting("starting Ray"), Guard(self.signals, leave_at_once)
        with guard.watching(), status, self._cluster(address, guard) as connected:
            status.stop()
            with self.board:
                drive(ledger, connected, watchers=self.watchers, guard=guard, say=self._warn)

    def _cluster(
        self, address: str | None, guard: Guard
    ) -> AbstractContextManager[cluster.Cluster]:
        if address is None:
            assert self.plan.layout is not None
            if LOSSES not in os.environ:
                shutil.rmtree(self.folder.logs, ignore_errors=True)
            return cluster.local(self.plan.layout, guard=guard, logs=self.folder.logs)
        return cluster.remote(self.sweep, address, guard=guard, scratch=self.folder.scratch)

    def _lose(self, reason: str, *, can_start: bool) -> Callable[[], NoReturn]:
        """Say that Ray is lost; returns what to do then. It is started again for as long as trials
        get done in between, and a few times more."""
        losses, before = map(int, os.environ.get(LOSSES, "0 -1").split())
        results = len(self.folder.results())
        losses = losses + 1 if results == before else 1
        os.environ[LOSSES] = f"{losses} {results}"
        again = can_start and losses < MAX_LOSSES
        self._warn(
            f"Ray is lost: {reason}; "
            + (
                "it is started again, and trials go on from their checkpoints"
                if again
                else f"what was done is kept; to go on:\n\n  {redact(self.command)}\n"
            )
        )
        return _run_again if again else _leave

    def _conclude(self, ledger: Ledger, *, began: float) -> int:
        """The table and its warnings, for the screen and the watchers, as the folders say; returns
        the exit status."""
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
            self.console.print(f"  [red]failed[/] {escape(line)}", soft_wrap=True)
        self.console.print(f"\n  took {duration(time.monotonic() - began)}", style="dim")
        for watcher in self.watchers:
            watcher.concluded(comparison.markdown(), failed=bool(lost))
        return EXIT_FAILED if lost else EXIT_DONE

    def _interrupt(self, ledger: Ledger) -> int:
        done = sum(entry.folder.result() is not None for entry in ledger.entries())
        self.console.print(
            f"\n  interrupted, {done} of {self.board.total} trials done; to go on:\n\n"
            f"  {escape(redact(self.command))}\n",
            soft_wrap=True,
        )
        self._stop_watchers()
        return EXIT_INTERRUPTED

    def _stop_watchers(self) -> None:
        for watcher in self.watchers:
            watcher.interrupted()
        for tracker in self.trackers:
            tracker.drain(patience=INTERRUPTED_SECONDS)

    def _send_rest(self) -> None:
        """Wait for the trackers, and show what they still have to send."""
        for tracker in self.trackers:
            store = escape(tracker.store)
            with self._waiting("") as status:

                def show(left: int) -> None:
                    self.signals.check()
                    status.update(f"  sending {left:,} updates to {store}")  # noqa: B023

                with suppress(Interrupted):  # what is left is kept, like everything else
                    tracker.drain(show=show)

    # ---- words

    def _warn(self, text: str) -> None:
        self.console.print(f"  [yellow]![/] {escape(text)}", soft_wrap=True)

    def _waiting(self, text: str) -> Status:
        """A line with a spinner; nothing where there is no terminal."""
        quiet = Console(quiet=True)
        return Status(f"  {text}", console=self.console if self.console.is_terminal else quiet)

    def _say_unsent(self) -> None:
        for tracker in self.trackers:
            lines = list(tracker.remarks)
            if tracker.unsent:
                lines.append(
                    f"{tracker.unsent} updates could not be sent to {tracker.store} "
                    f"({tracker.trouble}); they are kept: {tracker.remedy}"
                )
            for line in lines:
                self.console.print(f"[yellow]tracking:[/] {escape(line)}", soft_wrap=True)

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
