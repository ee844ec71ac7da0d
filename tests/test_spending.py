"""What is spent is counted by a clock and by the folder, from command to command, and each limit
holds back what it is about."""

import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from sid_sweep import spending
from sid_sweep.orchestration.signals import Interrupted, Signals
from sid_sweep.search import mend
from sid_sweep.spec import SpecError, load
from sid_sweep.spending import HOUR_SECONDS, Spending, Use, bytes_in, going_on, never_reached
from sid_sweep.trials import Result, SweepFolder
from sid_sweep.trials.host import this_host
from sid_sweep.trials.sweep_folder import Held

LAMBDA = Path(__file__).with_name("lambda.yaml")
SMALL = ("seeds=[0, 1]", "scientific.loss.lambda={choice: [0.5, 1.0]}", "baseline={}")
FAILED = Result(outcome="failed", cause="a cause")
FINISHED = Result(outcome="finished", seconds=9.0, metrics={"js": 1.0})


class Spent:
    """The spending of a sweep of four trials, by a clock that is set by hand."""

    def __init__(self, folder, *limits, gpus=0.0):
        self.sweep = load(LAMBDA, (*SMALL, *(f"limits.{limit}" for limit in limits)))
        self.folder = SweepFolder(folder)
        self.now = 1000.0
        self.entries = [
            self.folder.entry(self.sweep, number, arm, seed)
            for number, arm in enumerate(self.sweep.grid())
            for seed in (0, 1)
        ]
        self.own = Spending(self.sweep, self.folder, began=1000.0, clock=lambda: self.now)
        self.own.gpus = gpus

    def start(self, number):
        entry = self.entries[number]
        assert self.own.admits(entry)
        self.own.handed(entry)
        entry.folder.begin(entry.trial)
        self.own.started(entry)
        return entry

    def end(self, number, result=FINISHED):
        entry = self.entries[number]
        if result.outcome == "failed":
            entry.folder.write_failure(result.cause, traceback="")
        else:
            entry.folder.write_result(result)
        self.own.ended(entry, result)

    @property
    def stops(self):
        return [use.key for use in self.own.stops]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "sweeps" / "lambda"


# ---- trials


def test_no_more_trials_begin_than_are_allowed_in_all_commands_together(folder):
    spent = Spent(folder, "trials=3")
    spent.start(0)
    spent.start(1)
    spent.end(0)
    again = Spent(folder, "trials=3")  # the first was killed
    assert again.own.spent()["trials"] == 2
    again.start(2)
    assert not again.own.admits(again.entries[3])
    assert again.stops == ["trials"]
    assert not again.own.is_over()  # what runs goes on to its end
    assert not Spent(folder, "trials=3").own.admits(again.entries[3])
    raised = Spent(folder, "trials=4")
    raised.start(3)
    assert raised.stops == []


def test_a_trial_that_has_begun_goes_on_where_no_other_may_begin(folder):
    spent = Spent(folder, "trials=2")
    spent.start(0)
    spent.start(1)
    again = Spent(folder, "trials=2")
    assert again.own.admits(again.entries[1])
    assert again.stops == []
    assert not again.own.admits(again.entries[2])


# ---- failures


def test_failures_are_counted_anew_by_each_command(folder):
    spent = Spent(folder, "failures=2")
    for number in range(3):
        spent.start(number)
    spent.end(0, FAILED)
    spent.end(1)
    assert spent.own.admits(spent.entries[3])
    spent.end(2, FAILED)
    assert not spent.own.admits(spent.entries[3])
    assert not spent.own.is_over()
    assert spent.stops == ["failures"]
    assert Spent(folder, "failures=2").own.admits(spent.entries[3])


def test_a_command_that_begins_itself_anew_knows_its_failures(folder, monkeypatch):
    monkeypatch.delenv(spending.FAILED, raising=False)
    spent = Spent(folder, "failures=1")
    spent.start(0)
    spent.end(0, FAILED)
    monkeypatch.setattr("os.environ", dict(os.environ))
    spent.own.pass_on()
    assert not Spent(folder, "failures=1").own.admits(spent.entries[1])


# ---- wall time


def test_time_is_the_commands_and_what_runs_stops_when_it_is_over(folder):
    spent = Spent(folder, "wall_hours=0.5")
    spent.start(0)
    spent.now += 0.5 * HOUR_SECONDS - 1.0
    assert not spent.own.is_over()
    spent.now += 1.0
    assert spent.own.is_over()
    assert spent.stops == ["wall_hours"]
    again = Spent(folder, "wall_hours=0.5")
    assert not again.own.is_over()
    assert again.own.admits(again.entries[1])


