"""Seeds in phases and in rounds: who gets more is a matter of results, never of their order."""

import random
from pathlib import Path
from statistics import fmean

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from sid_sweep.search import Ledger
from sid_sweep.spec import load
from sid_sweep.trials import Result, SweepFolder

LAMBDA = Path(__file__).parents[1] / "lambda.yaml"
ARMS = "scientific.loss.lambda={choice: [0.0, 0.5, 0.75, 1.0, 1.5]}"
BASE = 1.0
CONFIRM = "seeds={screen: [0, 1], confirm: [7, 8, 9], keep: 2}"
RACE = "seeds={screen: 4, race: true}"
RACE_CONFIRM = "seeds={screen: 4, race: true, confirm: 2, keep: 1}"
DECIDED = "seeds={screen: 5, until: decided}"
CONFIRM_DECIDED = "seeds={screen: 2, confirm: 5, keep: 2, until: decided}"
RACE_DECIDED = "seeds={screen: 5, race: true, until: decided}"
EVERY_WAY = [CONFIRM, RACE, RACE_CONFIRM, DECIDED, CONFIRM_DECIDED, RACE_DECIDED]


@pytest.fixture(autouse=True)
def in_memory(monkeypatch):
    """Nothing here survives a power cut, nor has to."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def value_of(entry):
    """Best at λ = 0.75, and a little worse with each seed."""
    return abs(entry.trial.loss.lambda_ - 0.75) + 0.01 * (1 + entry.seed)


class Judge:
    """A referee by plain means, which remembers what it was shown."""

    def __init__(self, sweep):
        self.sweep = sweep
        self.shown = []

    def means(self, entries, seeds):
        self.shown.append({(e.trial.loss.lambda_, e.seed) for e in entries})
        values = {}
        for entry in entries:
            result = entry.folder.standing()
            assert result.is_end, "it is shown what has ended, and nothing else"
            if entry.seed in seeds:
                values.setdefault(entry.number, []).append(result.metrics.get("js", 9.0))
        return values

    def baseline(self, entries):
        return next((e.number for e in entries if e.trial.loss.lambda_ == BASE), None)

    def kept(self, entries):
        means = self.means(entries, self.sweep.seeds.screen)
        order = sorted(means, key=lambda number: fmean(means[number]))
        order.remove(self.baseline(entries))
        return order[: self.sweep.seeds.keep]

    def outclassed(self, entries):
        """A whole 0.5 behind the best, on two seeds."""
        means = self.means(entries, self.sweep.seeds.screen)
        best = min(map(fmean, means.values()))
        return {n for n, own in means.items() if len(own) >= 2 and fmean(own) > best + 0.5}

    def settled(self, entries):
        """The further from the baseline, the sooner: 0.75 after one seed, 0.5 after two, ..."""
        means = self.means(entries, self.sweep.seeds.reported)
        base = fmean(means[self.baseline(entries)])
        after = {n: 4 - round(4 * abs(fmean(own) - base)) for n, own in means.items()}
        return {n for n, own in means.items() if after[n] < 4 and len(own) >= max(after[n], 1)}


class Play:
    """A sweep whose trials end as soon, or as late, as a test wants."""

    def __init__(self, folder, *overrides):
        self.folder = SweepFolder(folder)
        self.sweep = load(LAMBDA, (ARMS, *overrides))
        self.judge = Judge(self.sweep)
        self.totals = []
        self.ran = []
        self.ledger = self.open()

    def open(self):
        return Ledger(self.folder, self.sweep, referee=self.judge, foreseen=self.totals.append)

    def end(self, entry):
        result = Result(outcome="finished", images=10, metrics={"js": value_of(entry)})
        entry.folder.write_result(result)
        self.ledger.tell(entry, result)
        self.ran.append((entry.trial.loss.lambda_, entry.seed))

    def all(self):
        """One worker, to the end; returns the seeds of each λ."""
        while (entry := self.ledger.next_entry()) is not None:
            self.end(entry)
        assert not self.ledger.waits
        return self.seeds()

    def seeds(self):
        assert len(self.ran) == len(set(self.ran)), "a trial ran twice"
        values = sorted({value for value, _ in self.ran})
        return {v: [seed for own, seed in self.ran if own == v] for v in values}


def test_the_best_by_screening_and_the_baseline_run_on_the_fresh_seeds(tmp_path):
    play = Play(tmp_path, CONFIRM)
    both = [0, 1, 7, 8, 9]
    assert play.all() == {0.0: [0, 1], 0.5: both, 0.75: both, 1.0: both, 1.5: [0, 1]}
    assert play.sweep.num_trials == len(play.ran) == 5 * 2 + 3 * 3 == play.totals[-1]
    fresh = play.ran[10:]
    assert [seed for _, seed in fresh] == [7, 7, 7, 8, 8, 8, 9, 9, 9]  # a whole table at each
    keys = [entry.key for entry in play.ledger.entries()]
    assert keys[:7] == ["0/0", "0/1", "1/0", "1/1", "1/7", "1/8", "1/9"]


def test_confirming_waits_for_the_last_screening_result(tmp_path):
    play = Play(tmp_path, CONFIRM)
    out = []
    while (entry := play.ledger.next_entry()) is not None:
        out.append(entry)
    assert len(out) == 10
    for entry in out:
        assert play.ledger.waits
        assert play.ledger.next_entry() is None
        play.end(entry)
    assert not play.ledger.waits
    assert play.ledger.next_entry().seed == 7


def test_a_race_gives_seeds_in_turn_and_no_more_to_an_arm_that_is_clearly_worse(tmp_path):
    play = Play(tmp_path, RACE)
    every = [0, 1, 2, 3]
    assert play.all() == {0.0: [0, 1], 0.5: every, 0.75: every, 1.0: every, 1.5: [0, 1]}
    assert [seed for _, seed in play.ran] == [0] * 5 + [1] * 5 + [2] * 3 + [3] * 3
    assert play.totals == [20, 20, 16, 16, 16]


def test_what_is_reported_keeps_its_baseline_and_what_only_screens_does_not(tmp_path, monkeypatch):
    """The baseline is outclassed: it goes on where the table compares with it."""
    monkeypatch.setattr("test_phases.BASE", 1.5)
    base = "baseline={loss.lambda: 1.5}"
    assert Play(tmp_path / "a", RACE, base).all()[1.5] == [0, 1, 2, 3]
    confirmed = Play(tmp_path / "b", RACE_CONFIRM, base).all()
    assert confirmed[1.5] == [0, 1, 4, 5]
    assert confirmed[0.75] == [0, 1, 2, 3, 4, 5]
    assert confirmed[0.5] == [0, 1, 2, 3]


def test_an_arm_whose_verdict_stands_gets_no_more_and_the_baseline_as_many_as_any(tmp_path):
    play = Play(tmp_path, DECIDED)
    # 1.0 and 0.5, 0.75 differ by 0.0 and 0.25: 0.5 is never settled
    assert play.all() == {
        0.0: [0, 1],
        0.5: [0, 1, 2, 3, 4],
        0.75: [0, 1, 2],
        1.0: [0, 1, 2, 3, 4],
        1.5: [0, 1],
    }


def test_the_baseline_stops_with_the_last_other_arm(tmp_path):
    two = "scientific.loss.lambda={choice: [0.75, 1.0]}"
    assert Play(tmp_path, DECIDED, two).all() == {0.75: [0, 1, 2], 1.0: [0, 1, 2]}


def test_confirming_until_decided_counts_fresh_seeds_alone(tmp_path):
    play = Play(tmp_path, CONFIRM_DECIDED)
    assert play.all() == {
        0.0: [0, 1],
        0.5: [0, 1, 2, 3, 4, 5, 6],
        0.75: [0, 1, 2, 3, 4],
        1.0: [0, 1, 2, 3, 4, 5, 6],
        1.5: [0, 1],
    }
    assert play.totals[0] == 10 + 3 * 5
    assert play.totals[-1] == len(play.ran) == 10 + 5 + 3 + 5
    assert (0.0, 0) in play.judge.shown[-1]  # the table's frame has those that screened, too


def test_an_arm_that_is_no_longer_settled_gets_its_next_seed(tmp_path):
    """Holm's adjustment depends on the other arms, so a verdict may fall."""
    play = Play(tmp_path, "seeds={screen: 3, until: decided}")
    answers = iter([{0, 1}, {1}, set(), set(), {0, 1, 2, 3, 4}])
    play.judge.settled = lambda entries: next(answers)
    play.all()
    firsts = [play.ran[n][0] for n in (0, 1)]
    rounds = play.ran[5:]
    assert rounds[:3] == [(0.75, 1), (1.0, 1), (1.5, 1)]
    assert rounds[3:7] == [(firsts[0], 1), (0.75, 2), (1.0, 2), (1.5, 2)]
    assert rounds[7:] == [(firsts[0], 2), (firsts[1], 1), (firsts[1], 2)]


