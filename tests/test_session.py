"""A run ends with what the folders say: table, failures, exit status, and how to go on."""

import io
import json
import os
import re
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from sid_sweep import activity, quality, table_referee, teaching
from sid_sweep import session as sessions
from sid_sweep.activity import BEGAN, Activity
from sid_sweep.exits import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_LIMIT
from sid_sweep.files import DiskFull
from sid_sweep.foreign.cached import teacher_file, teacher_name
from sid_sweep.nets import average
from sid_sweep.notify import Untold
from sid_sweep.orchestration import home
from sid_sweep.orchestration.guard import Lost
from sid_sweep.orchestration.machine import Layout
from sid_sweep.plan import make_plan
from sid_sweep.search import Ledger
from sid_sweep.session import Session
from sid_sweep.spec import load
from sid_sweep.spending import FAILED
from sid_sweep.table_referee import TableReferee
from sid_sweep.teaching import device_of, train_teachers
from sid_sweep.tracking import Tracker
from sid_sweep.trials import Measurement, Result, SweepFolder

LAMBDA = Path(__file__).with_name("lambda.yaml")
SMALL = ("seeds=[0, 1]", "scientific.loss.lambda={choice: [0.5, 1.0]}")
THREE = "scientific.loss.lambda={choice: [0.5, 0.75, 1.0]}"
TEACHER = (
    "teacher={kind: trained, images: 512, net: {kind: mlp, width: 8, depth: 1}}",
    "evaluation.samples=64",
)
COMMAND = "python -m sid_sweep.run lambda.yaml"
REPORT = "python -m analysis.compare lambda --storage elsewhere"
LAYOUT = Layout(1, 1, 0.0, 2)


class Listener:
    """A watcher, and the mirror of a tracker, that remembers what it was told."""

    hint = "look here"
    is_drawing = False

    def __init__(self):
        self.heard = []

    def ended(self, entry, result):
        self.heard.append((entry.key, result.outcome))

    def end(self, entry, result):
        self.heard.append((entry.key, result.outcome))

    def interrupted(self, why=""):
        self.heard.append(why or "interrupted")

    interrupt = interrupted

    def concluded(self, report, *, failed):
        self.heard.append((report, failed))

    conclude = concluded


class Run:
    """A session of a small sweep without Ray, with what it prints and tells."""

    def __init__(self, folder, *overrides, layout=LAYOUT):
        self.folder = SweepFolder(folder / "sweeps" / "lambda")
        self.sweep = load(LAMBDA, (*SMALL, *overrides))
        plan = replace(make_plan(self.sweep, self.folder, address="any"), layout=layout)
        console = Console(file=io.StringIO(), width=400, highlight=False)
        self.session = Session(
            plan,
            activity=Activity(console),
            command=COMMAND,
            report=REPORT,
            tracking_uri=None,
        )
        self.listener = Listener()
        self.session.watchers.append(self.listener)
        self.told = []
        self.session.listeners = [SimpleNamespace(tell=lambda d: self.told.append(json.loads(d)))]

    def ledger(self):
        """The ledger of a sweep whose every trial was handed out."""
        ledger = Ledger(self.folder, self.sweep)
        while ledger.next_entry() is not None:
            pass
        return ledger

    @property
    def printed(self):
        return self.session.console.file.getvalue()


@pytest.fixture(autouse=True)
def mirror(monkeypatch):
    """What the tracker feeds, in the place of a store."""
    mirror = Listener()

    def track(sweep, folder, **options):
        return Tracker(lambda: mirror, store="a list", hint="")

    monkeypatch.setattr(sessions, "track", track)
    return mirror


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def finish(entry, value=1.5):
    metrics = {"js": value + 0.1 * entry.seed, "modes": 8.0, "off_modes": 0.01, "mode_kl": 0.02}
    spent = {"images": 480_000, "seconds": 9.0, "peak_memory_bytes": 2**20, "metrics": metrics}
    entry.folder.begin(entry.trial)
    entry.folder.append(Measurement(**spent, timestamp_ms=1))
    entry.folder.write_result(Result(outcome="finished", **spent))


