"""A killed sweep ends as an undisturbed one; and whoever says so would see it if it did not."""

import fcntl
import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import kill_judge as judge
import pytest
from kill_moments import _nth
from kill_processes import MARK, end_all, marked
from kill_sweeps import Home
from kills import (
    BARREN,
    ORDER,
    PAIRS,
    Run,
    Strike,
    Verdict,
    cases,
    make_case,
    make_reference,
    play,
    until_killed,
)

from sid_sweep.orchestration.home import OWNER
from sid_sweep.trials import SweepFolder

SEED = 1
SAMPLE = (Strike("SIGKILL", "checkpoint"), Strike("actor", "random"))

# ---- the harness


def test_a_case_is_a_function_of_its_number_and_all_pairs_come_in_turn():
    made = [make_case(SEED, number) for number in range(len(PAIRS))]
    assert {strike for case in made for strike in case.strikes} == {
        pair for pair in PAIRS if pair.moment != "twice"
    }
    assert made == [make_case(SEED, number) for number in range(len(PAIRS))]
    assert made[0].draw.random() == made[0].draw.random() != made[1].draw.random()
    chosen = itertools.islice(cases(SEED, only={"worker"}), 8)
    assert {(case.strikes[0].victim, case.variant) for case in chosen} == {("worker", "workers")}


def test_a_case_of_many_kills_begins_early_in_the_sweep_and_is_one_that_its_sweep_can_meet():
    for case in itertools.islice(cases(SEED, only=set(), each=4), len(PAIRS)):
        places = [ORDER.index(moment) for _, moment in case.strikes]
        assert len(places) == 4
        assert places == sorted(places)
        victims = {victim for victim, _ in case.strikes}
        assert ("worker" in victims) <= (case.variant == "workers")
        assert ("mlflow" in victims) <= (case.variant == "server")


@pytest.mark.parametrize(("each", "num"), [(1, 7), (4, 7), (4, 8)])
def test_cases_go_on_in_their_order_until_there_were_so_many_kills(each, num):
    """Of each case only the first moment comes, and none in every third."""

    def play(some):
        for own in some:
            killed = [] if own.number % 3 == 0 else [(*own.strikes[0], 1.0)]
            yield Verdict(str(own), [], killed=killed)

    drawn = cases(SEED, only=set(), each=each)
    played = list(until_killed(num, drawn, play, each=each))
    assert sum(len(verdict.killed) for _, verdict in played) >= num
    assert [case for case, _ in played] == [
        make_case(SEED, number, each=each) for number in range(len(played))
    ]


def test_where_no_kill_comes_it_ends():
    def play(some):
        return [Verdict(str(own), []) for own in some]

    played = list(until_killed(8, cases(SEED, only=set(), each=4), play, each=4))
    assert len(played) == BARREN


RERUN = {
    "done": (["0"], ["done"], False),
    "to be sent, then done": (["0", "0"], ["3 updates could not be sent", "done"], False),
    "never sent": (["0", "0", "0"], ["3 updates could not be sent"] * 3, True),
    "failed": (["1"], ["failed"], True),
    "failed, and to be sent": (["1"], ["3 updates could not be sent"], True),
}


@pytest.mark.parametrize("kind", RERUN)
def test_one_command_more_must_do_but_for_what_is_still_to_be_sent(kind, tmp_path):
    statuses, told, is_problem = RERUN[kind]
    ends = iter(zip(statuses, told, strict=True))

    class Ended(Run):
        """A run whose commands are over at once; one more than there are would raise."""

        def __init__(self):
            self.problems, self.statuses, self.times = [], [], {"seconds": 1.0}

        def _start(self):
            status, self.last = next(ends)
            self.statuses.append(int(status))

        def _wait(self, process, seconds):
            pass

        def _told(self, turn):
            return self.last

    run = Ended()
    run._rerun()
    assert bool(run.problems) == is_problem
    assert list(ends) == []