@pytest.mark.parametrize("way", EVERY_WAY)
def test_killed_after_every_trial_it_comes_to_the_same_trials(tmp_path, way):
    straight = Play(tmp_path / "straight", way)
    straight.all()
    play = Play(tmp_path / "killed", way)
    while (entry := play.ledger.next_entry()) is not None:
        play.end(entry)
        play.ledger.next_entry()  # one more is out when it is killed
        play.ledger = play.open()
    play.seeds()
    assert sorted(play.ran) == sorted(straight.ran)
    assert play.totals[-1:] == straight.totals[-1:]


@pytest.mark.parametrize("way", EVERY_WAY)
def test_which_trials_run_does_not_depend_on_how_many_at_a_time_nor_on_who_is_first(tmp_path, way):
    one = Play(tmp_path / "one", way)
    one.all()
    for shuffle in range(3):
        order, out = random.Random(shuffle), []
        play = Play(tmp_path / f"many{shuffle}", way)
        while True:
            while len(out) < 3 and (entry := play.ledger.next_entry()) is not None:
                out.append(entry)
            if not out:
                break
            play.end(out.pop(order.randrange(len(out))))
        assert not play.ledger.waits
        assert sorted(play.ran) == sorted(one.ran)


def test_a_race_over_seeds_that_have_run_sees_no_further_than_its_round(tmp_path):
    Play(tmp_path, "seeds=4").all()
    play = Play(tmp_path, RACE)
    assert play.all() == {}
    first, second = play.judge.shown[:2]
    assert {seed for _, seed in first} == {0}
    assert {seed for _, seed in second} == {0, 1}
    assert len(play.ledger.entries()) == 16


