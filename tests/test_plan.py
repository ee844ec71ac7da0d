"""The plan says what will be run, what is done and what must be made first, and starts nothing."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from sid_sweep import plan as plans
from sid_sweep.console import Board
from sid_sweep.foreign.cached import teacher_file, teacher_name
from sid_sweep.orchestration.machine import Capacity
from sid_sweep.plan import make_plan
from sid_sweep.spec import Arm, SpecError, load
from sid_sweep.trials import Measurement, Result, SweepFolder
from sid_sweep.trials.sweep_folder import Held

LAMBDA = Path(__file__).with_name("lambda.yaml")
TPE = (
    "scientific.loss.lambda={uniform: [0.0, 1.5]}",
    "baseline={}",
    "search={sampler: tpe, arms: 5}",
)
TRAINED = "teacher={kind: trained}"


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """Two cores, whatever the tests run on."""
    monkeypatch.setattr(plans, "this_machine", lambda: Capacity(2, 0))


@pytest.fixture
def folder(tmp_path):
    return SweepFolder(tmp_path / "sweeps" / "lambda")


def plan_of(folder, *overrides, address=None):
    return make_plan(load(LAMBDA, ("seeds=[0, 1]", *overrides)), folder, address=address)


def lines(plan, *, dry_run=False):
    """What is printed, by the name of the line."""
    console = Console(file=io.StringIO(), width=400)
    console.print(plan.render(dry_run=dry_run))
    written = filter(None, console.file.getvalue().splitlines())
    return {name: value.rstrip() for name, value in (line.split(None, 1) for line in written)}


def finish(folder, sweep, value, seed, *, seconds=60.0, outcome="finished"):
    trial = sweep.trial(Arm({"loss.lambda": value}), seed)
    metrics = {"js": 1.0} if outcome == "finished" else {}
    folder.trial(trial).write_result(Result(outcome=outcome, seconds=seconds, metrics=metrics))


def test_a_plan_of_a_new_sweep_names_all_that_is_asked(folder):
    plan = plan_of(folder)
    shown = lines(plan)
    assert shown.pop("expected").startswith("Something between")
    assert shown == {
        "question": "Which λ?",
        "knobs": "loss.lambda in {0, 0.25, 0.5, 0.75, 1, 1.1, 1.2, 1.5}",
        "trials": "8 arms (grid) x 2 seeds = 16",
        "objective": "minimize js",
        "resources": "2 at a time, each 1 worker with 1 CPU",
        "folder": str(folder.path),
    }
    assert not folder.path.parent.exists()


def test_a_sampled_sweep_has_as_many_arms_as_it_asks_for(folder):
    shown = lines(plan_of(folder, *TPE))
    assert shown["trials"] == "5 arms (tpe) x 2 seeds = 10"
    assert shown["knobs"] == "loss.lambda in [0, 1.5]"


@pytest.mark.parametrize(
    ("seeds", "text"),
    [
        (
            "{screen: 3, confirm: 20}",
            "8 arms (grid) x 3 seeds, then the best 3 and the baseline x 20 fresh = 104 at most",
        ),
        (
            "{screen: 3, confirm: 9, keep: 1, until: decided}",
            "8 arms (grid) x 3 seeds, then the best arm and the baseline x up to 9 fresh = 42 at "
            "most",
        ),
        ("{screen: 5, race: true}", "8 arms (grid) x up to 5 seeds = 40 at most"),
        ("{screen: 5, until: decided}", "8 arms (grid) x up to 5 seeds = 40 at most"),
    ],
)
def test_a_plan_says_what_results_decide(folder, seeds, text):
    assert lines(plan_of(folder, f"seeds={seeds}"))["trials"] == text


def test_confirmed_trials_are_done_too_and_time_to_go_is_at_most(folder):
    overrides = "seeds={screen: 2, confirm: 3, keep: 1}"
    sweep = plan_of(folder, overrides).sweep
    for seed in (0, 1, 2):
        finish(folder, sweep, 0.5, seed)
    shown = lines(plan_of(folder, overrides))
    assert shown["trials"].endswith("= 22 at most, 3 done")
    assert shown["time"] == "at most about 9 min 30 s to go"


def test_arms_that_were_confirmed_before_fewer_are_kept_leave_no_time_below_zero(folder):
    sweep = plan_of(folder, "seeds={screen: 1, confirm: 4, keep: 7}").sweep
    for arm in sweep.grid():
        for seed in sweep.seeds.all:
            finish(folder, sweep, arm["loss.lambda"], seed)
    shown = lines(plan_of(folder, "seeds={screen: 1, confirm: 4, keep: 1}"))
    assert shown["trials"].endswith("= 16 at most, 40 done")
    assert "time" not in shown


def test_only_trials_of_this_grid_are_done(folder):
    plan = plan_of(folder)
    finish(folder, plan.sweep, 0.5, 0)
    finish(folder, plan.sweep, 1.5, 1, outcome="diverged")
    finish(folder, plan.sweep, 0.5, 7)  # a seed that this sweep has not
    finish(folder, plan.sweep, 0.6, 0)  # an arm that it has not
    failed = plan.sweep.trial(Arm({"loss.lambda": 1.0}), 0)
    folder.trial(failed).write_failure("no memory", traceback="")
    again = plan_of(folder)
    board = Board(again.sweep, console=Console(file=io.StringIO()), known=again.known)
    assert again.done == board.done == 2
    assert lines(again)["trials"].endswith("= 16, 2 done")


def test_of_a_sampled_sweep_the_trials_of_arms_that_were_asked_for_count(folder):
    sweep = plan_of(folder, *TPE).sweep
    folder.path.mkdir(parents=True)
    folder.append_arm(Arm({"loss.lambda": 0.123}))
    for seed in (0, 1, 7):
        finish(folder, sweep, 0.123, seed)
    assert plan_of(folder, *TPE).done == 2


def test_what_was_interrupted_is_named_and_its_part_is_no_more_to_go(folder):
    plan = plan_of(folder)
    finish(folder, plan.sweep, 0.5, 0)
    trial = plan.sweep.trial(Arm({"loss.lambda": 0.5}), 1)
    own = folder.trial(trial)
    own.begin(trial)
    half = trial.budget.images // 2
    own.append(
        Measurement(images=half, seconds=30.0, peak_memory_bytes=0, metrics={}, timestamp_ms=1)
    )
    again = plan_of(folder)
    assert lines(again)["trials"].endswith("= 16, 1 done, 1 interrupted")
    assert lines(again)["time"] == "about 7 min 15 s to go"  # 14.5 of a minute, two at a time


@pytest.mark.parametrize("width", [40, 80])
def test_a_plan_is_wrapped_between_words_beside_its_names(folder, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(plan_of(folder).render(dry_run=False))
    written = console.file.getvalue().splitlines()
    values = [line[12:].strip() for line in written]
    assert max(map(len, written)) <= width or str(folder.path) in values[-1]
    knobs = next(n for n, line in enumerate(written) if line.startswith("  knobs"))
    ends = next(n for n, line in enumerate(written) if line.startswith("  trials"))
    wanted = "loss.lambda in {0, 0.25, 0.5, 0.75, 1, 1.1, 1.2, 1.5}"
    assert " ".join(values[knobs:ends]) == wanted
    assert all(line.startswith(" " * 12) for line in written[knobs + 1 : ends])


def test_time_to_go_is_that_of_finished_trials_shared_by_those_that_run_at_a_time(folder):
    plan = plan_of(folder)
    assert "time" not in lines(plan)
    finish(folder, plan.sweep, 0.5, 0, seconds=50.0)
    finish(folder, plan.sweep, 0.5, 1, seconds=70.0)
    finish(folder, plan.sweep, 1.5, 0, seconds=1.0, outcome="diverged")
    assert plan_of(folder).seconds_per_trial == 60.0
    assert lines(plan_of(folder))["time"] == "about 6 min 30 s to go"
    assert "time" not in lines(plan_of(folder, address="auto"))


def test_a_finished_sweep_has_nothing_left(folder):
    plan = plan_of(folder)
    for arm in plan.sweep.grid():
        for seed in plan.sweep.seeds.all:
            finish(folder, plan.sweep, arm["loss.lambda"], seed)
    shown = lines(plan_of(folder))
    assert shown["trials"].endswith("= 16, 16 done")
    assert shown["time"] == "nothing is left to run"


def test_every_distinct_teacher_is_trained_once_until_its_file_is_there(folder):
    teachers = "scientific={teacher.images: {choice: [1000, 2000]}, loss.lambda: {choice: [1, 0]}}"
    overrides = (TRAINED, teachers, "baseline={}")
    plan = plan_of(folder, *overrides)
    assert [trial.teacher.images for trial in plan.untrained] == [1000, 2000]
    assert lines(plan)["teacher"] == f"2 are trained first, then kept in {folder.cache}"
    for left, trial in ((1, plan.untrained[1]), (0, plan.untrained[0])):
        path = teacher_file(teacher_name(trial), folder.cache)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        again = plan_of(folder, *overrides)
        assert len(again.untrained) == left
        told = f"is trained first, then kept in {folder.cache}" if left else None
        assert lines(again).get("teacher") == told


def test_a_sampled_sweep_trains_the_teacher_that_it_certainly_needs(folder):
    assert len(plan_of(folder, TRAINED, *TPE).untrained) == 1
    assert plan_of(folder, *TPE).untrained == []  # an exact teacher needs no training


UNET = "{kind: trained, net: {kind: unet, attention_resolutions: []}}"


def test_a_plan_says_what_the_pictures_are(folder, tmp_path):
    for side in (16, 32):
        np.save(tmp_path / f"{side}.npy", np.zeros((2000, side, side, 3), np.uint8))
    data = f"data={{kind: images, path: {tmp_path}/32.npy}}"
    objective = "objective.metric=cost/evaluations"
    assert lines(plan_of(folder, f"teacher={UNET}", data, objective))["data"] == (
        f"{tmp_path}/32.npy: 2,000 pictures of 32 x 32, colour"
    )
    both = [f"{tmp_path}/16.npy", f"{tmp_path}/32.npy"]
    cases = f"scientific={{data.path: {{choice: [{', '.join(both)}]}}}}"
    fixed = (f"teacher={UNET}", data.replace(f", path: {both[1]}", ""), objective, "baseline={}")
    shown = lines(plan_of(folder, cases, *fixed))["data"]
    assert [text.split(":")[0] for text in shown.split("; ")] == both


def test_pictures_that_do_not_fit_are_refused_before_anything_is_made(folder, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((9, 12, 12, 1), np.uint8))
    net = UNET.replace("unet,", "unet, channel_mult: [1, 1, 1, 1],")
    overrides = (
        f"teacher={net}",
        f"data={{kind: images, path: {tmp_path}/a.npy}}",
        "objective.metric=cost/evaluations",
    )
    with pytest.raises(SpecError, match=r"^teacher\.net\.channel_mult .* which is odd; at most 3"):
        plan_of(folder, *overrides)
    assert not folder.path.parent.exists()


def test_the_size_of_a_cluster_is_not_known_before_it_is_reached(folder):
    plan = plan_of(folder, "resources.workers=64", "batch.latents=128", address="host:6379")
    assert plan.layout is None
    assert lines(plan)["resources"] == "as many trials as the cluster fits"


def test_a_dry_run_says_that_nothing_was_started(folder):
    plan = plan_of(folder)
    assert lines(plan, dry_run=True)["dry"] == "run: nothing was started"
    assert "dry" not in lines(plan)


def test_limits_are_planned_with_what_is_spent_and_those_that_are_never_reached(folder):
    assert "limits" not in lines(plan_of(folder))
    limits = "limits={trials: 10, failures: 2, wall_hours: 3.5, gpu_hours: 4}"
    never = "never reached: trials take no GPU"
    assert lines(plan_of(folder, limits), dry_run=True)["limits"] == (
        f"10 trials, 2 failures a command, 3 h 30 min a command, 4 GPU hours ({never})"
    )
    sweep = load(LAMBDA, ("seeds=[0, 1]",))
    own = folder.trial(sweep.trial(Arm({"loss.lambda": 0.5}), 0))
    own.begin(sweep.trial(Arm({"loss.lambda": 0.5}), 0))
    folder.write_held(Held(gpu_seconds=5400.0))
    on_a_cluster = plan_of(folder, limits, address="any")
    assert lines(on_a_cluster)["limits"] == (
        "10 trials (1 spent), 2 failures a command, 3 h 30 min a command, 4 GPU hours (1.5 spent)"
    )
    assert (
        "(never reached: there are 16 trials at most)"
        in (lines(plan_of(folder, "limits.trials=30"))["limits"])
    )
