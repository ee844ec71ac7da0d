"""The board counts what it was told: arms, means, the best, the time left; and fits the screen."""

import io
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from sid_sweep.console import MAX_ROWS, Board, Known
from sid_sweep.screen import duration
from sid_sweep.spec import Arm, load
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

    def __init__(self, folder, *overrides, known=(), width=200):
        self.sweep = load(LAMBDA, ("seeds=[0, 1]", TWO_ARMS, "baseline={}", *overrides))
        self.entries = [
            [
                SweepFolder(folder).entry(self.sweep, number, arm, seed)
                for seed in self.sweep.seeds.all
            ]
            for number, arm in enumerate(self.sweep.grid())
        ]
        self.out = io.StringIO()
        console = Console(file=self.out, width=width)
        self.board = Board(self.sweep, console=console, known=known)

    def run(self, arm, seed, result):
        self.board.started(self.entries[arm][seed])
        self.board.ended(self.entries[arm][seed], result)

    def picture(self, *, width=200, height=100):
        """The lines of the live picture: the summary, an empty one, the header, the rows."""
        console = Console(file=io.StringIO(), width=width, height=height)
        console.print(self.board)
        return [line.strip() for line in console.file.getvalue().splitlines()]

    def rows(self, **screen):
        """Those of the arms, split into cells."""
        lines = self.picture(**screen)
        return [line.split() for line in lines[lines.index("") + 2 :]]


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
    assert shown.picture()[0].startswith("3 of 4 done  ·  1 running  ·  1 diverged  ·  1 failed")
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
    assert board.leader() == Arm(HALF)
    assert board.means() == {Arm(HALF): 2.0}  # geometric
    shown.run(1, 1, finished(12.0))
    assert board.means() == {Arm(HALF): 2.0, Arm(ONE): 6.0}
    assert board.leader() == Arm(best)
    mean = 2 if best is HALF else 6
    assert f"leading loss.lambda = {best['loss.lambda']:g}: js = {mean}" in shown.picture()[0]


@pytest.mark.parametrize("outcome", ["diverged", "failed"])
def test_an_arm_that_lost_a_seed_has_no_mean_and_is_not_best(tmp_path, outcome):
    shown = Shown(tmp_path)
    shown.board.progressed(shown.entries[0][1], 100, {"js": 0.1})
    shown.run(0, 0, finished(1.0))
    shown.run(0, 1, lost(outcome))
    assert shown.board.rows[Arm(HALF)].latest == {0: 1.0}
    assert shown.board.means() == {}
    assert shown.board.leader() is None


def test_a_row_shows_knobs_seeds_training_and_values(tmp_path):
    shown = Shown(tmp_path, "seeds=[0, 1, 2]")
    shown.run(0, 0, finished(2.0))
    shown.board.started(shown.entries[0][1])
    shown.board.progressed(shown.entries[0][1], 120_000, {"js": 4.5})
    header, row, other = shown.picture()[2:]
    assert re.split("  +", header) == ["loss.lambda", "seeds", "trained", "js by seed", "mean js"]
    assert row.split() == ["0.5", "■▸·", "25%", "2", "4.5"]
    assert other.split() == ["1", "···"]  # it waits


def cells(shown):
    """The signs of each row."""
    return [[w for w in line.split() if set(w) <= set("■✕!▸·")] for line in shown.picture()[3:]]


def test_an_arm_that_is_not_confirmed_is_not_unfinished(tmp_path):
    shown = Shown(tmp_path, "seeds={screen: 2, confirm: [5, 6]}")
    for arm, value in ((0, 3.0), (1, 1.0)):
        for seed in (0, 1):
            shown.run(arm, seed, finished(value))
    assert cells(shown) == [["■■"], ["■■"]]
    assert shown.board.leader() == Arm(ONE)
    shown.board.started(shown.entries[0][2])
    assert shown.board.leader() is None  # nothing is confirmed yet
    assert cells(shown) == [["■■", "▸·"], ["■■"]]
    for place in (2, 3):
        shown.run(0, place, finished(4.0))
    assert shown.board.leader() == Arm(HALF)
    assert shown.picture()[3].split() == ["0.5", "■■", "■■", "4", "4", "4"]
    assert shown.picture()[4].split() == ["1", "■■", "1", "1"]


def test_where_results_decide_only_seeds_that_began_are_shown(tmp_path, clock):
    shown = Shown(tmp_path, "seeds={screen: 4, race: true}")
    for seed in (0, 1):
        train(shown, clock, 0, seed)
    assert cells(shown)[0] == ["■■"]
    assert shown.board.means() == {Arm(HALF): 1.0}
    assert shown.picture()[0].endswith("at most about 1 min 00 s left")
    shown.board.foreseen(4)
    assert shown.picture()[0].startswith("2 of 4 done")
    assert shown.picture()[0].endswith("at most about 20 s left")