def test_whoever_checks_for_a_signal_is_stopped_by_a_limit_as_by_one(folder):
    spent, signals = Spent(folder, "wall_hours=1"), Signals()
    with signals.unless(spent.own.is_over):
        signals.check()
        spent.now += HOUR_SECONDS
        with pytest.raises(Interrupted):
            signals.check()
    signals.check()  # what comes after is not training
    assert signals.received is None


# ---- GPU hours


def test_gpus_are_counted_for_as_long_as_trials_hold_them(folder):
    spent = Spent(folder, "gpu_hours=4", gpus=2.0)
    spent.now += HOUR_SECONDS  # nobody holds any
    spent.start(0)
    spent.now += 0.5 * HOUR_SECONDS
    spent.start(1)
    spent.now += 0.25 * HOUR_SECONDS
    spent.end(0)
    spent.now += 0.25 * HOUR_SECONDS
    assert spent.own.spent()["gpu_hours"] == pytest.approx(2 * 0.75 + 2 * 0.5)
    assert not spent.own.is_over()
    spent.now += 0.75 * HOUR_SECONDS
    assert spent.own.is_over()
    assert spent.stops == ["gpu_hours"]


def test_what_interrupted_trials_and_teachers_held_counts_in_later_commands(folder):
    spent = Spent(folder, "gpu_hours=4", gpus=1.0)
    with spent.own:
        with spent.own.holding(1.0):
            spent.now += HOUR_SECONDS
        spent.now += HOUR_SECONDS
        spent.start(0)
        spent.now += HOUR_SECONDS
    again = Spent(folder, "gpu_hours=4", gpus=1.0)
    again.now += HOUR_SECONDS  # between the two nothing is held
    assert again.own.spent()["gpu_hours"] == pytest.approx(2.0)
    again.start(0)
    again.now += 2 * HOUR_SECONDS
    assert again.own.is_over()
    last = Spent(folder, "gpu_hours=4", gpus=1.0)  # the last one was killed, and it wrote before
    assert last.own.spent()["gpu_hours"] == pytest.approx(4.0)
    assert not last.own.admits(last.entries[0])


def test_what_waits_to_be_tried_again_and_what_comes_after_training_holds_nothing(folder):
    spent = Spent(folder, gpus=8.0)
    spent.start(0)
    spent.start(1)
    spent.now += HOUR_SECONDS
    spent.own.returned(spent.entries[0])  # its node is lost, and there is no other
    spent.now += HOUR_SECONDS
    spent.own.release()  # interrupted: arms are compared and updates sent
    assert spent.folder.held() == Held(gpu_seconds=24.0 * HOUR_SECONDS)
    spent.now += HOUR_SECONDS
    assert spent.own.spent()["gpu_hours"] == pytest.approx(24.0)


def test_a_kill_loses_ten_seconds_of_gpus_and_a_fast_loop_does_not_write_at_every_turn(folder):
    spent = Spent(folder, gpus=1.0)
    spent.start(0)
    seen = []
    for _ in range(250):
        spent.now += 0.1
        spent.own.is_over()
        held = spent.folder.held().gpu_seconds
        assert 0.0 <= spent.now - 1000.0 - held <= 10.1
        seen.append(held)
    assert len(set(seen)) <= 1 + 2


def test_where_there_are_no_gpus_nothing_is_written(folder):
    spent = Spent(folder, "gpu_hours=1")
    with spent.own:
        spent.start(0)
        spent.now += 100 * HOUR_SECONDS
        assert not spent.own.is_over()
    assert not spent.folder.spending.exists()


@pytest.mark.parametrize("content", ["", '{"gpu_seconds": -1.0}', '{"gpu_seconds": NaN}', "{}}"])
def test_a_damaged_record_is_set_aside_and_the_trials_own_seconds_stand_in(folder, content):
    spent = Spent(folder)
    for number, device in enumerate(("H200", "cpu")):
        spent.start(number)
        own = spent.entries[number].folder
        own.write_host(this_host(device=device, workers=2, threads=1))
    spent.folder.spending.write_text(content)
    for number in range(2):
        spent.end(number, Result(outcome="diverged", images=1, seconds=30.0))
    (line,) = mend(spent.folder, spent.sweep)
    assert "spending.json" in line
    assert "GPU hours are counted anew" in line
    assert spent.folder.held() == Held(gpu_seconds=60.0)
    assert mend(spent.folder, spent.sweep) == []


