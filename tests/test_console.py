"""The board counts what it was told: arms, means, the best, the time left."""

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from sid_sweep.console import MAX_ROWS, Board, duration
from sid_sweep.spec import load
from sid_sweep.trials import Result, SweepFolder

LAMBDA = Path(__file__).with_name("lambda.yaml")
HALF, ONE = {"loss.lambda": 0.5}, {"loss.lambda": 1.0}
TWO_ARMS = "scientific.loss.lambda={choice: [0.5, 1.0]}"


def finished(value, *, seconds=60.0, metric="js"):
    return Result(outcome="finished", images=480_000, seconds=seconds, metrics={metric: value})


def lost(outcome, cause="a cause"):
    return Result(outcome=outcome, cause=cause, images=100, seconds=9.0)


class Shown:
    """A board of a small sweep, its entries, and what can be read on its console."""

    def __init__(self, folder, *overrides, terminal=False, width=200):
        self.sweep = load(LAMBDA, ("seeds=[0, 1]", TWO_ARMS, "baseline={}", *overrides))
        arms = self.sweep.grid()
        self.entries = [
            [
                SweepFolder(folder).entry(self.sweep, number, arm, seed)
                for seed in self.sweep.seeds.all
            ]
            for number, arm in enumerate(arms)
        ]
        self.out = io.StringIO()
        self.board = Board(
            self.sweep, console=Console(file=self.out, force_terminal=terminal, width=width)
        )

    def run(self, arm, seed, result):
        self.board.started(self.entries[arm][seed])
        self.board.ended(self.entries[arm][seed], result)

    def picture(self):
        """The lines of the live picture: the summary, an empty one, the header, the rows."""
        console = Console(file=io.StringIO(), width=200)
        console.print(self.board.render())
        return [line.strip() for line in console.file.getvalue().splitlines()]


@pytest.fixture
def clock(monkeypatch):
    """The board's own time, which stands still."""
    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr("sid_sweep.console.time", clock)
    return clock


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (9.4, "9 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (12_000, "3 h 20 min"),
        (100 * 3600, "100 h 00 min"),
    ],
)
def test_a_duration_is_in_words(seconds, text):
    assert duration(seconds) == text


def test_every_trial_is_counted_where_it_stands(tmp_path):
    shown = Shown(tmp_path)
    board = shown.board
    assert (board.done, board.total) == (0, 4)
    shown.run(0, 0, finished(2.0))
    shown.run(0, 1, lost("diverged"))
    shown.run(1, 0, lost("failed"))
    board.started(shown.entries[1][1])
    counts = [board.count(state) for state in ("finished", "diverged", "failed", "running")]
    assert counts == [1, 1, 1, 1]
    assert board.done == 3
    assert shown.picture()[0].startswith("3/4 done  ·  1 running  ·  1 diverged  ·  1 failed")
    board.ended(shown.entries[1][1], finished(1.0))
    assert board.count("running") == 0
    assert board.done == 4


def test_a_failed_trial_that_is_tried_again_is_counted_once(tmp_path):
    shown = Shown(tmp_path)
    shown.run(0, 0, lost("failed"))
    shown.run(0, 0, finished(2.0))
    assert (shown.board.done, shown.board.count("failed")) == (1, 0)


@pytest.mark.parametrize(("goal", "best"), [("minimize", HALF), ("maximize", ONE)])
def test_the_best_arm_has_the_best_mean_of_all_its_seeds(tmp_path, goal, best):
    shown = Shown(tmp_path, f"objective.goal={goal}")
    board = shown.board
    shown.run(0, 0, finished(1.0))
    assert board.leader() is None
    shown.run(0, 1, finished(4.0))
    shown.run(1, 0, finished(3.0))
    assert dict(board.leader().arm) == HALF
    assert board.mean(board.rows[1]) is None
    shown.run(1, 1, finished(12.0))
    assert [board.mean(row) for row in board.rows.values()] == [2.0, 6.0]  # geometric
    assert dict(board.leader().arm) == best
    mean = 2 if best is HALF else 6
    assert f"leading loss.lambda = {best['loss.lambda']:g}: js = {mean}" in shown.picture()[0]


@pytest.mark.parametrize("outcome", ["diverged", "failed"])
def test_an_arm_that_lost_a_seed_has_no_mean_and_is_not_best(tmp_path, outcome):
    shown = Shown(tmp_path)
    shown.board.progressed(shown.entries[0][1], 100, {"js": 0.1})
    shown.run(0, 0, finished(1.0))
    shown.run(0, 1, lost(outcome))
    assert shown.board.rows[0].latest == {0: 1.0}
    assert shown.board.mean(shown.board.rows[0]) is None
    assert shown.board.leader() is None


def test_a_row_shows_knobs_seeds_training_and_values(tmp_path):
    shown = Shown(tmp_path, "seeds=[0, 1, 2]")
    shown.run(0, 0, finished(2.0))
    shown.board.started(shown.entries[0][1])
    shown.board.progressed(shown.entries[0][1], 120_000, {"js": 4.5})
    header, row = shown.picture()[2:]
    assert header.split() == [
        *("loss.lambda", "seeds", "trained"),
        *("js", "by", "seed", "mean"),
    ]
    assert row.split() == ["0.5", "■▸·", "25%", "2", "4.5"]


def cells(shown):
    """The signs of each row."""
    return [[w for w in line.split() if set(w) <= set("■✕!▸·")] for line in shown.picture()[3:]]


