"""Samplers: what they ask for is reproducible, goes on after any interruption, and is checked."""

import random
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from scipy.stats import qmc

from sid_sweep.search import Ledger
from sid_sweep.search.samplers import CMAESSampler, SobolSampler, distribution, place_of, placed
from sid_sweep.spec import load
from sid_sweep.spec.domain import Choice, IntUniform, LogUniform, Uniform
from sid_sweep.trials import Result, SweepFolder

LAMBDA = Path(__file__).parents[1] / "lambda.yaml"
ONE_SEED = "seeds=[0]"
SPACE = (
    "scientific={loss.lambda: {uniform: [0.25, 1.6]}, fake_score.steps: {int_uniform: [1, 5]}}",
    "nuisance={generator.optim.lr: {log_uniform: [0.0001, 0.01]}}",
    "baseline={}",
    ONE_SEED,
)
LEARNING = {
    "tpe": "search={sampler: tpe, arms: 14, seed: 3}",
    "gp": "search={sampler: gp, arms: 13, seed: 3}",
    "cmaes": "search={sampler: cmaes, arms: 18, seed: 3}",
    "nsga2": "search={sampler: nsga2, arms: 14, population: 4, seed: 3}",
}
FREE = {
    "random": "search={sampler: random, arms: 12, seed: 3}",
    "sobol": "search={sampler: sobol, arms: 12, seed: 3}",
}
GOLDEN = {  # the last two arms
    "tpe": [[0.7342, 1.0, 0.001631], [0.9943, 1.0, 0.000621]],
    "gp": [[0.6261, 1.0, 0.005166], [0.6932, 2.0, 0.01]],
    "cmaes": [[1.058, 2.0, 0.007578], [0.86, 3.0, 0.0006633]],
    "nsga2": [[0.7228, 5.0, 0.002677], [0.7906, 5.0, 0.002677]],
    "random": [[0.3684, 4.0, 0.0001719], [1.537, 5.0, 0.0005089]],
    "sobol": [[0.9851, 5.0, 0.004594], [0.7555, 2.0, 0.0001075]],
}