def test_seeds_that_confirm_may_be_added_and_run_alone(tmp_path):
    Play(tmp_path, "seeds=2").all()
    play = Play(tmp_path, CONFIRM)
    assert play.all() == {0.5: [7, 8, 9], 0.75: [7, 8, 9], 1.0: [7, 8, 9]}
    assert play.open().upcoming() is None


def test_a_failed_trial_does_not_hold_up_a_round_and_is_tried_again_by_the_next_run(tmp_path):
    play = Play(tmp_path, RACE)
    entry = play.ledger.next_entry()
    entry.folder.write_failure("a reason", traceback="")
    play.ledger.tell(entry, entry.folder.standing())
    play.all()
    assert (entry.trial.loss.lambda_, 0) not in play.ran
    play.ledger = play.open()
    play.all()
    assert play.ran[-1] == (entry.trial.loss.lambda_, 0)


def test_optuna_is_told_of_a_raced_arm_by_the_mean_of_what_it_got(tmp_path):
    Play(tmp_path, RACE_CONFIRM).all()
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "ledger.journal")))
    (name,) = optuna.get_all_study_names(storage)
    study = optuna.load_study(study_name=name, storage=storage)
    told = {t.params["loss.lambda"]: t for t in study.trials}
    assert {t.state for t in told.values()} == {TrialState.COMPLETE}
    assert told[0.0].value == pytest.approx(
        0.75 + 0.015, rel=1e-3
    )  # of two seeds; a geometric mean
    assert told[0.75].value == pytest.approx(
        (0.01 * 0.02 * 0.03 * 0.04) ** 0.25
    )  # of four, not of those that confirm


def test_a_sampler_hears_of_screening_seeds_alone(tmp_path):
    tpe = (
        "scientific.loss.lambda={uniform: [0.0, 1.5]}",
        "search={sampler: tpe, arms: 6}",
        "baseline={}",
    )
    plain = Play(tmp_path / "plain", "seeds=2", *tpe)
    plain.judge.baseline = lambda entries: None
    asked = list(plain.all())
    play = Play(tmp_path / "confirmed", CONFIRM, *tpe)
    play.judge.baseline = lambda entries: None
    play.judge.kept = lambda entries: [3, 1]
    assert list(play.all()) == asked
    assert sorted({e.number for e in play.ledger.entries() if e.seed == 7}) == [1, 3]