def test_an_objective_that_is_a_cost_shows_while_it_trains(tmp_path):
    shown = Shown(tmp_path, "objective.metric=cost/evaluations")
    entry = shown.entries[0][0]
    shown.board.started(entry)
    metrics = {"js": 1.0, "cost/evaluations": 12_000.0}
    shown.board.progressed(entry, 240_000, metrics)
    assert shown.board.rows[Arm(HALF)].latest == {0: 12_000.0}
    assert shown.picture()[3].split() == ["0.5", "▸·", "50%", "1.2e+04"]
    shown.board.ended(entry, finished(24_000.0, metric="cost/evaluations"))
    assert shown.board.rows[Arm(HALF)].latest == {0: 24_000.0}


# ---- time left


def train(shown, clock, arm, seed, *, seconds=10.0):
    """A whole trial."""
    entry = shown.entries[arm][seed]
    shown.board.started(entry)
    shown.board.progressed(entry, 0, {"js": 9.0})
    clock.now += seconds
    shown.board.ended(entry, finished(1.0, seconds=seconds))


def test_time_left_counts_parts_of_trials_and_not_the_start(tmp_path, clock):
    shown = Shown(tmp_path)
    board, entry = shown.board, shown.entries[0][0]
    board.started(entry)
    clock.now = 60.0  # of starting Ray, of loading libraries
    board.progressed(entry, 0, {})
    clock.now = 62.0
    board.progressed(entry, 48_000, {})
    assert board.remaining_seconds() is None  # a tenth of a trial says little
    clock.now = 70.0
    board.progressed(entry, 240_000, {})
    assert board.remaining_seconds() == pytest.approx(20 * 3.5)
    clock.now = 80.0
    board.ended(entry, finished(1.0))
    assert board.remaining_seconds() == pytest.approx(20 * 3)
    assert shown.picture()[0].endswith("about 1 min 00 s left")


def test_what_earlier_runs_did_is_done_but_tells_nothing_of_the_rate(tmp_path, clock):
    """A trial that stood at 75 % and is at its end has taken a quarter of a trial."""
    known = [Known(Arm(HALF), 0, finished(1.0), 1.0), interrupted(HALF, 1, part=0.75)]
    shown = Shown(tmp_path, known=known)
    board, entry = shown.board, shown.entries[0][1]
    assert (board.done, board.count("interrupted"), board.remaining_seconds()) == (1, 1, None)
    assert shown.rows()[0] == ["0.5", "■▹", "1"]
    board.started(entry)
    board.progressed(entry, 360_000, {})
    clock.now = 5.0
    board.ended(entry, finished(1.0))
    assert board.remaining_seconds() == pytest.approx(20 * 2)


def interrupted(arm, seed, *, part):
    return Known(Arm(arm), seed, Result(outcome="running", images=1), part)


def test_what_is_known_is_no_news_and_counted_once(tmp_path):
    shown = Shown(tmp_path, known=[Known(Arm(HALF), 0, finished(1.0), 1.0)])
    shown.board.ended(shown.entries[0][0], finished(1.0))  # the ledger has come to it
    assert shown.board.done == 1
    assert shown.out.getvalue() == ""


def test_no_time_is_left_at_the_end(tmp_path, clock):
    shown = Shown(tmp_path)
    for arm in (0, 1):
        for seed in (0, 1):
            train(shown, clock, arm, seed)
    assert shown.board.remaining_seconds() == 0


# ---- what is waited for


def test_until_a_trial_is_heard_of_the_board_says_what_is_waited_for(tmp_path, clock):
    shown = Shown(tmp_path)
    board, entry = shown.board, shown.entries[0][0]
    clock.now = 3.0
    board.begin()
    clock.now = 5.0
    assert str(board).endswith("0 running, starting the first trial's process (2 s)")
    board.started(entry)
    assert str(board).endswith("the first trial's process is loading libraries (2 s)")
    clock.now = 9.0
    entry.folder.path.mkdir(parents=True)
    entry.folder.machine.touch()  # a worker's first sign of life
    assert "the first trial prepares, and is measured before it trains (6 s)" in str(board)
    board.progressed(entry, 0, {"js": 2.0})
    assert str(board) == "0 of 4 done, 1 running (furthest 0%)"


