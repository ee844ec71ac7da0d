"""Arms that are given up: which, on what evidence, and what becomes of them."""

import json
import math
import random
from pathlib import Path

import optuna
import pytest
from optuna.pruners import SuccessiveHalvingPruner
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from sid_sweep.search import Ledger
from sid_sweep.search.pruning import Pruner
from sid_sweep.spec import Arm, load
from sid_sweep.spec.pruning import Halving, Median
from sid_sweep.table_referee import TableReferee
from sid_sweep.trials import Measurement, Result, SweepFolder

LAMBDA = Path(__file__).parents[1] / "lambda.yaml"
IMAGES = 27_000
COSTS = {"off_modes": 0.1, "mode_kl": 0.1, "modes": 8.0}
BASE = 1.0


@pytest.fixture(autouse=True)
def in_memory(monkeypatch):
    """Nothing here survives a power cut, nor has to."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def sweep_of(*overrides, prune="{kind: halving, eta: 3, least: 0.037037}", times=27, arms=None):
    own = (
        f"search.prune={prune}",
        f"evaluation.times={times}",
        f"budget.images={IMAGES}",
        *([f"scientific.loss.lambda={{choice: {arms}}}"] if arms else []),
    )
    seeds = "seeds={screen: [0], confirm: [7], keep: 1}"
    return load(LAMBDA, (seeds, *own, *overrides))


class Play:
    """A sweep whose students come to what `value` says of λ, seed and evaluation."""

    def __init__(self, folder, sweep, value):
        self.folder, self.sweep, self.value = SweepFolder(folder), sweep, value
        self.known, self.totals = [], []
        self.collapse_at = {}
        """By λ: the evaluation at which its students end as collapsed."""
        self.ledger = self.open()

    def open(self):
        return Ledger(
            self.folder, self.sweep, referee=TableReferee(self.sweep),
            known=lambda entry, result: self.known.append((entry.key, result.outcome)),
            foreseen=self.totals.append,
        )  # fmt: skip

    def train(self, entry, *, until=math.inf, unheard=False):
        """As a worker: evaluate, report, look whether the arm was given up. It is killed after the
        evaluation `until`, of which nobody has heard then, if so asked."""
        times = self.sweep.trial(entry.arm, entry.seed).evaluation.times
        done = entry.folder.measurements()
        entry.folder.begin(entry.trial, measured=done)
        for turn in range(len(done), times + 1):
            value = self.value(entry.trial.loss.lambda_, entry.seed, turn)
            spent = {"images": turn * IMAGES // times, "seconds": 1.0, "peak_memory_bytes": 0}
            if not math.isfinite(value):
                entry.folder.write_result(Result(outcome="diverged", cause="far out", **spent))
                break
            metrics = {"js": value, **COSTS}
            entry.folder.append(Measurement(**spent, metrics=metrics, timestamp_ms=turn))
            if turn == self.collapse_at.get(entry.trial.loss.lambda_):
                entry.folder.write_result(Result(outcome="collapsed", **spent))
            elif turn == times:
                entry.folder.write_result(Result(outcome="finished", metrics=metrics, **spent))
            if not (unheard and turn == until):
                self.ledger.evaluated(entry, spent["images"], metrics)
            if turn == until:
                return
            if entry.folder.pruning.exists() or entry.folder.result() is not None:
                break
        self.ledger.tell(entry, entry.folder.standing())

    def all(self):
        while (entry := self.ledger.next_entry()) is not None:
            self.train(entry)
        return self

    def reached(self, seed=0):
        """By λ: how many evaluations a trial has had, and how it ended."""
        own = [entry for entry in self.ledger.entries() if entry.seed == seed]
        return {
            entry.arm["loss.lambda"]: (
                len(entry.folder.measurements()) - 1,
                entry.folder.standing().outcome,
            )
            for entry in own
        }


def far_from(best, arm):
    """A value that is the further from 1 the further λ is from the best."""
    return 1 + abs(arm - best)


# ---- the rules


def test_halving_looks_at_powers_of_eta_and_spares_one_in_eta():
    rule = Halving(kind="halving", eta=3, least=0.1)
    assert rule.looks(10) == [1, 3, 9]
    assert rule.looks(8) == [1, 3]
    assert rule.looks(1) == []
    assert [rule.spares(better, num) for better, num in [(0, 1), (0, 2), (1, 2)]] == [
        True,
        True,
        False,
    ]
    assert [rule.spares(better, 9) for better in (2, 3)] == [True, False]


def test_the_median_rule_looks_each_time_and_spares_the_better_half():
    rule = Median(kind="median", least=0.25, others=4)
    assert rule.looks(8) == [2, 3, 4, 5, 6, 7]
    assert [rule.spares(better, 5) for better in (2, 3)] == [True, False]
    assert rule.spares(3, 4), "three others are too few"


def test_halving_gives_up_what_optunas_does(tmp_path):
    """The published algorithm, as Optuna has it, on curves that cross: arms one after another."""
    draw = random.Random(5)
    arms = sorted({round(draw.uniform(0, 1.5), 4) for _ in range(30)})
    draw.shuffle(arms)
    curves = {
        arm: [draw.lognormvariate(0, 0.3) * (1 + 9 / (n + 1)) for n in range(28)] for arm in arms
    }
    own = Play(
        tmp_path, sweep_of("baseline={}", arms=arms), lambda arm, seed, turn: curves[arm][turn]
    )
    reached = own.all().reached()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(pruner=SuccessiveHalvingPruner(min_resource=1, reduction_factor=3))
    expected = {}
    for arm in arms:
        trial = study.ask()
        for turn in range(1, 28):
            trial.report(curves[arm][turn], turn)
            if turn < 27 and trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                expected[arm] = (turn, "pruned")
                break
        else:
            study.tell(trial, curves[arm][27])
            expected[arm] = (27, "finished")
    assert reached == expected
    assert {turn for turn, _ in reached.values()} >= {1, 3, 27}  # more than its first look told


# ---- evidence


def judge(sweep, courses, arm, seed=0):
    """Why an arm is given up after what `courses` say by arm and seed, its own last."""
    pruner, folder = Pruner(sweep), SweepFolder(Path("nowhere"))
    numbers = {value: n for n, value in enumerate(sweep.scientific["loss.lambda"].choice)}
    why = ""
    order = sorted(courses, key=lambda place: place == (arm, seed))
    for value, at in order:
        entry = folder.entry(sweep, numbers[value], Arm({"loss.lambda": value}), at)
        for turn, metric in enumerate(courses[value, at]):
            if metric is None:
                pruner.ended(entry, Result(outcome="diverged"))
            else:
                pruner.evaluated(entry, turn * 1000, {"js": metric})
                why = pruner.why(entry, turn * 1000)
    return why


PAIRED = "seeds={screen: [0, 1], confirm: [7], keep: 1}"
EARLY = {"prune": "{kind: halving, eta: 2, least: 0.2}", "times": 4}


def test_arms_are_compared_on_the_same_seeds():
    """Seed 1 is the harder one: 0.5 is the better of both there, and worse than 0 was at seed 0."""
    sweep = sweep_of(PAIRED, arms=[0.0, 0.5, 1.0], **EARLY)
    courses = {(0.0, 0): [9, 1.0], (0.0, 1): [9, 3.0], (0.5, 1): [9, 2.0]}
    assert judge(sweep, courses, 0.5, seed=1) == ""
    worse = judge(sweep, {**courses, (0.5, 1): [9, 4.0]}, 0.5, seed=1)
    assert worse == "js 4 at 1 of 4 evaluations, seed 1: 1 of 1 other arms are better"


def test_an_arm_stands_by_the_mean_of_its_seeds():
    """Geometric, as in the table: one seed behind is made up for by another."""
    sweep = sweep_of(PAIRED, arms=[0.0, 0.5, 1.0], **EARLY)
    courses = {(0.5, 0): [9, 1.9], (0.0, 0): [9, 1.0], (0.0, 1): [9, 4.0], (0.5, 1): [9, 2.0]}
    assert judge(sweep, courses, 0.5, seed=1) == ""
    courses[0.5, 0] = [9, 2.1]
    assert judge(sweep, courses, 0.5, seed=1) == (
        "js 2.049 at 1 of 4 evaluations, the mean of seeds 0, 1: 1 of 1 other arms are better"
    )


def test_an_arm_that_diverged_is_worse_than_all_that_came_so_far():
    sweep = sweep_of(arms=[0.0, 0.5, 1.0], prune="{kind: halving, eta: 1.5, least: 0.4}", times=5)
    courses = {(0.0, 0): [9, 0.1, None], (0.5, 0): [9, 9, 5]}
    assert judge(sweep, courses, 0.5) == ""
    courses[0.0, 0] = [9, 0.1, 4.9]
    assert "1 of 1 other arms are better" in judge(sweep, courses, 0.5)


def test_more_is_better_where_the_objective_says_so():
    sweep = sweep_of("objective={metric: modes, goal: maximize}", arms=[0.0, 0.5, 1.0], **EARLY)
    pruner, folder = Pruner(sweep), SweepFolder(Path("nowhere"))
    first, second = (
        folder.entry(sweep, n, Arm({"loss.lambda": value}), 0) for n, value in enumerate((0.0, 0.5))
    )
    pruner.evaluated(first, 1000, {"modes": 6.0})
    assert pruner.why(first) == ""
    pruner.evaluated(second, 1000, {"modes": 5.0})
    assert pruner.why(second).startswith("modes 5 at 1 of 4")
    assert pruner.why(second, 0) != "", "it was given up before"


def test_the_baseline_and_fresh_seeds_are_never_given_up(tmp_path):
    play = Play(tmp_path, sweep_of(arms=[0.0, 0.5, BASE]), lambda arm, seed, turn: 1 + arm).all()
    assert play.reached()[BASE] == (27, "finished")
    assert play.reached()[0.5][1] == "pruned"
    assert play.reached(seed=7) == {0.0: (27, "finished"), BASE: (27, "finished")}


# ---- what becomes of them


MANY = [0.0, 0.25, 0.5, 0.75, BASE, 1.2, 1.4]


def of_two_seeds(**options):
    seeds = "seeds={screen: [0, 1], confirm: [7], keep: 2}"
    return sweep_of(seeds, arms=MANY, **options)


def crossing(arm, seed, turn):
    """The best at the end are not the best at first, and not at the same seeds."""
    slow = abs(arm - 0.75) * turn / 27
    return 1 + abs(arm - (0.25 if seed else 0.5)) / (turn + 1) + slow


def test_an_arm_that_is_given_up_gets_no_more_screening_seeds(tmp_path):
    play = Play(tmp_path, of_two_seeds(), lambda arm, seed, turn: far_from(0.0, arm)).all()
    pruned = [arm for arm, (_, outcome) in play.reached().items() if outcome == "pruned"]
    assert 0.25 in pruned
    assert BASE not in pruned
    assert not set(pruned) & set(play.reached(seed=1))
    assert not set(pruned) & set(play.reached(seed=7))
    assert play.totals[-1] == len(play.ledger.entries())
    for entry in play.ledger.entries():
        if entry.folder.standing().outcome == "pruned":
            assert entry.folder.standing().metrics == {}
            assert not entry.folder.checkpoint.exists()


def test_optuna_is_told_that_they_were_pruned_and_how_they_stood(tmp_path):
    space = (
        "search={sampler: tpe, arms: 12, prune: {kind: halving, eta: 3, least: 0.037037}}",
        "scientific.loss.lambda={uniform: [0.0, 1.5]}",
    )
    sweep = sweep_of(*space)
    play = Play(tmp_path, sweep, lambda arm, seed, turn: far_from(0.7, arm)).all()
    storage = JournalStorage(JournalFileBackend(str(play.folder.journal)))
    (name,) = optuna.get_all_study_names(storage)
    told = optuna.load_study(study_name=name, storage=storage).get_trials()
    reached = play.reached()
    assert len(reached) == 12
    for own in told:
        turn, outcome = reached[own.params["loss.lambda"]]
        if outcome == "pruned":
            assert own.state is TrialState.PRUNED
            value = far_from(0.7, own.params["loss.lambda"])
            assert own.intermediate_values == {turn: pytest.approx(value)}
        else:
            assert own.state is TrialState.COMPLETE
    assert {own.state for own in told} == {TrialState.PRUNED, TrialState.COMPLETE}


@pytest.mark.parametrize(
    "kind", ["{kind: halving, eta: 3, least: 0.037037}", "{kind: median, others: 2}"]
)
def test_interrupted_after_any_evaluation_it_gives_up_the_same_arms(tmp_path, kind):
    """With one trial at a time; also where a kill came between an evaluation and what follows from
    it."""
    straight = Play(tmp_path / "straight", of_two_seeds(prune=kind), crossing).all()
    expected = [straight.reached(seed) for seed in (0, 1, 7)]
    outcomes = {outcome for own in expected for _, outcome in own.values()}
    assert outcomes == {"pruned", "finished"}
    draw = random.Random(3)
    for number in range(3):
        play = Play(tmp_path / str(number), of_two_seeds(prune=kind), crossing)
        while (entry := play.ledger.next_entry()) is not None:
            if draw.random() < 0.4:
                play.train(entry, until=draw.randrange(27), unheard=draw.random() < 0.5)
                play.ledger = play.open()
            else:
                play.train(entry)
        assert [play.reached(seed) for seed in (0, 1, 7)] == expected
        again = Play(tmp_path / str(number), of_two_seeds(prune=kind), crossing)
        assert again.ledger.next_entry() is None


def test_what_runs_beside_it_is_given_up_with_its_arm(tmp_path):
    """Two seeds at a time: the other one stops at its next evaluation, or is not gone on with."""
    play = Play(tmp_path, of_two_seeds(), lambda arm, seed, turn: far_from(0.0, arm))
    for _ in range(2):  # λ = 0
        play.train(play.ledger.next_entry())
    first, second = play.ledger.next_entry(), play.ledger.next_entry()
    assert (first.number, second.number) == (1, 1)
    play.train(second, until=0)
    play.train(first)
    assert first.folder.standing().outcome == "pruned"
    play.ledger.evaluated(second, 0, {"js": 9.0})
    assert second.folder.standing().outcome == "pruned"
    play.ledger = play.open()
    assert play.ledger.next_entry().number == 2
    assert play.known[-1] == ("1/1", "pruned")


def test_a_damaged_note_is_made_again(tmp_path):
    play = Play(tmp_path, of_two_seeds(), lambda arm, seed, turn: far_from(0.0, arm)).all()
    entry = next(e for e in play.ledger.entries() if e.folder.pruning.exists())
    said = json.loads(entry.folder.pruning.read_text())
    assert said["cause"].startswith("js ")
    entry.folder.pruning.unlink()
    again = Play(tmp_path, play.sweep, play.value)
    assert again.all().reached() == play.reached()
    assert json.loads(entry.folder.pruning.read_text()) == said


def test_two_arms_that_come_to_the_same_trial_are_given_up_together(tmp_path):
    cases = "{a: {loss.lambda: 0.0}, b: {loss.lambda: 0.25}, c: {loss: {lambda: 0.25}}}"
    sweep = load(
        LAMBDA,
        (
            f"scientific={{how: {{cases: {cases}}}}}",
            "baseline={how: a}",
            "seeds={screen: [0, 1], confirm: [7], keep: 1}",
            "search.prune={kind: halving, eta: 3, least: 0.037037}",
            f"budget.images={IMAGES}",
            "evaluation.times=27",
        ),
    )
    play = Play(tmp_path, sweep, lambda arm, seed, turn: far_from(0.0, arm)).all()
    ended = {own.key: own.folder.standing().outcome for own in play.ledger.entries()}
    assert ended == {
        "0/0": "finished", "0/1": "finished", "0/7": "finished", "1/0": "pruned", "2/0": "pruned",
    }  # fmt: skip
    assert ("2/0", "pruned") in play.known


def test_what_comes_next_is_looked_at_again(tmp_path):
    """A gate may hold it back while its arm is given up."""
    play = Play(tmp_path, of_two_seeds(), lambda arm, seed, turn: far_from(0.0, arm))
    for _ in range(2):
        play.train(play.ledger.next_entry())
    first, held = play.ledger.next_entry(), play.ledger.upcoming()
    assert (first.number, held.number) == (1, 1)
    play.train(first)
    assert play.ledger.upcoming().number == 2
    assert play.ledger.next_entry().number == 2


def test_what_ends_by_itself_is_not_given_up_besides(tmp_path):
    """At the very evaluation for which it would be: else the note of it would be lost with the
    command, and a finished sweep would go on."""
    play = Play(tmp_path, of_two_seeds(), lambda arm, seed, turn: far_from(0.0, arm))
    play.collapse_at = {0.25: 1}
    play.all()
    assert play.reached()[0.25] == play.reached(seed=1)[0.25] == (1, "collapsed")
    assert Play(tmp_path, play.sweep, play.value).ledger.next_entry() is None


def test_a_trial_that_failed_says_nothing_of_its_arm():
    """It is tried again; what diverged or collapsed is not."""
    sweep = sweep_of(arms=[0.0, 0.5, 1.0], **EARLY)
    folder, why = SweepFolder(Path("nowhere")), {}
    for outcome in ("failed", "diverged", "collapsed"):
        pruner = Pruner(sweep)
        first, second, third = (
            folder.entry(sweep, n, Arm({"loss.lambda": value}), 0)
            for n, value in enumerate((0.0, 0.5, 1.0))
        )
        pruner.ended(third, Result(outcome=outcome))
        pruner.evaluated(first, 1000, {"js": 1.0})
        pruner.evaluated(second, 1000, {"js": 2.0})
        why[outcome] = pruner.why(second)
    assert why["failed"].endswith("1 of 1 other arms are better")
    assert why["diverged"] == why["collapsed"] != why["failed"]