# ---- the disk


def test_the_folder_is_measured_before_anything_begins_and_while_it_grows(folder, monkeypatch):
    monkeypatch.setattr("sid_sweep.spending.LOOK_SECONDS", 0.01)
    folder.mkdir(parents=True)
    (folder / "one").write_bytes(b"x" * 600)
    spent = Spent(folder, "disk_gigabytes=0.000002")
    with spent.own:
        assert not spent.own.is_over()
        spent.start(0)
        (folder / "trials" / "more").write_bytes(b"x" * 2000)
        until(spent.own.is_over)
    assert spent.stops == ["disk_gigabytes"]
    again = Spent(folder, "disk_gigabytes=0.000002")
    assert not again.own.admits(again.entries[0])


def until(condition):
    import time

    deadline = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_file_that_cannot_be_looked_at_ends_no_look(folder, monkeypatch):
    folder.mkdir(parents=True)
    (folder / "one").write_bytes(b"x" * 600)
    (folder / "two").write_bytes(b"x" * 600)
    look = os.lstat

    def stale(path):
        if str(path).endswith("two"):
            raise OSError(errno.ESTALE, "Stale file handle")
        return look(path)

    monkeypatch.setattr("os.lstat", stale)
    assert bytes_in(folder) == 600


def test_what_is_being_written_and_links_do_not_count_twice(tmp_path):
    (tmp_path / "trials").mkdir()
    (tmp_path / "trials" / "checkpoint.pt").write_bytes(b"x" * 1000)
    (tmp_path / "trials" / ".checkpoint.pt.77.tmp").write_bytes(b"x" * 900)
    os.symlink(tmp_path / "trials", tmp_path / "link")
    assert 1000 <= bytes_in(tmp_path) < 1200
    assert bytes_in(tmp_path / "nowhere") == 0


# ---- several at once


def test_all_limits_that_are_reached_are_named_and_a_signal_is_none(folder):
    spent = Spent(folder, "trials=2", "wall_hours=1", "gpu_hours=2", gpus=1.0)
    spent.start(0)
    spent.start(1)
    assert not spent.own.admits(spent.entries[2])
    assert spent.stops == ["trials"]
    spent.now += HOUR_SECONDS
    assert spent.own.is_over()
    assert spent.stops == ["trials", "wall_hours", "gpu_hours"]


def test_without_limits_nothing_is_held_back(folder):
    spent = Spent(folder, gpus=8.0)
    spent.now += 1e9
    for number in range(4):
        spent.start(number)
        spent.end(number, FAILED)
    assert not spent.own.is_over()
    assert spent.own.uses() == spent.own.stops == []
    assert str(spent.own) == ""


# ---- words


@pytest.mark.parametrize(
    ("use", "words", "planned", "reached"),
    [
        (
            Use("trials", 20, 12),
            "12 of 20 trials (8 left)",
            "20 trials (12 spent)",
            "limits.trials = 20 is reached (12 of 20 trials)",
        ),
        (
            Use("failures", 1, 0),
            "0 of 1 failure (1 left)",
            "1 failure a command",
            "limits.failures = 1 is reached (0 of 1 failure)",
        ),
        (
            Use("wall_hours", 4.0, 4.0 + 20 / 3600),
            "4 h 00 min of 4 h 00 min (0 s left)",
            "4 h 00 min a command",
            "limits.wall_hours = 4 is reached (4 h 00 min of 4 h 00 min)",
        ),
        (
            Use("gpu_hours", 4.5, 0.0),
            "0 of 4.5 GPU hours (4.5 left)",
            "4.5 GPU hours",
            "limits.gpu_hours = 4.5 is reached (0 of 4.5 GPU hours)",
        ),
        (
            Use("disk_gigabytes", 50.0, 12.345),
            "12.3 GB of 50 GB (37.7 GB left)",
            "50 GB (12.3 GB spent)",
            "limits.disk_gigabytes = 50 is reached (12.3 GB of 50 GB)",
        ),
    ],
)
def test_a_limit_in_words(use, words, planned, reached):
    assert (str(use), use.planned, use.reached) == (words, planned, reached)


