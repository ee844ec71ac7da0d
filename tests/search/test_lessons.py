"""Arms that the file names, what an earlier sweep lends, and constraints, as Optuna is told."""

import shutil

import optuna
import pytest
from optuna.trial import TrialState
from test_samplers import LAMBDA, ONE_SEED, SPACE, end, opened, played, study_in

from sid_sweep.run import main
from sid_sweep.search import earlier
from sid_sweep.spec import Arm, SpecError, load
from sid_sweep.trials import SweepFolder, agreement

TPE = "search={sampler: tpe, arms: 12, from: old}"
WIDE = "scientific.loss.lambda={uniform: [0.1, 1.6]}"


@pytest.fixture(autouse=True)
def in_memory(monkeypatch):
    """Nothing here survives a power cut, nor has to."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def agreed(storage, name, *overrides, most=1000):
    """A sweep of that name in a folder of sweeps, played to its end."""
    overrides = (*SPACE, f"sweep={name}", *overrides)
    agreement.agree(SweepFolder(storage / name), load(LAMBDA, overrides))
    return played(storage / name, *overrides, most=most)


OLD = "search={sampler: random, arms: 8}"


# ---- arms that the file names


def test_the_baseline_and_the_arms_to_try_come_first_and_count(tmp_path):
    tried = "{loss.lambda: 0.5, generator.optim.lr: 0.001}, {fake_score.steps: 3}"
    own = (
        *SPACE,
        "baseline={loss.lambda: 1.0}",
        f"search={{sampler: random, arms: 6, try: [{tried}]}}",
    )
    arms = played(tmp_path, *own)
    usual = {"loss.lambda": 1.0, "fake_score.steps": 1, "generator.optim.lr": 0.002}
    assert arms[:3] == [
        Arm(usual),
        Arm(usual | {"loss.lambda": 0.5, "generator.optim.lr": 0.001}),
        Arm(usual | {"fake_score.steps": 3}),
    ]
    assert len(arms) == 6
    alone = played(tmp_path / "alone", *SPACE, "search={sampler: random, arms: 6}")
    assert arms[3:] == alone[:3]  # what is named moves no draw


def test_an_arm_that_is_named_later_runs_next(tmp_path):
    first = played(tmp_path, *SPACE, "search={sampler: random, arms: 4}")
    later = "search={sampler: random, arms: 6, try: [{loss.lambda: 0.5}]}"
    arms = played(tmp_path, *SPACE, later)
    assert arms[:4] == first
    assert arms[4]["loss.lambda"] == 0.5
    assert len(arms) == 6
    assert arms[5] == played(tmp_path / "a", *SPACE, "search={sampler: random, arms: 5}")[4]


@pytest.mark.parametrize(
    ("search", "sentence"),
    [
        ("arms: 5, try: [{loss.lambda: 9.0}]", "search.try.0: loss.lambda = 9.0 is outside"),
        ("arms: 5, try: [{loss.lamda: 1.0}]", "is not swept; did you mean loss.lambda?"),
        ("arms: 5, try: [{}, {fake_score.steps: 2.5}]", "fake_score.steps = 2.5 is outside"),
        (
            "arms: 1, try: [{loss.lambda: 1.0}, {loss.lambda: 0.5}]",
            "search.arms = 1, and 2 arms are named",
        ),
        ("arms: 5, try: [3]", "search.try.0 = 3: must be a group"),
    ],
)
def test_arms_to_try_are_checked_when_the_file_is_read(search, sentence):
    with pytest.raises(SpecError) as caught:
        load(LAMBDA, (*SPACE, f"search={{sampler: tpe, {search}}}"))
    assert sentence in str(caught.value)


def test_a_knob_without_a_usual_value_in_its_domain_must_be_named():
    rates = "nuisance={generator.optim.lr: {log_uniform: [0.01, 0.1]}}"
    search = "search={sampler: random, arms: 5}"
    with pytest.raises(SpecError, match=r"is not named, and is usually 0\.002, outside"):
        load(LAMBDA, (*SPACE, rates, search, "baseline={loss.lambda: 1.0}"))
    named = "baseline={loss.lambda: 1.0, generator.optim.lr: 0.05}"
    assert load(LAMBDA, (*SPACE, rates, search, named)).declared[0]["generator.optim.lr"] == 0.05


def test_a_named_arm_has_no_knob_whose_condition_fails():
    space = (
        "scientific={loss.kind: {choice: [sid, naive]}, "
        "loss.lambda: {uniform: [0.5, 1.0], when: {loss.kind: sid}}}",
        "baseline={loss.kind: naive}",
    )
    sweep = load(LAMBDA, (*space, "search={sampler: sobol, arms: 5}"))
    assert sweep.declared == [Arm({"loss.kind": "naive"})]
    both = "{loss.kind: naive, loss.lambda: 0.7}"
    with pytest.raises(SpecError, match=r"loss\.lambda is there only where loss\.kind = sid"):
        load(LAMBDA, (*space, f"search={{sampler: sobol, arms: 5, try: [{both}]}}"))


# ---- an earlier sweep


def test_a_sampler_learns_from_an_earlier_sweep_and_counts_none_of_its_arms(tmp_path):
    old = agreed(tmp_path, "old", OLD)
    arms = agreed(tmp_path, "new", TPE)
    assert len(arms) == 12
    trials = study_in(tmp_path / "new").trials
    lent = [t for t in trials if "earlier" in t.user_attrs]
    assert [Arm(t.params) for t in lent] == old
    assert [t.number for t in lent] == list(range(8))
    assert SweepFolder(tmp_path / "new").arms() == arms
    finished = {t.number: t.value for t in study_in(tmp_path / "old").trials if t.value is not None}
    assert {t.number: t.value for t in lent if t.number in finished} == finished
    assert {t.value for t in lent if t.number not in finished} <= {max(finished.values())}


def test_it_learns_once_whatever_becomes_of_the_other(tmp_path):
    agreed(tmp_path, "old", OLD)
    straight = agreed(tmp_path, "new", TPE, "sweep=new")
    for name in ("ledger.journal", "arms.jsonl", "sweep.json"):
        (tmp_path / "new" / name).unlink()
    agreed(tmp_path, "new", TPE, most=5)
    agreed(tmp_path, "old", "search={sampler: random, arms: 20}")
    assert agreed(tmp_path, "new", TPE) == straight
    (tmp_path / "old" / "sweep.json").unlink()
    more = TPE.replace("12", "13")
    assert agreed(tmp_path, "new", more)[:12] == straight


def test_killed_while_it_learns_it_learns_the_rest_next_time(tmp_path, monkeypatch):
    agreed(tmp_path, "old", OLD)
    tell, left = optuna.Study.add_trial, iter(range(3))

    def killed(study, trial):
        if next(left, None) is None:
            raise KeyboardInterrupt
        tell(study, trial)

    with monkeypatch.context() as patched:
        patched.setattr(optuna.Study, "add_trial", killed)
        with pytest.raises(KeyboardInterrupt):
            opened(tmp_path / "new", (*SPACE, "sweep=new", TPE))
    opened(tmp_path / "new", (*SPACE, "sweep=new", TPE))
    assert [t.user_attrs["earlier"] for t in study_in(tmp_path / "new").trials] == [*range(8)]


def test_what_does_not_fit_is_left_out_and_said(tmp_path):
    agreed(tmp_path, "old", OLD, most=7)
    assert opened(tmp_path / "old", (*SPACE, "sweep=old", OLD)).next_entry().number == 7
    narrow = "scientific.loss.lambda={uniform: [0.8, 1.6]}"
    sweep = load(LAMBDA, (*SPACE, "sweep=new", TPE, narrow))
    found = earlier(sweep, SweepFolder(tmp_path / "new"))
    assert found is not None
    inside = [own for own in found.lessons if own.arm["loss.lambda"] >= 0.8]
    assert found.lessons == inside
    assert found.left_out == {"outside the domains": 7 - len(inside), "without a result": 1}
    assert f"learns from {len(inside)} of its arms; left out:" in str(found)


def test_what_was_given_up_early_teaches_nothing_of_its_end(tmp_path):
    agreed(tmp_path, "old", OLD)
    sweep = load(LAMBDA, (*SPACE, "sweep=old", OLD))
    arm, *_ = SweepFolder(tmp_path / "old").arms()
    for trial in sweep.trials(arm):
        own = SweepFolder(tmp_path / "old").trial(trial)
        own.ending.unlink()
        own.prune("its arm was behind")
    found = earlier(load(LAMBDA, (*SPACE, "sweep=new", TPE)), SweepFolder(tmp_path / "new"))
    assert found is not None
    assert arm not in [own.arm for own in found.lessons]
    assert len(found.lessons) == 7
    assert "left out: 1 that were given up early" in str(found)


def test_knobs_may_be_swept_in_one_sweep_and_fixed_in_the_other(tmp_path):
    agreed(tmp_path, "old", OLD)
    more = "nuisance.fake_score.optim.lr={log_uniform: [0.001, 0.01]}"  # usually 0.004
    found = earlier(load(LAMBDA, (*SPACE, "sweep=new", TPE, more)), SweepFolder(tmp_path / "new"))
    assert {own.arm["fake_score.optim.lr"] for own in found.lessons} == {0.004}
    assert len(found.lessons) == 8
    fewer = ("scientific={loss.lambda: {uniform: [0.25, 1.6]}}", "fake_score.steps=2")
    found = earlier(load(LAMBDA, (*SPACE, "sweep=new", TPE, *fewer)), SweepFolder(tmp_path / "new"))
    two = [arm for arm in SweepFolder(tmp_path / "old").arms() if arm["fake_score.steps"] == 2]
    assert 0 < len(two) == len(found.lessons) < 8
    assert found.left_out == {"with values of a knob that is fixed otherwise here": 8 - len(two)}


def test_what_differs_between_all_trials_is_said(tmp_path):
    """Of a sweep that is named by its folder, wherever it lies."""
    agreed(tmp_path, "old", OLD, "budget.images=100_000")
    own = load(LAMBDA, (*SPACE, "sweep=new", TPE.replace("old", str(tmp_path / "old"))))
    found = earlier(own, SweepFolder(tmp_path / "elsewhere" / "new"))
    assert len(found.lessons) == 8
    assert "trials differ: budget.images 100000 there and 480000 here" in str(found)


def test_the_command_says_what_is_learnt_before_it_starts(tmp_path, capsys):
    agreed(tmp_path, "old", OLD)
    own = [word for text in (*SPACE, TPE, "sweep=new") for word in ("--set", text)]
    command = [str(LAMBDA), "--dry-run", "--storage", str(tmp_path), *own]
    assert main(command) == 0
    assert "search.from = old: learns from 8 of its arms\n" in capsys.readouterr().out
    assert main([*command, "--set", "search.from=odl"]) == 2
    assert f"(in {tmp_path}: old)" in capsys.readouterr().err
    agreed(tmp_path, "new", TPE)
    shutil.rmtree(tmp_path / "old")
    assert main(command) == 0


@pytest.mark.parametrize(
    ("new", "sentence"),
    [
        (["search.from=odl"], "there is no sweep in"),
        (["sweep=old"], "that is this sweep, which learns from its own arms anyway"),
        (["data.name=grid25"], "data.name is ring8 there and grid25 here"),
        (["objective.metric=mode_kl"], "its trials have no mode_kl"),
        (["scientific.loss.lambda={uniform: [3.0, 4.0]}"], "none of its arms is of use here: 8"),
        (
            ["baseline={loss.lambda: 1.0}", "constraints=['off_modes <= baseline']"],
            "relative to the baseline, which it has not finished",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, new, sentence):
    agreed(tmp_path, "old", OLD)
    sweep = load(LAMBDA, (*SPACE, "sweep=new", TPE, *new))
    with pytest.raises(SpecError) as caught:
        earlier(sweep, SweepFolder(tmp_path / sweep.sweep))
    assert "search.from = " in str(caught.value)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("sampler", ["random", "sobol"])
def test_only_what_learns_can_learn_from_another(sampler):
    with pytest.raises(SpecError, match="learns nothing from results; leave it out, or search"):
        load(LAMBDA, (*SPACE, f"search={{sampler: {sampler}, arms: 5, from: old}}"))


def test_cmaes_begins_where_the_best_of_the_other_are_and_nsga2_breeds_from_them(tmp_path):
    agreed(tmp_path, "old", "search={sampler: random, arms: 20}")
    best = min(study_in(tmp_path / "old").trials, key=lambda t: t.value or 9.0).params
    arms = agreed(tmp_path, "es", "search={sampler: cmaes, arms: 6, from: old}")
    assert max(abs(arm["loss.lambda"] - best["loss.lambda"]) for arm in arms) < 0.5
    agreed(tmp_path, "ga", "search={sampler: nsga2, arms: 6, population: 5, from: old}")
    own = [t for t in study_in(tmp_path / "ga").trials if "arm" in t.user_attrs]
    assert {t.system_attrs["NSGAIISampler:generation"] for t in own} == {1, 2}


# ---- constraints

LIMITED = ("baseline={loss.lambda: 1.0}", "constraints=['off_modes <= 0.9 * baseline']")


def test_constraints_reach_the_sampler_as_parts_of_their_bound(tmp_path):
    played(tmp_path, *SPACE, *LIMITED, "search={sampler: tpe, arms: 12}")
    told = [t for t in study_in(tmp_path).trials if t.user_attrs["outcome"] == "finished"]
    for own in told:  # the stand-in's off_modes is a quarter of λ
        excess = (own.params["loss.lambda"] - 0.9) / 0.9
        assert own.constraints == {"off_modes <= 0.9 * baseline": pytest.approx(excess)}
    lost = [t for t in study_in(tmp_path).trials if t.user_attrs["outcome"] == "diverged"]
    assert lost
    assert {tuple(t.constraints) for t in lost} == {("off_modes <= 0.9 * baseline",)}


def test_nobody_is_told_of_before_the_baseline_that_bounds_them(tmp_path):
    ledger = opened(tmp_path, (*SPACE, *LIMITED, "search={sampler: tpe, arms: 4}"))
    base, *others = [ledger.next_entry() for _ in range(3)]
    for entry in others:
        end(ledger, entry)
    assert {t.state for t in study_in(tmp_path).trials} == {TrialState.RUNNING}
    ledger = opened(tmp_path, (*SPACE, *LIMITED, "search={sampler: tpe, arms: 4}"))
    assert ledger.next_entry().number == base.number
    assert {t.state for t in study_in(tmp_path).trials} == {TrialState.RUNNING}
    end(ledger, base)
    assert TrialState.RUNNING not in {t.state for t in study_in(tmp_path).trials[:3]}


def test_a_baseline_that_was_told_of_earlier_still_bounds_the_others(tmp_path):
    played(tmp_path, *SPACE, *LIMITED, "search={sampler: tpe, arms: 3}", most=2)
    played(tmp_path, *SPACE, *LIMITED, "search={sampler: tpe, arms: 4}")
    told = [t for t in study_in(tmp_path).trials if t.user_attrs["outcome"] == "finished"]
    assert all(t.constraints for t in told)


def test_new_constraints_are_told_of_all_arms_and_run_none_again(tmp_path):
    arms = played(tmp_path, *SPACE, "search={sampler: gp, arms: 4}")
    own = (*SPACE, "constraints=['off_modes <= 0.25']", "search={sampler: gp, arms: 4}")
    ledger = opened(tmp_path, own)
    assert ledger.next_entry() is None
    assert ledger.arms == arms


def test_an_arm_of_a_sampler_that_learns_nothing_has_no_constraints_in_the_journal(tmp_path):
    played(tmp_path, *SPACE, *LIMITED, "search={sampler: random, arms: 4}")
    assert {len(t.constraints) for t in study_in(tmp_path).trials} == {0}


def test_two_objectives_and_a_constraint_go_together(tmp_path):
    both = ("cost={metric: cost/evaluations, goal: minimize}", "constraints=['off_modes <= 0.25']")
    for sampler in ("tpe", "nsga2", "gp"):
        more = ", population: 4" if sampler == "nsga2" else ""
        search = f"search={{sampler: {sampler}, arms: 12{more}}}"
        assert len(played(tmp_path / sampler, *SPACE, *both, ONE_SEED, search)) == 12
