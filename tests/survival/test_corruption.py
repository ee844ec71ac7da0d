"""Whatever is damaged in a sweep's folder is named in one line by those who only read, and set
aside by the command, which ends in the table of an undisturbed run."""

import itertools
import json
import shutil
import sys
from pathlib import Path

import pytest

from analysis import compare, sources
from analysis.record import from_folder
from sid_sweep.files import Damaged
from sid_sweep.spec import SpecError
from sid_sweep.student import Student
from sid_sweep.trials import SweepFolder
from sid_sweep.worker.job import Job
from sid_sweep.worker.run import run

sys.path.insert(0, str(Path(__file__).parent))
from alone import command, small, table

pytestmark = pytest.mark.usefixtures("small_pictures")

OTHER = small(sweep="other", fixed=small().fixed | {"data": {"kind": "mixture", "radius": 1.5}})


class Stop(Exception):
    """An interruption."""


def half_done(storage, sweep):
    """An arm that has finished, and one that has failed after two evaluations."""
    command(storage, sweep, most=1)
    folder = SweepFolder(storage / sweep.sweep)
    folder.append_command({"code": "abc"})
    folder.cursor("store").write_text('["sweep", {"run_id": "1"}]\n["0/0", {"run_id": "2"}]\n')
    seen = itertools.count(1)

    def stop(figures):
        if next(seen) == 2:
            raise Stop

    trial = sweep.trial(list(sweep.grid())[1], 0)
    own = folder.trial(trial)
    job = Job(trial=trial, folder=own, cache=storage / "c", checkpoint_seconds=0.0, threads=1)
    with pytest.raises(Stop):
        run(job, stop)
    own.write_failure("a reason", traceback="...")


@pytest.fixture(scope="module")
def begun(tmp_path_factory, small_pictures):
    """Two storages, of the sweep and of another, with what the first comes to undisturbed."""
    storage = tmp_path_factory.mktemp("begun")
    for sweep in (small(), OTHER):
        half_done(storage, sweep)
    straight = tmp_path_factory.mktemp("straight")
    command(straight)
    return storage, table(straight)


def files(storage, sweep):
    """The files of a sweep's folder by a name that says what they are: 0 has ended, 1 has not."""
    folder = SweepFolder(storage / sweep.sweep)
    found = {path.name: path for path in folder.path.iterdir() if path.is_file()}
    for number, arm in enumerate(sweep.grid()):
        own = folder.trial(sweep.trial(arm, 0))
        found |= {f"{number}/{p.name}": p for p in own.path.iterdir() if p.is_file()}
        found[f"{number}/samples/png"] = own.pictures()[-1][1]
        found[f"{number}/samples"] = own.samples
        found[f"{number}"] = own.path
    return found | {"trials": folder.trials}


def cut_short(path, other):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path, other):
    path.write_bytes(b"")


def garbage(path, other):
    path.write_bytes(bytes(range(256)) * 4)


def rotten(path, other):
    """Some bytes in the middle; of an archive, as many as are not all padding."""
    content = bytearray(path.read_bytes())
    first, num = len(content) // 2, 256 if path.suffix == ".pt" else 1
    content[first : first + num] = bytes(byte ^ 0xFF for byte in content[first : first + num])
    path.write_bytes(content)


def a_weight(path, other):
    """The last bit of the last weight, which no layout shows."""
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def a_list(path, other):
    path.write_text("[1, 2]\n")


def of_another(path, other):
    shutil.copy(other, path)


def extra_key(path, other):
    first, *rest = path.read_text().splitlines()
    if path.suffix == ".json":
        path.write_text(json.dumps(json.loads(path.read_text()) | {"nobody": 1}))
    else:
        path.write_text("\n".join([json.dumps(json.loads(first) | {"nobody": 1}), *rest]) + "\n")


def not_a_number(path, other):
    values = json.loads(path.read_text())
    path.write_text(
        json.dumps(values | {"metrics": dict.fromkeys(values["metrics"], float("nan"))})
    )


def a_folder(path, other):
    path.unlink()
    path.mkdir()
    (path / "within").write_text("x")


def a_file(path, other):
    shutil.rmtree(path)
    path.write_text("x")


SWEEP = ["sweep.json", "arms.jsonl", "ledger.journal", "commands.jsonl", "tracking-store.jsonl"]
ENDED = ["trial.json", "host.json", "references.json", "measurements.jsonl", "result.json"]
ENDED = [f"0/{name}" for name in (*ENDED, "generator.safetensors", "samples/png")]
OPEN = ["trial.json", "measurements.jsonl", "checkpoint.pt", "failure.json"]
FILES = [*SWEEP, *ENDED, *(f"1/{name}" for name in OPEN)]
KEYED = [name for name in FILES if name.endswith(("json", "arms.jsonl", "measurements.jsonl"))]
CASES = [
    *itertools.product(FILES, [cut_short, empty, garbage, rotten, a_list, of_another, a_folder]),
    *((name, extra_key) for name in KEYED),
    ("0/result.json", not_a_number),
    ("0/generator.safetensors", a_weight),
    *((name, a_file) for name in ("trials", "0", "1", "0/samples", "1/samples")),
]
LINES = ("commands.jsonl", "tracking-store.jsonl")
UNSEEN = {
    *itertools.product(LINES, (cut_short, empty, of_another)),
    *((f"0/{name}", of_another) for name in ("host.json", "references.json", "samples/png")),
    ("1/failure.json", of_another),
    ("1/measurements.jsonl", cut_short),  # to before the last one, which its checkpoint holds
    ("0/references.json", extra_key),
    ("ledger.journal", cut_short),  # to where an arm has been asked for, and has no result yet
    ("arms.jsonl", cut_short),  # to the one arm that a kill may cost
    ("arms.jsonl", empty),
    ("arms.jsonl", of_another),  # the other sweep has the same arms
}
"""What looks as a kill leaves it, or as it should: nothing in it says whose it is, and no table
depends on it."""
REFUSED = {("sweep.json", of_another)}
"""What the command does not mend: it says so."""
QUICK = [
    ("sweep.json", cut_short), ("arms.jsonl", garbage), ("ledger.journal", garbage),
    ("0/result.json", not_a_number), ("0/result.json", empty), ("0/measurements.jsonl", cut_short),
    ("1/checkpoint.pt", of_another), ("0/generator.safetensors", of_another), ("trials", a_file),
    ("0/generator.safetensors", a_weight),
]  # fmt: skip


