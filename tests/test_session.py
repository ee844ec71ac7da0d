"""A run ends with what the folders say: table, failures, exit status, and how to go on."""

import io
import os
import re
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from sid_sweep import activity, quality
from sid_sweep import session as sessions
from sid_sweep.activity import BEGAN, Activity
from sid_sweep.foreign.cached import teacher_file, teacher_name
from sid_sweep.orchestration.guard import Lost
from sid_sweep.orchestration.machine import Layout
from sid_sweep.plan import make_plan
from sid_sweep.search import Ledger
from sid_sweep.session import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, Session
from sid_sweep.spec import load
from sid_sweep.table_referee import TableReferee
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

    def interrupted(self):
        self.heard.append("interrupted")

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
    tracker = Tracker(lambda: mirror, store="a list", hint="")
    monkeypatch.setattr(sessions, "track", lambda sweep, folder, **_: tracker)
    return mirror


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def finish(entry, value=1.5):
    metrics = {"js": value + 0.1 * entry.seed, "modes": 8.0, "off_modes": 0.01, "mode_kl": 0.02}
    spent = {"images": 480_000, "seconds": 9.0, "peak_memory_bytes": 2**20, "metrics": metrics}
    entry.folder.begin(entry.trial, images=-1)
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
    third.folder.begin(third.trial, images=-1)
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
    judge = quality.judge

    def slow(*args, **options):
        time.sleep(0.3)
        return judge(*args, **options)

    monkeypatch.setattr(quality, "judge", slow)
    run = Run(tmp_path, *TEACHER)
    run.session._train_teachers()
    words = r"  training the teacher: \d+ of 512 images, loss [\d.]+(, about \d s left)? \(\d s\)"
    assert re.search(words, run.printed)
    assert "  judging the teacher's own samples, until their score stands (" in run.printed
    (trial,) = run.session.plan.untrained
    assert teacher_file(teacher_name(trial), run.folder.cache).exists()
    assert re.search(r"  teacher   trained in \d+ s: js_of_data [\d.]+, ", run.printed)


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
    assert run.session._teacher_device() == (device if gpu else "cpu")


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
    monkeypatch.setenv(BEGAN, "")  # and as it was, after the test
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