def test_a_resumed_trial_whose_host_is_noted_already_loads_libraries_too(tmp_path):
    shown = Shown(tmp_path)
    entry = shown.entries[0][0]
    entry.folder.path.mkdir(parents=True)
    entry.folder.machine.touch()
    shown.board.started(entry)
    assert "loading libraries" in str(shown.board)


# ---- on a screen


def test_all_arms_of_a_grid_wait_on_the_board_from_the_start(tmp_path):
    assert Shown(tmp_path).rows() == [["0.5", "··"], ["1", "··"]]


MANY = MAX_ROWS + 8
CHOICES = [round(0.01 * n, 2) for n in range(MANY)]


def many(folder, **more):
    return Shown(folder, "seeds=[0]", f"scientific.loss.lambda={{choice: {CHOICES}}}", **more)


def test_of_many_arms_those_are_shown_on_which_something_happens(tmp_path):
    shown = many(tmp_path, known=[interrupted({"loss.lambda": 0.3}, 0, part=0.5)])
    for number in range(MAX_ROWS):
        shown.run(number, 0, finished(0.5 if number == 1 else 1.0))
    shown.board.started(shown.entries[28][0])
    *rows, more = shown.rows()
    assert more == ["and", f"{MANY - MAX_ROWS}", "more", "arms"]
    newest = range(3, MAX_ROWS)
    assert [row[0] for row in rows] == [f"{CHOICES[n]:g}" for n in (1, *newest, 28, 30)]


@pytest.mark.parametrize("height", [8, 12, 24])
def test_the_board_is_never_higher_than_the_screen(tmp_path, height):
    lines = many(tmp_path).picture(width=80, height=height)
    assert len(lines) < height
    assert lines[-1].endswith("more arms")


WIDE = (
    "scientific={batch.generator_fraction: {choice: [0.25, 0.75]}, "
    "generator.weight.exponent: {choice: [1.0, 2.0]}}",
    "seeds=6",
)


@pytest.mark.parametrize("width", [50, 80, 100, 200])
def test_where_it_is_narrow_the_least_goes_first_and_no_word_is_cut(tmp_path, width):
    shown = Shown(tmp_path, *WIDE)
    for seed in range(6):
        shown.run(0, seed, finished(0.1234 * (seed + 1)))
    shown.board.started(shown.entries[1][0])
    shown.board.progressed(shown.entries[1][0], 240_000, {"js": 0.5})
    lines = shown.picture(width=width)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert "…" not in text
    for word in ("generator_fraction", "exponent", "■■■■■■", "mean js", "0.3694"):
        assert word in text
    assert ("trained" in text) == (width >= 80)
    assert ("js by seed" in text) == (width >= 100)
    assert "6 of 24 done" in text
    assert "leading batch.generator_fraction = 0.25" in text


# ---- where there is no terminal


def test_every_end_is_one_plain_line(tmp_path, clock):
    shown = Shown(tmp_path, width=30)
    board = shown.board
    board.ended(shown.entries[0][0], finished(1.0))  # of an earlier run
    board.started(shown.entries[0][1])
    board.progressed(shown.entries[0][1], 0, {"js": 2.0})
    clock.now = 5.0
    board.ended(shown.entries[0][1], finished(1.23456, seconds=125.0))
    shown.run(1, 0, lost("diverged", "samples left the data's range (100 σ)"))
    assert shown.out.getvalue().splitlines() == [
        "[2/4] loss.lambda = 0.5, seed 1: finished js = 1.235 after 2 min 05 s, about 10 s left",
        "[3/4] loss.lambda = 1, seed 0: diverged (samples left the data's range (100 σ)) after "
        "9 s, about 2 s left",
    ]


def test_what_is_spent_of_the_limits_is_a_line_of_its_own_and_words_elsewhere(tmp_path):
    shown = Shown(tmp_path)
    plain, height = str(shown.board), len(shown.picture())
    spent = SimpleNamespace(now="limits: 1 of 3 trials (2 left)")

    class Limits:
        def __str__(self):
            return spent.now

    limited = Shown(tmp_path)
    limited.board._limits = Limits()
    assert limited.picture()[1] == "limits: 1 of 3 trials (2 left)"
    assert str(limited.board) == f"{plain}, limits: 1 of 3 trials (2 left)"
    assert limited.rows() == shown.rows()
    spent.now = "limits: 2 of 3 trials (1 left)"  # as it is when it is looked at
    assert "(1 left)" in limited.picture()[1]
    assert len(limited.picture()) == height + 1
    many_rows = limited.picture(height=7)
    assert len(many_rows) <= 7