def named(case):
    return f"{case[0]}-{case[1].__name__}"


def tree(folder):
    """All that lies in a folder, with what it holds."""
    return {
        p.relative_to(folder): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")
    }


def check(begun, tmp_path, name, damage):
    """Damage, read, run, compare; returns what was said when it was read, and when it ran."""
    storage = tmp_path / "sweeps"
    shutil.copytree(begun[0], storage)
    own, others = files(storage, small()), files(storage, OTHER)
    damage(own[name], others[name])
    before = tree(storage)
    said = read_all(storage)
    assert tree(storage) == before
    lines = command(storage)
    assert all("\n" not in line for line in (*lines, said))
    assert table(storage) == begun[1]
    aside = [path for path in storage.rglob("*.damaged*") if path.parent.suffix != ".damaged"]
    assert bool(aside) == bool(lines)
    if lines and damage not in (cut_short, empty):
        damaged = before[own[name].relative_to(storage)]
        assert any(path.is_dir() or path.read_bytes() == damaged for path in aside)
    assert command(storage) == []
    assert table(storage) == begun[1]
    return said, lines


def read_all(storage):
    """What those say who only read: one line, or nothing."""
    folder = SweepFolder(storage / "small")
    try:
        if folder.exists():
            sources.from_folder(folder)
            from_folder(folder)
        for own in folder.trials_like(""):
            if own.student.exists():
                Student.load(own.student, trial=own.path.name)
    except ValueError as error:
        return str(error) if str(storage) in str(error) else ""
    return ""


def checked(begun, tmp_path, case):
    if case in REFUSED:
        with pytest.raises((SpecError, Damaged)) as caught:
            check(begun, tmp_path, *case)
        return "", [str(caught.value)]
    said, lines = check(begun, tmp_path, *case)
    assert bool(lines) == (case not in UNSEEN)
    return said, lines


@pytest.mark.parametrize("case", QUICK, ids=named)
def test_what_is_damaged_is_named_set_aside_and_made_again(begun, tmp_path, case):
    checked(begun, tmp_path, case)


def test_a_student_that_was_deleted_to_save_room_is_not_missed(begun, tmp_path):
    storage = tmp_path / "sweeps"
    shutil.copytree(begun[0], storage)
    student = files(storage, small())["0/generator.safetensors"]
    student.unlink()
    assert command(storage) == []
    assert table(storage) == begun[1]
    assert not student.exists()


@pytest.mark.parametrize("name", ["samples/png", "references.json"])
def test_what_a_finished_trial_does_not_make_again_is_not_promised(begun, tmp_path, name):
    storage = tmp_path / "sweeps"
    shutil.copytree(begun[0], storage)
    own = files(storage, small())
    for number in (0, 1):
        garbage(own[f"{number}/{name}"], None)
    lines = {int("ended" not in line): line for line in command(storage)}
    assert lines[0].endswith(".damaged, its trial has ended and does not make it again")
    again = {"samples/png": "drawn again where an attempt passes it", "references.json": "noted"}
    assert again[name] in lines[1]
    assert not own[f"0/{name}"].exists()


def test_a_damaged_picture_is_left_out_of_the_sheet_and_named(begun, tmp_path, capsys):
    storage, out = tmp_path / "sweeps", tmp_path / "out"
    shutil.copytree(begun[0], storage)
    command(storage)
    path = files(storage, small())["0/samples/png"]
    cut_short(path, None)
    assert compare.main(["small", "--storage", str(storage), "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert f"warning: {path}: is no whole picture; no sheet shows it\n" in told.out
    assert (out / "samples.png").exists()


def lose_all_but_the_first(path, other):
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])


NO_ARM = "names no arm, and there are trials"


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (empty, NO_ARM),
        (lambda path, other: path.unlink(), NO_ARM),
        (lose_all_but_the_first, "lacks arms that have trials, such as loss.lambda = 1"),
    ],
)
def test_readers_name_a_list_of_arms_that_is_lost_and_the_command_derives_it(
    begun, tmp_path, damage, what
):
    storage = tmp_path / "sweeps"
    shutil.copytree(begun[0], storage)
    path = files(storage, small())["arms.jsonl"]
    damage(path, None)
    said = read_all(storage)
    assert said.startswith(f"{path}: {what}; the command that runs")
    command(storage)
    assert read_all(storage) == ""
    assert table(storage) == begun[1]


@pytest.mark.slow
def test_so_is_every_file_and_every_damage(begun, tmp_path):
    """All cases in one test, so that the table can be printed: `pytest -s`."""
    wrong = []
    for number, case in enumerate(CASES):
        try:
            said, lines = checked(begun, tmp_path / str(number), case)
            shown = " / ".join(lines).replace(f"{tmp_path / str(number)}/sweeps/", "")
            print(f"{named(case)} | {said and 'named'} | {shown}")
        except BaseException as error:
            print(f"{named(case)} | WRONG | {type(error).__name__}: {str(error)[:300]}")
            wrong.append(named(case))
        shutil.rmtree(tmp_path / str(number))
    assert wrong == []
