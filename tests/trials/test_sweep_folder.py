"""A sweep's folder knows its arms by number, its trials by digest, itself as it was last run."""

import subprocess
import sys
from pathlib import Path

import pytest

from sid_sweep.files import Damaged
from sid_sweep.search import mend
from sid_sweep.spec import Arm, SpecError, load
from sid_sweep.trials import Result, SweepFolder, agreement, sweeps_in

SPACES = Path(__file__).parents[2] / "search_spaces"
LAMBDA = Path(__file__).parents[1] / "lambda.yaml"
HALF, ONE = Arm({"loss.lambda": 0.5}), Arm({"loss.lambda": 1.0})


@pytest.fixture
def folder(tmp_path):
    return SweepFolder(tmp_path / "sweeps" / "lambda")


@pytest.fixture(scope="module")
def sweep():
    return load(LAMBDA, ("seeds=[0, 1]",))


def test_arms_keep_their_numbers_and_half_a_line_takes_none(folder):
    assert folder.arms() == []
    folder.append_arm(ONE)
    lines = folder.path / "arms.jsonl"
    lines.write_bytes(lines.read_bytes() + b'{"loss.lamb')
    assert folder.arms() == [ONE]
    folder.append_arm(HALF)
    assert folder.arms() == [ONE, HALF]
    assert [type(value) for arm in folder.arms() for value in arm.values()] == [float, float]


def test_entries_are_all_arms_at_all_seeds_begun_or_not(folder, sweep):
    folder.append_arm(ONE)
    folder.append_arm(HALF)
    entries = folder.entries(sweep)
    assert [entry.key for entry in entries] == ["0/0", "0/1", "1/0", "1/1"]
    assert [entry.trial.loss.lambda_ for entry in entries] == [1.0, 1.0, 0.5, 0.5]
    assert [entry.trial.seed for entry in entries] == [0, 1, 0, 1]
    assert len({entry.folder.path for entry in entries}) == 4
    assert str(entries[2]) == "loss.lambda = 0.5, seed 0"


def test_two_arms_that_come_to_one_trial_share_its_folder(folder):
    cases = "scientific={m: {cases: {usual: {}, said: {loss.lambda: 1.0}}}}"
    sweep = load(LAMBDA, (cases, "baseline={}"))
    usual, said = (folder.entry(sweep, n, arm, 0) for n, arm in enumerate(sweep.grid()))
    assert usual.folder == said.folder
    assert usual.key != said.key


def test_results_are_the_lasting_ends_of_all_trials(folder, sweep):
    assert folder.results() == []
    one, two, three, four = (folder.entry(sweep, 0, arm, s) for arm in (ONE, HALF) for s in (0, 1))
    ends = [Result(outcome="finished", seconds=1.0), Result(outcome="diverged", seconds=2.0)]
    for entry, result in zip((one, two), ends, strict=True):
        entry.folder.write_result(result)
    three.folder.write_failure("no memory", traceback="")
    four.folder.begin(four.trial)
    assert sorted(folder.results(), key=lambda result: result.seconds) == ends


def test_sweeps_are_the_folders_that_hold_a_record(tmp_path, sweep):
    assert sweeps_in(tmp_path) == []
    for name in ("second", "first"):
        agreement.agree(SweepFolder(tmp_path / name), sweep)
    (tmp_path / "cache").mkdir()
    assert sweeps_in(tmp_path) == ["first", "second"]
    assert SweepFolder(tmp_path / "first").exists()
    assert not SweepFolder(tmp_path / "cache").exists()


RANGES = """\
question: Do ranges and conditions come back?
sweep: ranges
objective: {metric: js, goal: maximize}
cost: {metric: cost/nfe}
search: {sampler: random, arms: 4, seed: 3}
seeds: [2, 0]
scientific:
  loss.kind: {choice: [sid, naive]}
  loss.lambda: {uniform: [0, 1.5], when: {loss.kind: sid}}
nuisance:
  generator.optim.lr: {log_uniform: [1.0e-4, 1.0e-2]}
  fake_score.steps: {int_uniform: [1, 5]}
fixed: {data: {kind: mixture}, generator: {ema: {ramp_up: null}}}
columns: [off_modes]
resources: {gpus_per_worker: 0.5, concurrency: 2}
"""


