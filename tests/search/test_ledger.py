"""The ledger: every trial once, whatever is interrupted, grown or lost in between."""

from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from sid_sweep.search import Ledger
from sid_sweep.spec import Arm, load
from sid_sweep.trials import Measurement, Result, SweepFolder

LAMBDA = Path(__file__).parents[1] / "lambda.yaml"
TWO_SEEDS = "seeds=[0, 1]"
TPE = (
    "scientific.loss.lambda={uniform: [0.0, 1.5]}",
    "baseline={}",
    "search={sampler: tpe, arms: 6}",
)


def play(folder, *overrides, most=1000, fail=()):
    """Run at most `most` jobs of a sweep as a worker would; returns what ran and the ledger."""
    ledger = Ledger(SweepFolder(folder), load(LAMBDA, (TWO_SEEDS, *overrides)))
    ran = []
    while len(ran) < most and (entry := ledger.next_entry()) is not None:
        value = entry.trial.loss.lambda_
        ran.append((round(value, 6), entry.seed))
        if ran[-1] in fail:
            result = Result(outcome="failed", cause="a reason", images=10)
            entry.folder.write_failure("a reason", traceback="")
        else:
            metrics = {"js": 0.01 + abs(value - 0.75), "cost/evaluations": 100 * value}
            good = Result(outcome="finished", images=10, metrics=metrics)
            bad = Result(outcome="diverged", cause="a cause", images=10)
            result = bad if value > 1.3 else good
            entry.folder.write_result(result)
        ledger.tell(entry, result)
    return ran, ledger


def test_every_arm_runs_at_every_seed_and_a_started_arm_is_finished_first(tmp_path):
    ran, ledger = play(tmp_path)
    lambdas = [0.0, 0.25, 0.5, 0.75, 1.0, 1.1, 1.2, 1.5]
    assert ran == [(value, seed) for value in lambdas for seed in (0, 1)]
    assert [entry.folder.result() is None for entry in ledger.entries()] == [False] * 16


def test_a_finished_sweep_has_no_work(tmp_path):
    play(tmp_path)
    ran, ledger = play(tmp_path)
    assert ran == []
    assert len(ledger.arms) == 8


@pytest.mark.parametrize("most", [1, 5, 15])
def test_an_interrupted_sweep_goes_on_without_repeating_a_trial(tmp_path, most):
    first, _ = play(tmp_path, most=most)
    second, ledger = play(tmp_path)
    assert len(first) == most
    assert sorted(first + second) == sorted(set(first + second))
    assert len(first + second) == 16
    assert len(ledger.arms) == 8


def begin(entry, images):
    """Leave a trial that was interrupted there."""
    entry.folder.begin(entry.trial)
    if images:
        spent = {"images": images, "seconds": 1.0, "peak_memory_bytes": 0}
        entry.folder.append(Measurement(**spent, metrics={}, timestamp_ms=1))


def reopened(folder, *overrides):
    """What a new command runs, in its order."""
    ledger = Ledger(SweepFolder(folder), load(LAMBDA, (TWO_SEEDS, *overrides)))
    asked = iter(ledger.next_entry, None)
    return [(round(entry.trial.loss.lambda_, 6), entry.seed) for entry in asked], ledger


def test_what_was_interrupted_goes_on_first_the_furthest_before_all(tmp_path):
    """Also before what was begun by an arm that is older, and before every new arm."""
    _, ledger = play(tmp_path, most=3)
    out = [ledger.next_entry() for _ in range(4)]  # 0.25/1, 0.5/0, 0.5/1, 0.75/0
    for entry, images in zip(out[1:], (0, 69, 31), strict=True):
        begin(entry, images)
    order, again = reopened(tmp_path)
    assert order[:4] == [(0.5, 1), (0.75, 0), (0.5, 0), (0.25, 1)]
    assert order[4:] == [(0.75, 1), *((value, s) for value in (1.0, 1.1, 1.2, 1.5) for s in (0, 1))]
    numbers = {arm: number for number, arm in enumerate(again.folder.arms())}
    assert [arm["loss.lambda"] for arm in numbers] == [0.0, 0.25, 0.5, 0.75, 1.0, 1.1, 1.2, 1.5]


def test_it_goes_on_first_however_often_and_early_a_sweep_is_interrupted(tmp_path):
    for _ in range(3):
        order, ledger = reopened(tmp_path)
        assert order[0] == (0.0, 0)
        begin(ledger.entries()[0], 69)
    assert sorted(order) == sorted(set(order))
    assert len(order) == 16