def test_only_what_bears_the_mark_is_found_and_killed(tmp_path):
    def sleeper(mark):
        return subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(60)"], env=os.environ | {MARK: mark}
        )

    own, other = sleeper(str(tmp_path)), sleeper(f"{tmp_path}x")
    try:
        deadline = time.monotonic() + 10
        while not marked(str(tmp_path)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [process.pid for process in marked(str(tmp_path))] == [own.pid]
        end_all(str(tmp_path))
        assert own.wait(10) == -9
        assert marked(str(tmp_path)) == []
        assert other.poll() is None
    finally:
        for process in (own, other):
            process.kill()
            process.wait()


def test_a_moment_comes_when_a_file_appears_for_the_nth_time():
    course: list[set[str]] = [{"a"}, {"a"}, {"a", "b"}, {"a"}, {"a", "b"}, set()]
    looks = iter(course)
    for _ in _nth(lambda: next(looks), 2):
        pass
    assert next(looks) == set()  # the second time that b was new, a having been there before


def test_a_folder_without_a_session_is_left_once_nobody_holds_it(tmp_path, monkeypatch):
    monkeypatch.setattr(judge, "RAY_FOLDERS", tmp_path)
    held, new, left = (tmp_path / f"sid-ray-{name}" for name in ("held", "new", "left"))
    for folder in (held, new, left):
        folder.mkdir()
        (folder / OWNER).touch()
        if folder != new:
            os.utime(folder, (0, 0))
    with (held / OWNER).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert list(judge.left_ray_folders(set(), [], logs=tmp_path)) == [
            f"left folder: {left} (empty)"
        ]


def test_differences_name_every_leaf_that_is_not_the_same():
    expected = {"same": 1, "other": {"value": [0, 1.0]}, "lost": [1], "some": [1, 2]}
    found = {"same": 1, "other": {"value": [0, 1.5]}, "twice": 2, "some": [1]}
    assert list(judge.differences(expected, found)) == [
        "other/value/1: 1.5, undisturbed 1.0",
        "lost: None, undisturbed [1]",
        "some: [1], undisturbed [1, 2]",
        "twice: 2, undisturbed None",
    ]


# ---- real kills; `python tests/survival/kills.py` makes any number of them


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Short: Ray's sockets and MLflow's files lie below it."""
    folder = tmp_path_factory.mktemp("kills")
    make_reference(folder, "plain")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("pair", SAMPLE)
def test_a_killed_sweep_ends_as_an_undisturbed_one(folder, pair):
    (case,) = itertools.islice(
        (own for own in cases(SEED, only=set()) if own.strikes == (pair,)), 1
    )
    verdict = play(case, folder)
    assert verdict.killed, verdict
    assert not verdict.problems, verdict


def _double_a_point(home):
    _change(home, "insert into metrics select key, value, timestamp + 1, run_uuid, step, is_nan "
                  "from metrics where key = 'js' limit 1")  # fmt: skip


def _leave_a_run_running(home):
    _change(home, "update runs set status = 'RUNNING' where name like '%seed 1'")


def _double_a_run(home):
    _change(home, "create temp table own as select * from runs where name like '%seed 1' limit 1; "
                  "update own set run_uuid = 'again'; insert into runs select * from own; insert "
                  "into tags values ('sid_sweep.level', 'seed', 'again')")  # fmt: skip


def _lose_a_point(home):
    _change(home, "delete from metrics where rowid = (select min(rowid) from metrics)")


def _change_a_digit(home):
    own = next(o for o in _trials(home) if o.result().outcome == "finished")
    text = own.log.read_text("utf-8")
    own.log.write_text(text.replace('"js": 0.', '"js": 1.', 1), "utf-8")


def _lose_a_result(home):
    _trials(home)[0].ending.unlink()


def _leave_half_a_file(home):
    (home.sweep / ".sweep.json.17.tmp").touch()


def _ask_for_an_arm_twice(home):
    path = home.sweep / "arms.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines()[0] + "\n")


def _change(home, statements):
    with closing(sqlite3.connect(home.database)) as database:
        database.executescript(statements)


def _trials(home):
    return SweepFolder(home.sweep).trials_like("")


def _set_a_clock_wrong(home):
    _change(home, "update metrics set timestamp = timestamp + 1 where key = 'cost/seconds'")


DAMAGE = {
    "points": _double_a_point,
    "clock": _set_a_clock_wrong,
    "MLflow/seed": _leave_a_run_running,
    "MLflow": _double_a_run,
    "MLflow/": _lose_a_point,
    "trials": _change_a_digit,
    "table": _lose_a_result,
    "left file": _leave_half_a_file,
    "arms": _ask_for_an_arm_twice,
}
"""What is done to a sound sweep, by what must be said of it."""


@pytest.fixture(scope="module")
def sound(folder):
    """The undisturbed sweep, and what is compared with it."""
    home = Home(folder / "reference-plain", "plain")
    return home, judge.snapshot(home)


@pytest.mark.slow
@pytest.mark.parametrize("kind", DAMAGE)
def test_whatever_is_lost_or_twice_is_seen(folder, sound, kind):
    home, expected = sound
    copy = Home(Path(shutil.copytree(home.path, folder / "copy")), "plain")
    try:
        DAMAGE[kind](copy)
        found = [*judge.differences(expected, judge.snapshot(copy)), *judge.flaws(copy)]
        assert any(text.startswith(kind) for text in found), found
    finally:
        shutil.rmtree(copy.path)