@pytest.mark.parametrize("name", [*sorted(path.name for path in SPACES.glob("*.yaml")), "RANGES"])
def test_a_sweep_comes_back_as_it_was_recorded(folder, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = SPACES / name
    if name == "RANGES":
        path = tmp_path / "ranges.yaml"
        path.write_text(RANGES)
    sweep = load(path)
    for foreign in sweep.foreign():
        Path(foreign).write_bytes(b"what someone else made")
    agreement.agree(folder, sweep)
    again = folder.sweep()
    assert again == sweep
    assert again.outline() == sweep.outline()
    assert again.trial(again.first_arm(), 0) == sweep.trial(sweep.first_arm(), 0)
    agreement.check(folder, again)


def test_what_it_is_now_is_what_it_was_last_run_as(folder):
    for seeds in ([0, 1], [0, 1, 2]):
        agreement.agree(folder, load(LAMBDA, (f"seeds={seeds}",)))
        assert folder.sweep().seeds.all == seeds


DRIVE = """\
import sys
from pathlib import Path
from sid_sweep.trials import SweepFolder
with SweepFolder(Path(sys.argv[1])).sole_driver():
    print("driving", flush=True)
    sys.stdin.readline()
"""


def test_a_second_process_is_refused_in_one_line_until_the_first_has_ended(folder):
    def drive():
        with folder.sole_driver():
            pass

    command = [sys.executable, "-c", DRIVE, str(folder.path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as first:
        assert first.stdout.readline() == "driving\n"
        with pytest.raises(SpecError) as caught:
            drive()
        first.communicate("\n")
    drive()
    assert str(caught.value) == (
        f"{folder.path}: this sweep is being run by another process; wait for it, or use --name"
    )


@pytest.mark.parametrize("error", [IsADirectoryError(21, "own"), BlockingIOError(11, "own")])
def test_what_fails_while_the_folder_is_held_is_no_error_of_the_lock(folder, error):
    with pytest.raises(type(error)) as caught, folder.sole_driver():
        raise error
    assert caught.value is error


def test_a_lock_that_is_a_folder_or_a_link_is_named_in_one_line(folder):
    lock = folder.path / "driver.lock"
    lock.mkdir(parents=True)
    with pytest.raises(SpecError, match="is a folder; remove it"):
        folder.sole_driver().__enter__()
    lock.rmdir()
    lock.symlink_to(folder.path / "nowhere")
    with pytest.raises(Damaged, match="is a symbolic link, not a file; remove it"):
        folder.sole_driver().__enter__()
    assert list(folder.path.iterdir()) == [lock]


def test_what_others_have_laid_beside_its_files_is_passed_over(folder, sweep):
    agreement.agree(folder, sweep)
    own = folder.entry(sweep, 0, ONE, 0).folder
    own.begin(sweep.trial(ONE, 0))
    own.samples.mkdir()
    for name in ("0x.png", "0².png", "000000000016.png"):
        (own.samples / name).touch()
    (folder.path / ".x.tmp").mkdir()
    (folder.path / "tracking-x.jsonl").symlink_to("nowhere")
    assert own.pictures() == [(16, own.picture(16))]
    assert folder.cursors() == [folder.cursor("x")]
    (folder.path / "tracking-x.jsonl").unlink()
    own.picture(16).unlink()
    assert mend(folder, sweep) == []
    assert (folder.path / ".x.tmp").is_dir()


def test_each_command_is_noted_once_in_order(folder):
    first, second = {"commit": "a"}, {"commit": "b"}
    for command in (first, first, second, first):
        folder.append_command(command)
    assert folder.commands() == [first, second, first]