def test_a_grown_space_goes_on_first_with_what_was_interrupted(tmp_path):
    ledger = Ledger(SweepFolder(tmp_path), load(LAMBDA, (TWO_SEEDS,)))
    for entry in [ledger.next_entry() for _ in range(3)][2:]:
        begin(entry, 10)  # 0.25/0
    wider = "scientific.loss.lambda={choice: [0.1, 0.0, 0.25, 0.5, 0.75, 1.0, 1.1, 1.2, 1.5]}"
    order, again = reopened(tmp_path, wider)
    assert order[:2] == [(0.25, 0), (0.25, 1)]
    assert again.folder.arms()[1] == Arm({"loss.lambda": 0.25})  # as it was


def test_an_interrupted_arm_of_a_sampler_goes_on_with_its_own_proposal(tmp_path):
    """A sampler that is asked after it knows of one arm as of one."""
    _, ledger = play(tmp_path, *TPE, most=2)
    begin(ledger.next_entry(), 5)
    play(tmp_path, *TPE)
    straight, _ = play(tmp_path.with_name("straight"), *TPE)
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "ledger.journal")))
    (name,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    values = [round(trial.params["loss.lambda"], 6) for trial in trials]
    assert values == [value for value, seed in straight if seed == 0]
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.FAIL}


def test_growth_runs_only_what_is_missing(tmp_path):
    play(tmp_path)
    seeds = "seeds=[0, 1, 2]"
    ran, _ = play(tmp_path, seeds)
    assert {seed for _, seed in ran} == {2}
    assert len(ran) == 8
    choices = "scientific.loss.lambda={choice: [0.0, 0.25, 0.5, 0.6, 0.75, 1.0, 1.1, 1.2, 1.5]}"
    ran, _ = play(tmp_path, seeds, choices)
    assert ran == [(0.6, 0), (0.6, 1), (0.6, 2)]


def test_a_failed_trial_is_tried_again_and_a_diverged_one_is_not(tmp_path):
    play(tmp_path, fail={(0.5, 1)})
    ran, ledger = play(tmp_path)
    assert ran == [(0.5, 1)]
    outcomes = [entry.folder.standing().outcome for entry in ledger.entries()]
    assert outcomes.count("diverged") == 2


def test_a_failed_trial_that_has_begun_comes_before_all_that_is_new(tmp_path):
    """Where no other may begin, it would else be held back with them."""
    _, ledger = play(tmp_path, fail={(0.5, 1)})
    failed = next(e for e in ledger.entries() if e.folder.failed())
    begin(failed, 69)
    failed.folder.write_failure("ValueError: no", traceback="")
    order, _ = reopened(tmp_path, "seeds=[0, 1, 2]")
    assert order[0] == (0.5, 1)
    assert len(order) == 1 + 8


def test_what_is_out_or_queued_is_open_until_its_end_is_told(tmp_path):
    ledger = Ledger(SweepFolder(tmp_path), load(LAMBDA, (TWO_SEEDS,)))
    entry = ledger.next_entry()
    assert entry is not None
    entry.folder.begin(entry.trial)
    entry.folder.write_failure("its node is lost", traceback="")  # and it is to be tried again
    assert all(ledger.is_open(own) for own in ledger.entries())
    ledger.tell(entry, entry.folder.standing())
    assert not ledger.is_open(entry)


def test_a_lost_result_is_made_again(tmp_path):
    _, ledger = play(tmp_path)
    entry = ledger.entries()[6]
    entry.folder.ending.unlink()
    ran, _ = play(tmp_path)
    assert ran == [(0.75, 0)]


def test_a_sampler_neither_repeats_itself_when_resumed_nor_forgets(tmp_path):
    straight, _ = play(tmp_path / "straight", *TPE)
    first, _ = play(tmp_path / "resumed", *TPE, most=6)
    second, _ = play(tmp_path / "resumed", *TPE)
    assert len({value for value, _ in straight}) == 6
    assert first + second == straight
    more, _ = play(tmp_path / "resumed", *TPE[:2], "search={sampler: tpe, arms: 8}")
    assert len({value for value, _ in more} - {value for value, _ in straight}) == 2


def test_tpe_golden_sequence(tmp_path):
    """Optuna's defaults have changed before; a change of the suggestions should be noticed."""
    ran, _ = play(tmp_path, *TPE)
    golden = [0.392708, 0.049445, 0.449992, 1.019105, 0.696129, 1.437107]
    assert [value for value, seed in ran if seed == 0] == pytest.approx(golden)