def test_an_arm_that_is_not_confirmed_is_not_unfinished(tmp_path):
    shown = Shown(tmp_path, "seeds={screen: 2, confirm: [5, 6]}")
    for arm, value in ((0, 3.0), (1, 1.0)):
        for seed in (0, 1):
            shown.run(arm, seed, finished(value))
    assert cells(shown) == [["■■"], ["■■"]]
    assert dict(shown.board.leader().arm) == ONE
    shown.board.started(shown.entries[0][2])
    assert shown.board.leader() is None  # nothing is confirmed yet
    assert cells(shown) == [["■■", "▸·"], ["■■"]]
    for place in (2, 3):
        shown.run(0, place, finished(4.0))
    assert dict(shown.board.leader().arm) == HALF
    assert shown.picture()[3].split() == ["0.5", "■■", "■■", "4", "4", "4"]
    assert shown.picture()[4].split() == ["1", "■■", "1", "1"]


def test_where_results_decide_only_seeds_that_began_are_shown(tmp_path, clock):
    shown = Shown(tmp_path, "seeds={screen: 4, race: true}")
    for seed in (0, 1):
        clock.now += 10.0
        shown.run(0, seed, finished(2.0))
    assert cells(shown) == [["■■"]]
    assert shown.board.mean(shown.board.rows[0]) == 2.0
    assert shown.picture()[0].endswith("at most about 1 min 00 s left")
    shown.board.foreseen(4)
    assert shown.picture()[0].startswith("2/4 done")
    assert shown.picture()[0].endswith("at most about 20 s left")


def test_an_objective_that_is_a_cost_shows_while_it_trains(tmp_path):
    shown = Shown(tmp_path, "objective.metric=cost/evaluations")
    entry = shown.entries[0][0]
    shown.board.started(entry)
    metrics = {"js": 1.0, "cost/evaluations": 12_000.0}
    shown.board.progressed(entry, 240_000, metrics)
    assert shown.board.rows[0].latest == {0: 12_000.0}
    assert shown.picture()[3].split() == ["0.5", "▸·", "50%", "1.2e+04"]
    shown.board.ended(entry, finished(24_000.0, metric="cost/evaluations"))
    assert shown.board.rows[0].latest == {0: 24_000.0}


def test_time_left_counts_parts_of_trials_and_no_trial_that_was_done_before(tmp_path, clock):
    shown = Shown(tmp_path)
    board = shown.board
    board.ended(shown.entries[0][0], finished(1.0))
    assert board.remaining_seconds() is None
    board.started(shown.entries[0][1])
    clock.now = 10.0
    board.progressed(shown.entries[0][1], 48_000, {})
    assert board.remaining_seconds() is None  # a tenth of a trial says little
    board.progressed(shown.entries[0][1], 240_000, {})
    assert board.remaining_seconds() == pytest.approx(20 * 2.5)
    clock.now = 20.0
    board.ended(shown.entries[0][1], finished(1.0))
    assert board.remaining_seconds() == pytest.approx(20 * 2)
    assert shown.picture()[0].endswith("about 40 s left")


def test_no_time_is_left_at_the_end(tmp_path, clock):
    shown = Shown(tmp_path)
    for arm in (0, 1):
        for seed in (0, 1):
            clock.now += 10.0
            shown.run(arm, seed, finished(1.0))
    assert shown.board.remaining_seconds() == 0


def test_of_many_arms_the_best_the_running_and_the_newest_are_shown(tmp_path):
    many = MAX_ROWS + 8
    choices = [round(0.01 * n, 2) for n in range(many)]
    shown = Shown(tmp_path, "seeds=[0]", f"scientific.loss.lambda={{choice: {choices}}}")
    for number in range(MAX_ROWS):
        if number == 2:
            shown.board.started(shown.entries[number][0])
        else:
            shown.run(number, 0, finished(0.5 if number == 1 else 1.0))
    assert len(shown.picture()) == 3 + MAX_ROWS
    for number in range(MAX_ROWS, many):
        shown.run(number, 0, finished(1.0))
    knobs = [line.split()[0] for line in shown.picture()[3:]]
    newest = [f"{value:g}" for value in reversed(choices)][: MAX_ROWS - 2]
    assert knobs == ["0.01", "0.02", *newest]


def test_where_there_is_no_terminal_every_end_is_one_plain_line(tmp_path, clock):
    shown = Shown(tmp_path, width=30)
    with shown.board as board:
        board.ended(shown.entries[0][0], finished(1.0))  # of an earlier run
        clock.now = 5.0
        shown.run(0, 1, finished(1.23456, seconds=125.0))
        shown.run(1, 0, lost("diverged", "a sample was far out"))
    assert shown.out.getvalue().splitlines() == [
        "[2/4] loss.lambda = 0.5, seed 1: finished js = 1.235 after 2 min 05 s, about 10 s left",
        "[3/4] loss.lambda = 1, seed 0: diverged (a sample was far out) after 9 s, about 2 s left",
    ]


def test_on_a_terminal_the_picture_is_live_and_there_are_no_lines(tmp_path):
    shown = Shown(tmp_path, terminal=True)
    with shown.board:
        shown.run(0, 0, finished(1.0))
        shown.board._live.refresh()
    written = shown.out.getvalue()
    assert "1/4 done" in written
    assert "[1/4]" not in written