def test_limits_that_can_never_be_reached_are_known(folder):
    sweep = Spent(folder).sweep
    assert never_reached(Use("trials", 3, 0), sweep, gpus=0.0) == ""
    assert "at most" in never_reached(Use("trials", 4, 0), sweep, gpus=0.0)
    assert never_reached(Use("trials", 4, 2), sweep, gpus=0.0) == ""  # of an older space
    assert "at most" in never_reached(Use("failures", 4, 0), sweep, gpus=0.0)
    assert "no GPU" in never_reached(Use("gpu_hours", 1.0, 0.0), sweep, gpus=0.0)
    for gpus in (None, 0.25):
        assert never_reached(Use("gpu_hours", 1.0, 0.0), sweep, gpus=gpus) == ""
    for key in ("wall_hours", "disk_gigabytes"):
        assert never_reached(Use(key, 1e6, 0.0), sweep, gpus=0.0) == ""


COMMAND = "python -m sid_sweep.run 'my space.yaml'"


@pytest.mark.parametrize(
    ("command", "stops", "then"),
    [
        (COMMAND, [Use("wall_hours", 1, 1)], COMMAND),
        (COMMAND, [Use("failures", 1, 1), Use("wall_hours", 1, 1)], COMMAND),
        (COMMAND, [Use("trials", 3, 3)], f"{COMMAND} --set limits.trials=6"),
        (
            f"{COMMAND} --set limits.trials=3 --name x --set=limits.trials=4 --set seeds=2",
            [Use("trials", 3, 3)],
            f"{COMMAND} --name x --set seeds=2 --set limits.trials=6",
        ),
        (COMMAND, [Use("gpu_hours", 1.5, 1.504)], f"{COMMAND} --set limits.gpu_hours=3.004"),
        (
            COMMAND,
            [Use("disk_gigabytes", 2e-6, 3e-6)],
            f"{COMMAND} --set limits.disk_gigabytes=0.000005",
        ),
        (COMMAND, [Use("trials", 500, 500)], f"{COMMAND} --set limits.trials=1000"),
    ],
)
def test_the_command_that_goes_on_allows_as_much_again(command, stops, then):
    assert going_on(command, stops) == then


def test_the_command_that_goes_on_is_one_that_does(folder):
    """What it sets is taken, over what the file says and over a group that was set before."""
    for use in (
        Use("trials", 3, 7),
        Use("gpu_hours", 0.001, 1e-5),
        Use("disk_gigabytes", 1e3, 1e3),
    ):
        *_, own = going_on("run --set 'limits={trials: 3, gpu_hours: 0.001}'", [use]).split()
        limits = load(LAMBDA, ("limits={trials: 3, gpu_hours: 0.001}", own)).limits
        assert getattr(limits, use.key) > use.spent


# ---- values that are none


@pytest.mark.parametrize(
    "value",
    ["trials=0", "trials=-1", "trials=2.5", "failures=0", "wall_hours=0", "wall_hours=.nan",
     "gpu_hours=.inf", "gpu_hours=-4", "disk_gigabytes=-.inf", "disk_gigabytes='4 GB'"],
)  # fmt: skip
def test_a_limit_of_nothing_is_refused_in_one_line(value):
    with pytest.raises(SpecError, match=rf"^--set limits\.{value.partition('=')[0]}=.*: must be"):
        load(LAMBDA, (f"limits.{value}",))


def test_null_is_no_limit_and_a_misspelt_one_is_answered():
    assert load(LAMBDA, ("limits.trials=3", "limits.trials=null")).limits.trials is None
    with pytest.raises(SpecError, match="did you mean wall_hours"):
        load(LAMBDA, ("limits.wall_hour=3",))


def test_limits_change_no_trial_no_space_and_may_be_changed(tmp_path):
    from sid_sweep.spec import digest
    from sid_sweep.spec.sweep import space_digest
    from sid_sweep.trials import agreement

    without, limited = load(LAMBDA), load(LAMBDA, ("limits={trials: 3, wall_hours: 2}",))
    assert space_digest(without) == space_digest(limited)
    arm = without.first_arm()
    assert digest(without.trial(arm, 0)) == digest(limited.trial(arm, 0))
    assert limited.found == without.found  # what came out is still true
    agreement.agree(SweepFolder(tmp_path), limited)
    agreement.agree(SweepFolder(tmp_path), without)
    assert json.loads((tmp_path / "sweep.json").read_text())["limits"]["trials"] is None


def test_what_no_limit_is_set_for_is_not_looked_at(folder, monkeypatch):
    monkeypatch.setattr("sid_sweep.spending.bytes_in", lambda path: pytest.fail("looked"))
    assert "disk_gigabytes" not in Spent(folder, "trials=3").own.spent()
    assert SimpleNamespace(**Spent(folder).own.spent()).trials == 0