@pytest.fixture(autouse=True)
def in_memory(monkeypatch):
    """Nothing here survives a power cut, nor has to."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def stand_in(arm):
    """Best at λ = 0.8, two steps, a rate of 0.002; diverges beyond λ = 1.4."""
    x = arm["loss.lambda"]
    if x > 1.4:
        return None
    rate = np.log10(arm.get("generator.optim.lr", 0.002) / 0.002)
    return 0.1 + (x - 0.8) ** 2 + 0.02 * (arm.get("fake_score.steps", 2) - 2) ** 2 + 0.1 * rate**2


def result_of(entry):
    js = stand_in(entry.arm)
    if js is None:
        return Result(outcome="diverged", cause="a cause", images=10)
    metrics = {"js": js * (1 + 0.01 * entry.seed), "off_modes": entry.arm["loss.lambda"] / 4}
    metrics["cost/evaluations"] = 10.0 * entry.arm.get("fake_score.steps", 1)
    return Result(outcome="finished", images=10, metrics=metrics)


def end(ledger, entry):
    result = result_of(entry)
    entry.folder.write_result(result)
    ledger.tell(entry, result)


def opened(folder, overrides):
    return Ledger(SweepFolder(folder), load(LAMBDA, overrides))


def played(folder, *overrides, most=1000):
    """All arms in the order in which they were asked for."""
    ledger = opened(folder, overrides)
    while most and (entry := ledger.next_entry()) is not None:
        end(ledger, entry)
        most -= 1
    return ledger.arms


def study_in(folder):
    storage = JournalStorage(JournalFileBackend(str(folder / "ledger.journal")))
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


@pytest.mark.parametrize("sampler", [*LEARNING, *FREE])
def test_golden_sequence(tmp_path, sampler):
    """What is asked for last depends on all before. A change should be noticed: Optuna's samplers
    have changed before."""
    arms = played(tmp_path, *SPACE, (LEARNING | FREE)[sampler])
    for arm, golden in zip(arms[-2:], GOLDEN[sampler], strict=True):
        assert list(arm.values()) == pytest.approx(golden, rel=1e-3)


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "nsga2"])
def test_one_at_a_time_and_killed_after_every_trial_it_asks_for_the_same(tmp_path, sampler):
    straight = played(tmp_path / "straight", *SPACE, LEARNING[sampler])
    for _ in straight:
        played(tmp_path / "killed", *SPACE, LEARNING[sampler], most=1)
        opened(tmp_path / "killed", (*SPACE, LEARNING[sampler])).next_entry()  # one that is out
    assert opened(tmp_path / "killed", (*SPACE, LEARNING[sampler])).arms == straight


@pytest.mark.parametrize("sampler", FREE)
def test_random_and_sobol_ask_for_the_same_at_any_concurrency_however_often_killed(
    tmp_path, sampler
):
    straight = played(tmp_path / "straight", *SPACE, FREE[sampler])
    order, out = random.Random(0), []
    ledger = opened(tmp_path / "many", (*SPACE, FREE[sampler]))
    while True:
        while len(out) < 4 and (entry := ledger.next_entry()) is not None:
            out.append(entry)
        if not out:
            break
        end(ledger, out.pop(order.randrange(len(out))))
        if order.random() < 0.3:
            ledger, out = opened(tmp_path / "many", (*SPACE, FREE[sampler])), []
    assert ledger.arms == straight


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "nsga2"])
def test_what_learns_asks_for_all_arms_however_many_run_and_whatever_is_killed(tmp_path, sampler):
    order, out = random.Random(1), []
    ledger = opened(tmp_path, (*SPACE, LEARNING[sampler]))
    while True:
        while len(out) < 4 and (entry := ledger.next_entry()) is not None:
            out.append(entry)
        if not out:
            break
        end(ledger, out.pop(order.randrange(len(out))))
        if order.random() < 0.3:
            ledger, out = opened(tmp_path, (*SPACE, LEARNING[sampler])), []
    assert len(ledger.arms) == ledger.sweep.num_arms
    assert TrialState.RUNNING not in {own.state for own in study_in(tmp_path).trials}


@pytest.mark.parametrize("sampler", FREE)
def test_a_journal_that_is_lost_costs_no_arm_and_changes_none(tmp_path, sampler):
    straight = played(tmp_path / "straight", *SPACE, FREE[sampler])
    first = played(tmp_path / "lost", *SPACE, FREE[sampler], most=7)
    (tmp_path / "lost" / "ledger.journal").unlink()
    assert played(tmp_path / "lost", *SPACE, FREE[sampler]) == straight
    assert straight[:7] == first


def test_a_sweep_with_more_arms_goes_on_with_the_same_design(tmp_path):
    more = played(tmp_path / "more", *SPACE, "search={sampler: sobol, arms: 16}")
    played(tmp_path / "grown", *SPACE, "search={sampler: sobol, arms: 5}")
    assert played(tmp_path / "grown", *SPACE, "search={sampler: sobol, arms: 16}") == more


def test_sobol_fills_every_domain_evenly_and_keeps_conditions(tmp_path):
    """Of 16 points each sixteenth of a range has one, each of four choices four."""
    space = (
        "scientific={loss.kind: {choice: [sid, naive]}, fake_score.steps: {int_uniform: [1, 4]}, "
        "loss.lambda: {uniform: [0.0, 1.6], when: {loss.kind: sid}}, "
        "generator.optim.lr: {log_uniform: [0.0001, 1.0]}}",
        "baseline={}",
        ONE_SEED,
        "search={sampler: sobol, arms: 16}",
    )
    ledger = opened(tmp_path, space)
    while ledger.next_entry() is not None:
        pass
    arms = ledger.arms
    assert sorted(int(-4 * np.log10(arm["generator.optim.lr"])) for arm in arms) == [*range(16)]
    assert [sum(arm["fake_score.steps"] == n for arm in arms) for n in (1, 2, 3, 4)] == [4] * 4
    assert sum(arm["loss.kind"] == "sid" for arm in arms) == 8
    assert all(("loss.lambda" in arm) == (arm["loss.kind"] == "sid") for arm in arms)


def test_places_and_values_are_each_others_inverse():
    domains = [
        Uniform(uniform=(0.25, 1.5)),
        LogUniform(log_uniform=(1e-4, 1e-2)),
        IntUniform(int_uniform=(-3, 7)),
    ]
    for own in map(distribution, domains):
        for place in (0.0, 0.05, 0.5, 0.99, 1.0):
            value = placed(place, own)
            assert own._contains(own.to_internal_repr(value))
            assert placed(place_of(value, own), own) == pytest.approx(value, rel=1e-12)
    choice = distribution(Choice(choice=["a", "b", "c"]))
    assert [placed(p, choice) for p in (0.0, 0.33, 0.34, 0.99, 1.0)] == ["a", "a", "b", "c", "c"]


def test_a_point_of_the_design_is_the_one_of_the_whole_sequence(tmp_path):
    whole = qmc.Sobol(3, scramble=True, rng=np.random.default_rng(7)).random(32)
    points = [list(SobolSampler(["a", "b", "c"], 7, n)._point.values()) for n in range(32)]
    assert points == whole.tolist()


def test_a_diverged_arm_is_told_to_a_sampler_that_learns_as_the_worst_and_else_not_at_all(tmp_path):
    played(tmp_path / "tpe", *SPACE, LEARNING["tpe"])
    told = study_in(tmp_path / "tpe").trials
    lost = [own for own in told if own.user_attrs["outcome"] == "diverged"]
    assert lost
    for own in lost:
        before = [t.value for t in told[: own.number] if t.state is TrialState.COMPLETE]
        if before:
            assert own.value == max(before)
        else:
            assert own.state is TrialState.FAIL
    played(tmp_path / "random", *SPACE, FREE["random"])
    states = {t.state for t in study_in(tmp_path / "random").trials if stand_in(t.params) is None}
    assert states == {TrialState.FAIL}


def test_deviations_over_the_seeds_are_kept_beside_the_mean(tmp_path):
    played(tmp_path, *SPACE[:3], "seeds=[0, 1, 2]", "search={sampler: random, arms: 4}")
    logs = np.log([1.0, 1.01, 1.02])
    for own in study_in(tmp_path).trials:
        if own.state is TrialState.COMPLETE:
            assert own.user_attrs["seeds"] == 3
            assert own.user_attrs["deviation"]["js"] == pytest.approx(np.std(logs, ddof=1))


def test_nothing_in_the_journal_of_cmaes_is_a_pickle(tmp_path):
    played(tmp_path, *SPACE, LEARNING["cmaes"])
    for own in study_in(tmp_path).trials:
        assert set(own.user_attrs) <= {
            "arm",
            "outcome",
            "seeds",
            "deviation",
            "cause",
            "generation",
        }
        assert set(own.system_attrs) == set()
    generations = [own.user_attrs["generation"] for own in study_in(tmp_path).trials]
    assert generations[0] == 0
    assert sorted(generations) == generations
    assert generations[-1] >= 2


def test_cmaes_moves_as_the_library_does_by_itself(tmp_path):
    """A second implementation: the plain loop of ask and tell, without a journal."""
    import cmaes

    sweep = load(LAMBDA, (*SPACE, LEARNING["cmaes"]))
    played(tmp_path, *SPACE, LEARNING["cmaes"])
    told = [t for t in study_in(tmp_path).trials if t.state is TrialState.COMPLETE]
    space = {knob: distribution(domain) for knob, domain in sweep.domains.items()}
    plain = cmaes.CMA(mean=np.full(3, 0.5), sigma=1 / 6, bounds=np.array([[0.0, 1.0]] * 3))
    for first in range(0, len(told) - 6, 7):
        batch = told[first : first + 7]
        plain.tell(
            [
                (np.array([place_of(t.params[k], own) for k, own in space.items()]), t.value)
                for t in batch
            ]
        )
    again = CMAESSampler(sweep, 0, None)._state(study_in(tmp_path))
    assert again.generation == plain.generation == 2
    assert again.mean == pytest.approx(plain.mean)


def test_a_sampler_that_repeats_itself_gives_way_to_draws(tmp_path):
    """Of a small space that it knows well, tpe asks for the best again and again."""
    small = (
        "scientific={loss.lambda: {choice: [0.5, 0.75, 1.0, 1.25]}, "
        "fake_score.steps: {int_uniform: [1, 4]}}",
        "baseline={}",
        ONE_SEED,
    )
    assert len(played(tmp_path, *small, "search={sampler: tpe, arms: 16}")) == 16


def test_nsga2_breeds_from_arms_that_were_named_too(tmp_path):
    named = "search={sampler: nsga2, arms: 6, population: 4, try: [{loss.lambda: 0.8}]}"
    played(tmp_path, *SPACE, named)
    generations = [t.system_attrs["NSGAIISampler:generation"] for t in study_in(tmp_path).trials]
    assert generations[:4] == [0] * 4
    assert generations[-1] == 1