def test_where_all_trials_have_finished_the_table_is_shown_and_told(run):
    ledger = run.ledger()
    for entry in ledger.entries():
        finish(entry, value=entry.trial.loss.lambda_)
    assert run.session._conclude(ledger) == EXIT_DONE == 0
    ((report, failed),) = run.listener.heard
    assert not failed
    assert report.startswith("**Which λ?**")
    table = [line for line in report.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 2
    best = next(line for line in run.printed.splitlines() if "best" in line)
    assert best.split()[:2] == ["0.5", "0.548"]  # the geometric mean
    assert "failed" not in run.printed


def test_a_trial_that_diverged_is_an_answer_and_no_failure(run):
    ledger = run.ledger()
    for entry in ledger.entries():
        finish(entry)
    entry = ledger.entries()[0]
    entry.folder.write_result(Result(outcome="diverged", cause="far out", images=480_000))
    assert run.session._conclude(ledger) == EXIT_DONE
    assert "1 diverged" in run.printed
    assert run.listener.heard[0][1] is False


@pytest.mark.parametrize("others", ["finished", "failed"])
def test_a_failed_trial_is_named_with_its_cause_and_where_to_read_more(run, others):
    ledger = run.ledger()
    first, *rest = ledger.entries()
    for entry in rest:
        if others == "finished":
            finish(entry)
        else:
            entry.folder.write_failure("ValueError: no", traceback="")
    first.folder.write_failure("OSError: [/data/x] is no [bold] file", traceback="...")
    run.session.board.ended(first, Result(outcome="finished", metrics={"js": 1.0}))
    assert run.session._conclude(ledger) == EXIT_FAILED == 1
    assert (
        "failed loss.lambda = 0.5, seed 0: OSError: [/data/x] is no [bold] file "
        f"({first.folder.failure})\n"
    ) in run.printed
    assert run.listener.heard[0][1] is True


def test_a_trial_without_an_end_is_a_failure(run):
    ledger = run.ledger()
    for entry in ledger.entries()[:-1]:
        finish(entry)
    assert run.session._conclude(ledger) == EXIT_FAILED
    assert "failed loss.lambda = 1, seed 1: it has no end" in run.printed
    assert run.listener.heard[0][1] is True


def test_an_interruption_says_what_is_done_and_how_to_go_on(run, mirror):
    ledger = run.ledger()
    first, second, third, _ = ledger.entries()
    finish(first)
    second.folder.write_result(Result(outcome="diverged", images=100))
    third.folder.begin(third.trial)
    with run.session.trackers[0]:
        assert run.session._interrupt(ledger) == EXIT_INTERRUPTED == 130
    assert f"interrupted, 2 of 4 trials done; to go on:\n\n  {COMMAND}\n" in run.printed
    assert run.listener.heard == mirror.heard == ["interrupted"]


def test_a_sweep_that_is_done_starts_nothing_and_shows_its_table_again(run, mirror):
    ledger = run.ledger()
    for entry in ledger.entries():
        finish(entry)
    assert run.session.run(address=None) == EXIT_DONE
    *ended, (_, failed) = run.listener.heard
    assert ended == [(entry.key, "finished") for entry in ledger.entries()]
    assert not failed
    assert mirror.heard == run.listener.heard
    assert f"look    look here\n  report  {REPORT}\n" in run.printed


def test_what_a_killed_command_has_left_is_cleared_away_also_where_nothing_is_started(
    run, monkeypatch, tmp_path
):
    """It was killed while it showed its table, and the next command needs no Ray."""
    monkeypatch.setattr(home, "PLACE", tmp_path)
    left = tmp_path / f"{home.PREFIX}left"
    left.mkdir()
    (left / home.OWNER).touch()
    for entry in run.ledger().entries():
        finish(entry)
    assert run.session.run(address=None) == EXIT_DONE
    assert list(tmp_path.glob(f"{home.PREFIX}*")) == []


def test_the_best_arm_is_confirmed_by_the_tables_rule_and_others_are_no_failures(tmp_path):
    own = Run(tmp_path, "seeds={screen: 3, confirm: [7, 8], keep: 1}", THREE)
    totals = []
    referee = TableReferee(own.sweep)
    ledger = Ledger(own.folder, own.sweep, referee=referee, foreseen=totals.append)
    while (entry := ledger.next_entry()) is not None:
        finish(entry, value=1.0 + abs(entry.trial.loss.lambda_ - 0.75))
        ledger.tell(entry, entry.folder.standing())
    ran = {(entry.trial.loss.lambda_, entry.seed) for entry in ledger.entries()}
    assert {value for value, seed in ran if seed in (7, 8)} == {0.75, 1.0}  # and the baseline
    assert totals == [len(ran)] == [3 * 3 + 2 * 2]
    assert own.session._conclude(ledger) == EXIT_DONE
    assert "failed" not in own.printed


def test_the_logs_are_read_once_for_all_that_is_asked_of_the_same_trials(tmp_path, monkeypatch):
    own, read = Run(tmp_path, THREE), []
    for entry in own.ledger().entries():
        finish(entry)
    rows = table_referee.rows_of
    monkeypatch.setattr(
        table_referee, "rows_of", lambda name, entries: read.append(1) or rows(name, entries)
    )
    referee, entries = TableReferee(own.sweep), own.ledger().entries()
    answers = referee.settled(entries), referee.baseline(entries)
    assert len(read) == 1
    again = list(entries)
    assert (referee.settled(again), referee.baseline(again)) == answers
    assert len(read) == 2


def test_a_race_and_verdicts_stop_by_the_tables_own_rules(tmp_path):
    """One arm is far behind at every seed, one level with the baseline."""
    for name, way in (("race", "race: true"), ("decided", "until: decided")):
        own = Run(tmp_path / name, f"seeds={{screen: 8, {way}}}", THREE)
        ledger = Ledger(own.folder, own.sweep, referee=TableReferee(own.sweep))
        while (entry := ledger.next_entry()) is not None:
            level = 9.0 if entry.trial.loss.lambda_ == 0.5 else 1.0
            finish(entry, value=level + 0.01 * (entry.seed * (7 + entry.number) % 5))
            ledger.tell(entry, entry.folder.standing())
        seeds = Counter(entry.number for entry in ledger.entries())
        assert 2 <= seeds[0] < 8
        assert seeds[1] == seeds[2] == 8


@pytest.fixture
def quick(monkeypatch):
    """What goes on is said a hundred times a second."""
    for name in ("REFRESH_SECONDS", "FIRST_SECONDS", "QUIET_SECONDS"):
        monkeypatch.setattr(activity, name, 0.01)


def test_what_is_still_to_be_sent_is_said_until_it_is_sent(run, mirror, monkeypatch, quick):
    monkeypatch.setattr(mirror, "show", lambda entry: time.sleep(0.3), raising=False)
    (tracker,) = run.session.trackers
    (entry, *_) = run.ledger().entries()
    with tracker:
        for _ in range(4):
            tracker.started(entry)
        run.session._send_rest()
        assert tracker.pending == 0
    assert re.search(r"^  sending to a list: \d of \d updates", run.printed, re.MULTILINE)


def test_credentials_are_not_shown_in_what_comes_next(run):
    run.session.report = "python -m analysis.compare lambda --tracking-uri http://me:secret@host"
    run.session._say_next()
    assert "--tracking-uri http://***@host" in run.printed


def test_a_missing_teacher_is_trained_and_described_and_said_to_be(tmp_path, quick, monkeypatch):
    def slowed(act, seconds):
        def slow(*args, **options):
            time.sleep(seconds)
            return act(*args, **options)

        return slow

    monkeypatch.setattr(quality, "judge", slowed(quality.judge, 0.3))
    monkeypatch.setattr(average, "step", slowed(average.step, 0.1))
    run = Run(tmp_path, *TEACHER)
    own = run.session
    train_teachers(own.plan, activity=own.activity, signals=own.signals, spending=own.spending)
    words = r"  training the teacher: \d+ of 512 images, loss [\d.]+(, about \d s left)? \(\d s\)"
    assert re.search(words, run.printed)
    assert "  judging the teacher's own samples, until their score stands (" in run.printed
    (trial,) = run.session.plan.untrained
    assert teacher_file(teacher_name(trial), run.folder.cache).exists()
    assert re.search(r"  teacher   trained in \d+ s: js_of_data [\d.]+, ", run.printed)


def test_a_teacher_leaves_its_gpu_to_the_students(tmp_path, monkeypatch):
    """The command lives on beside them, with all that torch would keep for it."""
    run, told = Run(tmp_path, *TEACHER), []
    monkeypatch.setattr(teaching, "device_of", lambda plan: "cuda")
    monkeypatch.setattr(teaching, "_train", lambda *_: told.append("trained"))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: told.append("emptied"))
    own = run.session
    train_teachers(own.plan, activity=own.activity, signals=own.signals, spending=own.spending)
    assert told == ["trained", "emptied"]


