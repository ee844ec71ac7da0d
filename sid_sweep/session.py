"""One run of the command, from a checked plan to the final table."""

import time

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from sid_sweep.console import Board, arm_name, duration
from sid_sweep.orchestration.drive import Interrupted, Signals, cluster, drive
from sid_sweep.orchestration.events import Run
from sid_sweep.orchestration.folder import Result
from sid_sweep.orchestration.rows import rows
from sid_sweep.orchestration.search import Ledger
from sid_sweep.plan import Plan
from sid_sweep.spec import Sweep
from sid_sweep.tracking import Tracker

EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130


class Session:
    """What the steps of a run share: sweep, plan, console, and the command to repeat."""

    def __init__(self, sweep: Sweep, plan: Plan, *, console: Console, command: str) -> None:
        self.sweep = sweep
        self.plan = plan
        self.console = console
        self.command = command
        self.board = Board(sweep, console=console, total=plan.total)
        self.signals = Signals()

    def run(self, *, tracking_uri: str | None, address: str | None) -> int:
        """Train what is missing, track it, show the table; returns the exit status."""
        began = time.monotonic()
        with (
            self.signals.installed(),
            Tracker(self.sweep, self.plan.folder, tracking_uri=tracking_uri) as tracker,
        ):

            def known(run: Run, result: Result) -> None:
                self.board.ended(run, result)
                tracker.ended(run, result)

            ledger = Ledger(self.plan.folder, self.sweep, known=known)
            try:
                if ledger.has_work():
                    self._train_teachers()
                    self._train_students(ledger, tracker, address)
            except Interrupted:
                tracker.interrupted()
                return self._say_interrupted()
            self._conclude(ledger, tracker, seconds=time.monotonic() - began)
        if tracker.unsent:
            self.console.print(
                f"[yellow]tracking:[/] {tracker.unsent} updates could not be sent to {tracker.uri} "
                f"({escape(tracker.trouble)}); they are kept, and the same command sends them"
            )
        self._say_next(tracker.ui_hint)
        return self._status()

    # ---- steps

    def _train_teachers(self) -> None:
        """Train the teachers that the grid needs and the cache lacks, with a progress bar."""
        trials = self.plan.untrained
        if not trials:
            return
        import torch

        from sid_sweep import quality, teachers

        torch.set_num_threads(self.sweep.resources.cpus_per_worker)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        for trial in trials:
            with Progress(
                TextColumn("  teacher"),
                BarColumn(),
                TextColumn(
                    "{task.completed:,}/{task.total:,} images, loss {task.fields[loss]:.4f}"
                ),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            ) as bar:
                assert trial.teacher.kind == "trained"
                task = bar.add_task("", total=trial.teacher.images, loss=float("nan"))

                def report(images: int, total: int, loss: float) -> None:
                    self.signals.check()
                    bar.update(task, completed=images, total=total, loss=loss)  # noqa: B023

                began = time.monotonic()
                teacher = teachers.load(trial, cache=self.plan.cache, device=device, report=report)
            judge = quality.judge(trial, teacher, cache=self.plan.cache)
            figures = ", ".join(f"{name} {value:.4g}" for name, value in judge.references.items())
            took = duration(time.monotonic() - began)
            self.console.print(f"  teacher   trained in {took}: {figures}", soft_wrap=True)

    def _train_students(self, ledger: Ledger, tracker: Tracker, address: str | None) -> None:
        logs = self.plan.folder / "logs"
        status = self.console.status("  starting Ray") if self.console.is_terminal else None
        if status:
            status.start()
        try:
            with cluster(self.sweep, address=address, signals=self.signals, logs=logs) as connected:
                if status:
                    status.stop()
                with self.board:
                    drive(
                        self.sweep,
                        ledger,
                        connected,
                        cache=self.plan.cache,
                        watchers=[self.board, tracker],
                        signals=self.signals,
                    )
        finally:
            if status:
                status.stop()

    def _conclude(self, ledger: Ledger, tracker: Tracker, *, seconds: float) -> None:
        """The table and its warnings: on the screen, and in the description of the parent run."""
        from analysis.report import make_report
        from analysis.runs import Question

        all_runs = [ledger.run(job) for arm in range(len(ledger.arms)) for job in ledger.jobs(arm)]
        question = Question.from_record(self.sweep.record())
        report = make_report(rows(self.sweep.sweep, all_runs), question)
        self.console.print(report.terminal())
        for warning in report.warnings:
            self.console.print(f"  [yellow]![/] {escape(warning)}", soft_wrap=True)
        for run, cause in self.board.failures:
            where = run.folder.path / "failure.json"
            name = f"{arm_name(run.values)} seed={run.seed}"
            line = escape(f"{name}: {cause} ({where})")
            self.console.print(f"  [red]failed[/] {line}", soft_wrap=True)
        self.console.print(f"\n  took {duration(seconds)}", style="dim")
        tracker.conclude(report.markdown())

    # ---- words

    def _say_next(self, ui_hint: str) -> None:
        name = self.sweep.sweep
        self.console.print(
            f"\n  look    {ui_hint}\n  report  python -m analysis.compare {name}\n", soft_wrap=True
        )

    def _say_interrupted(self) -> int:
        done, total = self.board.done, self.plan.total
        self.console.print(
            f"\n  interrupted, {done} of {total} trials done; to go on:\n\n  {self.command}\n",
            soft_wrap=True,
        )
        return EXIT_INTERRUPTED

    def _status(self) -> int:
        return EXIT_FAILED if self.board.failures else EXIT_DONE