def test_conditions_and_repeats_in_a_small_discrete_space(tmp_path):
    overrides = (
        "scientific={loss.kind: {choice: [sid, naive]}, "
        "loss.lambda: {choice: [0.5, 1.0], when: {loss.kind: sid}}}",
        "baseline={}",
        "search={sampler: random, arms: 50}",
    )
    ledger = Ledger(SweepFolder(tmp_path), load(LAMBDA, (TWO_SEEDS, *overrides)))
    entries = []
    while (entry := ledger.next_entry()) is not None:
        entries.append(entry)
    assert len(ledger.arms) == 3  # asked for 50, and the space holds three
    assert Arm({"loss.kind": "naive"}) in ledger.arms
    assert len(entries) == 6


def test_half_a_line_and_a_lock_left_by_a_kill_do_no_harm(tmp_path):
    play(tmp_path, most=3)
    journal = tmp_path / "ledger.journal"
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 4, "worker_')
    (tmp_path / "ledger.journal.lock").write_text("")
    ran, _ = play(tmp_path)
    assert len(ran) == 13


def test_known_results_are_announced(tmp_path):
    play(tmp_path, most=4)
    seen = []
    sweep = load(LAMBDA, (TWO_SEEDS,))
    ledger = Ledger(
        SweepFolder(tmp_path), sweep, known=lambda entry, result: seen.append(entry.seed)
    )
    assert ledger.upcoming() is not None
    assert sorted(seen) == [0, 0, 1, 1]
    assert ledger.entries()[0].folder.result() is not None


def test_an_arm_keeps_its_number_whatever_is_resumed_or_grown(tmp_path):
    _, first = play(tmp_path, fail={(0.5, 1), (0.0, 0)})
    numbers = {entry.arm: entry.number for entry in first.entries()}
    wider = "scientific.loss.lambda={choice: [0.1, 0.0, 0.25, 0.5, 0.75, 1.0, 1.1, 1.2, 1.5]}"
    _, grown = play(tmp_path, wider)
    again = {entry.arm: entry.number for entry in grown.entries()}
    assert numbers.items() <= again.items()
    assert again[Arm({"loss.lambda": 0.1})] == 8
    folder = SweepFolder(tmp_path)
    assert [e.key for e in folder.entries(grown.sweep)] == [e.key for e in grown.entries()]


CASES = (
    "scientific={m: {cases: {half: {loss.lambda: 0.5}, one: {}, two: {loss.lambda: 1.25}}}}",
    "baseline={m: one}",
)


def test_cases_are_arms_by_name(tmp_path):
    ran, ledger = play(tmp_path, *CASES)
    assert ran == [(value, seed) for value in (0.5, 1.0, 1.25) for seed in (0, 1)]
    assert [dict(arm) for arm in ledger.arms] == [{"m": "half"}, {"m": "one"}, {"m": "two"}]
    assert play(tmp_path, *CASES)[0] == []


def test_two_objectives_are_told_together_and_survive_an_interruption(tmp_path):
    """The study knows both means of every arm, in the order of the objectives."""
    both = (*TPE, "cost={metric: cost/evaluations, goal: minimize}")
    play(tmp_path, *both, most=5)
    play(tmp_path, *both)
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "ledger.journal")))
    (name,) = optuna.get_all_study_names(storage)
    study = optuna.load_study(study_name=name, storage=storage)
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MINIMIZE"]
    told = [t for t in study.trials if t.user_attrs["outcome"] == "finished"]
    assert told
    for trial in told:
        value = trial.params["loss.lambda"]
        assert trial.values == pytest.approx([0.01 + abs(value - 0.75), 100 * value])


TWINS = ("scientific={m: {cases: {usual: {}, said: {loss.lambda: 1.0}}}}", "baseline={}")


def test_two_arms_that_come_to_one_trial_run_it_once(tmp_path):
    """Two workers in one folder would write each measurement twice."""
    seen = []
    sweep = load(LAMBDA, (TWO_SEEDS, *TWINS))
    ledger = Ledger(
        SweepFolder(tmp_path), sweep, known=lambda entry, result: seen.append(entry.key)
    )
    handed = []
    while (entry := ledger.next_entry()) is not None:
        handed.append(entry)
    assert [entry.key for entry in handed] == ["0/0", "0/1"]
    for entry in handed:
        result = Result(outcome="finished", images=10, metrics={"js": 1.0})
        entry.folder.write_result(result)
        ledger.tell(entry, result)
    assert seen == ["1/0", "1/1"]
    assert Ledger(SweepFolder(tmp_path), sweep).upcoming() is None