def test_a_signal_while_a_teacher_is_trained_interrupts_the_run(tmp_path):
    run = Run(tmp_path, *TEACHER)
    run.session.signals.received = 2
    assert run.session.run(address=None) == EXIT_INTERRUPTED
    assert "interrupted, 0 of 4 trials done" in run.printed
    assert "report" not in run.printed
    assert list(run.folder.cache.rglob("*.safetensors")) == []


@pytest.mark.parametrize("gpu", [True, False])
@pytest.mark.parametrize(
    ("layout", "gpus", "device"),
    [
        (LAYOUT, "auto", "cpu"),
        (Layout(1, 1, 0.5, 2), "auto", "cuda"),
        (None, "auto", "cuda"),  # a cluster, not yet seen
        (None, "0.5", "cuda"),
        (None, "0", "cpu"),
    ],
)
def test_a_teacher_is_trained_where_its_students_are_if_this_machine_can(
    tmp_path, monkeypatch, layout, gpus, device, gpu
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    run = Run(tmp_path, f"resources.gpus_per_worker={gpus}", layout=layout)
    assert device_of(run.session.plan) == (device if gpu else "cpu")


class Begun(Exception):
    """In the place of what replaces or ends the process."""


@pytest.fixture
def left(monkeypatch):
    """How the process was left."""
    left = []

    def note(kind):
        def leave():
            left.append(kind)
            raise Begun

        return leave

    monkeypatch.setattr(sessions, "_run_again", note("again"))
    monkeypatch.setattr(sessions, "_leave", note("for good"))
    monkeypatch.setattr(
        sessions, "track", lambda *_, **__: Tracker(Listener, store="a list", hint="")
    )
    monkeypatch.setenv(sessions.LOSSES, "0 -1")
    for name in (BEGAN, FAILED):
        monkeypatch.setenv(name, "")  # and as it was, after the test
    return left


def lose(run, monkeypatch, *, address=None):
    """A run whose Ray is lost."""

    def train(ledger, address):
        raise Lost("its raylet has died")

    monkeypatch.setattr(run.session, "_train_students", train)
    with pytest.raises(Begun):
        run.session.run(address=address)


def test_where_ray_is_lost_the_command_begins_anew_for_as_long_as_trials_get_done(
    tmp_path, monkeypatch, left
):
    for number in range(3):
        run = Run(tmp_path)
        finish(run.ledger().entries()[number])
        lose(run, monkeypatch)
        assert "! Ray is lost: its raylet has died; it is started again" in run.printed
        assert run.listener.heard[-1] == "interrupted"
    assert left == ["again"] * 3


def test_a_command_that_began_anew_has_taken_its_time_since_it_first_began(
    tmp_path, monkeypatch, left
):
    monkeypatch.setenv(BEGAN, str(time.monotonic() - 500.0))
    run = Run(tmp_path)
    monkeypatch.delenv(BEGAN)
    lose(run, monkeypatch)
    assert time.monotonic() - float(os.environ[BEGAN]) == pytest.approx(500.0, abs=60.0)
    ledger = run.ledger()
    for entry in ledger.entries():
        finish(entry)
    assert Run(tmp_path).session.run(address=None) == EXIT_DONE
    again = Run(tmp_path)
    again.session._conclude(ledger)
    assert re.search(r"took [89] min", again.printed)


def test_after_three_losses_in_a_row_the_command_ends_and_says_how_to_go_on(
    tmp_path, monkeypatch, left
):
    for _ in range(3):
        run = Run(tmp_path)
        lose(run, monkeypatch)
    assert left == ["again", "again", "for good"]
    assert run.printed.count("Ray is lost") == 1
    assert run.printed.rstrip().endswith(COMMAND)


def test_a_cluster_of_others_is_not_started_again(tmp_path, monkeypatch, left):
    lose(Run(tmp_path), monkeypatch, address="10.0.0.1:6379")
    assert left == ["for good"]


@pytest.mark.parametrize("signal", [None, 15])
def test_where_the_main_thread_hangs_as_well_nothing_stays_running_in_a_tracker(
    tmp_path, monkeypatch, left, mirror, signal
):
    resorts = []

    def guard(signals, last_resort):
        resorts.append(last_resort)
        raise Begun

    def leave(status):
        left.append(status)
        raise Begun

    monkeypatch.setattr(
        sessions, "track", lambda *_, **__: Tracker(lambda: mirror, store="", hint="")
    )
    monkeypatch.setattr(sessions, "Guard", guard)
    monkeypatch.setattr("os._exit", leave)
    run = Run(tmp_path)
    with run.session.trackers[0]:
        with pytest.raises(Begun):
            run.session._train_students(run.ledger(), "10.0.0.1:6379")
        run.session.signals.received = signal
        with pytest.raises(Begun):
            resorts[0]("it has not answered for 60 s")
        assert mirror.heard == ["interrupted"]
        assert left == [EXIT_INTERRUPTED if signal else "for good"]


# ---- limits


def test_what_ended_as_the_limit_came_is_not_left_to_do(tmp_path):
    run = Run(tmp_path, "limits.wall_hours=1")
    ledger, spending = run.ledger(), run.session.spending
    for entry in ledger.entries():
        finish(entry)  # and nobody was left to tell the ledger
    spending._began -= 3700.0
    assert spending.is_over()
    assert run.session._conclude(ledger) == EXIT_DONE


def test_what_waits_to_be_tried_again_at_a_limit_is_left_to_do_and_no_failure(tmp_path):
    run = Run(tmp_path, "limits.wall_hours=1")
    ledger, spending = run.ledger(), run.session.spending
    *ended, last = ledger.entries()
    for entry in ended:
        finish(entry)
        ledger.tell(entry, entry.folder.standing())
    last.folder.begin(last.trial)
    last.folder.write_failure("its node is lost", traceback="")
    spending._began -= 3700.0
    assert spending.is_over()
    assert run.session._conclude(ledger) == EXIT_LIMIT
    assert "\n  failed " not in run.printed
    assert "limits.wall_hours = 1 is reached" in run.printed
    ledger.tell(last, last.folder.standing())  # it has had all its tries
    assert run.session._conclude(ledger) == EXIT_FAILED
    assert f"\n  failed {last}: its node is lost (" in run.printed


def drive(run, monkeypatch, end=finish, *, is_over=lambda entry: False, checkpoint=True):
    """Trials without Ray, one after the other, as far as the limits of a run allow.

    Args:
        end: what becomes of one.
        is_over: whether it is left without an end, and time is over.
        checkpoint: whether it leaves one then.
    """
    spending = run.session.spending

    def train(ledger, address):
        while (entry := ledger.upcoming()) is not None and spending.admits(entry):
            spending.handed(ledger.next_entry())
            spending.started(entry)
            if is_over(entry):
                entry.folder.begin(entry.trial)
                if checkpoint:
                    entry.folder.checkpoint.write_bytes(b"...")
                spending._began -= 7200.0
            run.session.signals.check()
            end(entry)
            ledger.tell(entry, entry.folder.standing())
            for watcher in run.session.watchers:
                watcher.ended(entry, entry.folder.standing())

    monkeypatch.setattr(run.session, "_train_students", train)
    return run.session.run(address=None)


def test_at_a_limit_of_trials_the_table_and_what_goes_on_are_shown(tmp_path, monkeypatch, mirror):
    run = Run(tmp_path, "limits.trials=3")
    assert drive(run, monkeypatch) == EXIT_LIMIT == 3
    line, _, command = run.printed.partition("  stopped ")[2].splitlines()[:3]
    assert line == (
        "limits.trials = 3 is reached (3 of 3 trials); 3 of 4 trials done; to go on with as much "
        "again:"
    )
    assert command == f"  {COMMAND} --set limits.trials=6"
    assert "leads" in run.printed.partition("  stopped ")[0]
    assert "failed" not in run.printed
    assert f"report  {REPORT}" in run.printed
    assert mirror.heard[-1] == "stopped at limits.trials"
    (told,) = run.told
    assert (told["event"], told["exit_status"]) == ("limit", 3)
    assert told["trials"] == {
        "finished": 3, "diverged": 0, "collapsed": 0, "pruned": 0, "failed": 0, "left": 1,
    }  # fmt: skip
    assert told["answer"].startswith("Preliminary: ")
    assert told["command"] == f"{COMMAND} --set limits.trials=6"


def test_a_limit_that_is_reached_already_starts_nothing_and_a_higher_one_goes_on(
    tmp_path, monkeypatch
):
    drive(Run(tmp_path, "limits.trials=3"), monkeypatch)
    again = Run(tmp_path, "limits.trials=3")
    monkeypatch.setattr(again.session, "_train_students", lambda *_: pytest.fail("started"))
    assert again.session.run(address=None) == EXIT_LIMIT
    assert "  stopped nothing was started: limits.trials = 3 is reached" in again.printed
    raised = Run(tmp_path, "limits.trials=6")
    assert drive(raised, monkeypatch) == EXIT_DONE


def test_where_a_limit_leaves_nothing_undone_it_is_none(tmp_path, monkeypatch):
    run = Run(tmp_path, "limits.trials=4", "limits.failures=1")
    assert drive(run, monkeypatch) == EXIT_DONE
    assert "stopped" not in run.printed
    assert run.told[0]["event"] == "finished"


def test_when_time_is_over_what_ran_waits_for_the_same_command(tmp_path, monkeypatch, mirror):
    run = Run(tmp_path, "limits.wall_hours=1")
    status = drive(run, monkeypatch, is_over=lambda entry: entry.key == "1/0")
    assert status == EXIT_LIMIT
    line, _, command = run.printed.partition("  stopped ")[2].splitlines()[:3]
    assert line.startswith("limits.wall_hours = 1 is reached (2 h 00 min of 1 h 00 min); 2 of 4 ")
    assert line.endswith("done, 1 interrupted; to go on:")
    assert command == f"  {COMMAND}"
    assert mirror.heard[-1] == "stopped at limits.wall_hours"


@pytest.mark.parametrize("checkpoint", [True, False])
def test_a_limit_that_comes_before_any_checkpoint_says_that_it_is_too_low(
    tmp_path, monkeypatch, checkpoint
):
    """Else a job that is queued again and again would never get anywhere, in silence."""
    run = Run(tmp_path, "limits.wall_hours=1")
    drive(run, monkeypatch, is_over=lambda entry: True, checkpoint=checkpoint)
    too_low = "none has come to a checkpoint yet, so give it more; to go on:"
    assert (too_low in run.printed) != checkpoint


def test_failures_up_to_a_limit_are_named_and_tried_again_by_the_same_command(
    tmp_path, monkeypatch
):
    def fail(entry):
        entry.folder.begin(entry.trial)
        entry.folder.write_failure("ValueError: no", traceback="")

    run = Run(tmp_path, "limits.failures=2")
    assert drive(run, monkeypatch, fail) == EXIT_LIMIT
    assert run.printed.count("  failed loss.lambda = 0.5, seed ") == 2
    assert "limits.failures = 2 is reached (2 of 2 failures); 0 of 4 trials done; to go on:" in (
        run.printed
    )
    assert f"\n  {COMMAND}\n" in run.printed
    assert run.told[0]["trials"]["failed"] == 2


def test_a_sweep_that_stops_before_any_trial_has_no_table(tmp_path, monkeypatch):
    run = Run(tmp_path, "limits.disk_gigabytes=0.000000001")
    run.folder.path.mkdir(parents=True, exist_ok=True)
    (run.folder.path / "large").write_bytes(b"....")
    run.session.spending._disk_bytes = 4
    monkeypatch.setattr(run.session, "_train_students", lambda *_: pytest.fail("started"))
    assert run.session.run(address=None) == EXIT_LIMIT
    assert "nothing was started: limits.disk_gigabytes = " in run.printed
    assert "0 of 4 trials done" in run.printed


def test_an_interruption_and_an_error_are_told_too(tmp_path, monkeypatch):
    run = Run(tmp_path, *TEACHER)
    run.session.signals.received = 2
    run.session.run(address=None)
    assert [(d["event"], d["exit_status"]) for d in run.told] == [("interrupted", 130)]

    def full(ledger, address):
        raise DiskFull(28, "sweeps/lambda: the disk is full; free some space")

    run = Run(tmp_path / "other")
    monkeypatch.setattr(run.session, "_train_students", full)
    with pytest.raises(DiskFull):
        run.session.run(address=None)
    (told,) = run.told
    assert told["event"] == "error"
    assert "the disk is full" in told["text"]


def test_who_cannot_be_told_is_a_warning_and_the_status_stays(run):
    ledger = run.ledger()
    for entry in ledger.entries():
        finish(entry)
    run.session.command = f"{COMMAND} --notify 'mail me' --tracking-uri http://me:secret@host"
    tell = run.session.listeners[0].tell

    class Deaf:
        def __str__(self):
            return "webhook:HOOK"

        def tell(self, document):
            tell(document)
            raise Untold("it answered 500")

    run.session.listeners = [Deaf()]
    assert run.session.run(address=None) == EXIT_DONE
    assert "! webhook:HOOK could not be told how it ended: it answered 500\n" in run.printed
    (told,) = run.told
    assert told["command"] == f"{COMMAND} --tracking-uri http://***@host"
    assert told["answer"]
