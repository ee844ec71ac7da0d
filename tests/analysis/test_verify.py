"""A trial is run again in a fresh process and agrees bit for bit; what does not agree is said."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from analysis import verify
from analysis.verify import (
    EXIT_AGREES,
    EXIT_DIFFERS,
    EXIT_INPUT,
    Record,
    cache_of,
    different_end,
    first_difference,
    main,
    read,
)
from sid_sweep.files import read_json, write_json
from sid_sweep.spec import Sweep, plain
from sid_sweep.trials import Measurement, Result, SweepFolder, TrialFolder, agreement
from sid_sweep.trials.host import Host

sys.path.insert(0, str(Path(__file__).parents[1] / "distill"))
from tiny import tiny

HOST = Host(
    processor="a CPU", device="cpu", workers=1, threads=1, python="3.11", versions={"torch": "2"}
)


def small() -> Sweep:
    """Two arms of the tiny trial; the second diverges at once."""
    fixed = plain(tiny())
    del fixed["seed"]
    return Sweep.model_validate(
        {
            "sweep": "small",
            "question": "Which λ distils best?",
            "objective": {"metric": "js"},
            "seeds": [0, 1],
            "scientific": {"loss.lambda": {"choice": [0.5, 1.0]}},
            "fixed": fixed,
        }
    )


@pytest.fixture(scope="module")
def _storage(tmp_path_factory):
    from sid_sweep.worker.job import Job
    from sid_sweep.worker.run import run

    storage, sweep = tmp_path_factory.mktemp("place") / "sweeps", small()
    folder = SweepFolder(storage / "small")
    agreement.agree(folder, sweep)
    for arm in sweep.grid():
        folder.append_arm(arm)
    first, second, *_ = folder.entries(sweep)
    job = Job(
        trial=first.trial, folder=first.folder, cache=folder.cache, checkpoint_seconds=9e9,
        threads=1,
    )  # fmt: skip
    run(job, lambda figures: None)
    second.folder.begin(second.trial)
    return storage, first, second


@pytest.fixture
def storage(_storage):
    """Where a sweep lies, with a finished trial and one that is running."""
    return _storage[0]


@pytest.fixture
def finished(_storage):
    return _storage[1]


@pytest.fixture
def running(_storage):
    return _storage[2]


def verified(run, storage, *more):
    return main([str(run), "--storage", str(storage), *more])


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def measurement(**metrics):
    figures = {"seconds": 1.0, "peak_memory_bytes": 1, "timestamp_ms": 1}
    return Measurement(images=640, **figures, metrics=metrics)


def test_a_trial_agrees_bit_for_bit_and_its_folder_is_left_alone(finished, storage, capsys):
    before = contents(storage)
    assert verified("small:0/0", storage) == EXIT_AGREES
    shown = capsys.readouterr().out
    digest = finished.folder.path.name
    assert f"{digest}: finished at 640 images, 4 evaluations recorded" in shown
    num = len(finished.folder.measurements()[-1].metrics) - 1  # one goes by the clock
    assert f"640 images: {num} metrics agree" in shown
    assert "agrees bit for bit: 4 evaluations, finished" in shown
    assert "caution" not in shown
    assert contents(storage) == before


@pytest.mark.slow
def test_the_last_bit_of_one_metric_is_found(finished, storage, tmp_path, capsys):
    copy = tmp_path / finished.folder.path.name
    for path, content in contents(finished.folder.path).items():
        own = copy / path.relative_to(finished.folder.path)
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_bytes(content)
    lines = (copy / "measurements.jsonl").read_text().splitlines()
    changed = json.loads(lines[1])
    value = changed["metrics"]["js"]
    changed["metrics"]["js"] = value * (1 + 2**-52)
    (copy / "measurements.jsonl").write_text(
        "\n".join([lines[0], json.dumps(changed), *lines[2:]]) + "\n"
    )
    host = read_json(copy / "host.json")
    write_json(copy / "host.json", host | {"processor": "another CPU"})
    assert verified(copy, storage) == EXIT_DIFFERS
    shown = capsys.readouterr().out
    images = finished.folder.measurements()[1].images
    assert f"differs at evaluation 1 ({images:,} images): js recorded" in shown
    assert f"now {value!r} ({value.hex()})" in shown
    assert "caution: agreement is not promised: it ran with processor another CPU" in shown


@pytest.mark.slow
def test_a_trial_that_breaks_is_a_difference(finished, storage, capsys):
    assert verified(finished.folder.path, storage, "--device", "nonsense") == EXIT_DIFFERS
    assert "differs: the trial broke here, on nonsense: RuntimeError" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("run", "more", "message"),
    [
        ("nothing", (), "'nothing' names no trial: give an MLflow run id"),
        ("abc", (), "at least 4 digits of its digest"),
        ("small:7/0", (), "small:7/0: there is no such trial; the sweep has arms 0 to 0, seeds 0"),
        ("none:0/0", (), "no sweep 'none'"),
        ("../small:0/0", (), "'../small' is no name of a sweep"),
        ("0123456789ab", (), "there is no trial 0123456789ab in"),
        ("0123", ("--sweep", "../small"), "'../small' is no name of a sweep"),
        ("0" * 32, ("--tracking-uri", "foo://"), "foo:// is no store that MLflow can read"),
        ("0123", ("--tracking-uri", "foo://"), "name the sweep of 0123 with --sweep"),
        (".", (), "is no trial's folder: no trial.json"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(storage, capsys, run, more, message):
    assert verified(run, storage, *more) == EXIT_INPUT
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


def test_what_has_not_ended_or_cannot_be_read_is_refused(finished, running, storage, capsys):
    assert verified(running.folder.path, storage) == EXIT_INPUT
    assert (
        "the trial is running; only one that came to an end of its own" in capsys.readouterr().err
    )
    running.folder.path.with_name("0" * 12).mkdir()
    other = TrialFolder(running.folder.path.with_name("0" * 12))
    write_json(other.specification, plain(finished.trial) | {"lambda": 1.0})
    assert verified(other.path, storage) == EXIT_INPUT
    line = capsys.readouterr().err
    assert "unknown key lambda; use the version of sid_sweep that wrote it" in line
    assert line.count("\n") == 1


def test_a_result_that_is_not_that_of_its_evaluations_is_refused(finished, storage, capsys):
    ending = finished.folder.ending
    result = read_json(ending)
    write_json(ending, result | {"images": result["images"] - 1})
    assert verified(finished.folder.path, storage) == EXIT_INPUT
    assert f"{finished.folder.log}: it ended at" in capsys.readouterr().err
    write_json(ending, result)


def test_a_trial_is_found_by_place_digest_and_folder(finished, storage, monkeypatch):
    found, caches = [], []

    def noted(record, *, cache, device):
        found.append(record)
        caches.append(cache)
        return []

    monkeypatch.setattr(verify, "verify", noted)
    digest = finished.folder.path.name
    for run in ("small:0/0", digest, digest[:6], finished.folder.path):
        assert verified(run, storage) == EXIT_AGREES
    assert verified(digest[:4], storage, "--sweep", "small") == EXIT_AGREES
    assert verified("small:0/0", storage, "--from-scratch") == EXIT_AGREES
    assert found == [read(finished.folder)] * 6
    assert caches == [storage / "cache"] * 5 + [None]


def test_teachers_are_those_of_the_sweep_or_of_the_storage(finished, storage, tmp_path):
    assert cache_of(finished.folder, tmp_path) == (storage / "cache").resolve()
    assert cache_of(TrialFolder(tmp_path / ("0" * 12)), storage) == (storage / "cache").resolve()


def test_first_difference_is_the_first_and_bits_count():
    own = measurement(a=0.1, b=0.0, **{"cost/samples_per_second": 5.0})
    assert first_difference(2, own, replace(own, seconds=9.0, timestamp_ms=7)) == ""
    assert first_difference(2, own, measurement(a=0.1, b=0.0)) == ""
    assert first_difference(2, own, measurement(a=0.1, b=-0.0)) == (
        "differs at evaluation 2 (640 images): b recorded 0.0 (0x0.0p+0), now -0.0 (-0x0.0p+0)"
    )
    assert "a recorded" in first_difference(2, own, measurement(a=0.2, b=1.0))
    assert "b was measured then alone" in first_difference(2, own, measurement(a=0.1))
    assert "c was measured now alone" in first_difference(2, own, measurement(a=0.1, b=0.0, c=1.0))
    assert "it is at 700 images now" in first_difference(2, own, replace(own, images=700))


def test_a_different_end_is_said():
    end = Result(outcome="diverged", cause="loss is not finite", images=320)
    record = Record("0" * 12, tiny(), [measurement(a=1.0)], end, HOST)
    assert different_end(record, end, 1) == ""
    assert "outcome recorded 'diverged', now 'finished'" in different_end(
        record, replace(end, outcome="finished"), 1
    )
    assert "images recorded 320, now 640" in different_end(record, replace(end, images=640), 1)
    assert "evaluations recorded 1, now 2" in different_end(record, end, 2)


def test_what_was_computed_elsewhere_comes_with_a_caution():
    end = Result(outcome="finished")
    record = Record(verify.digest(tiny()), tiny(), [], end, HOST)
    assert record.cautions(HOST) == []
    other = replace(HOST, processor="another CPU", versions={"torch": "3"})
    (line,) = record.cautions(other)
    assert "torch 2, and now with 3" in line
    assert "processor a CPU, and now with another CPU" in line
    (line,) = replace(record, host=None).cautions(HOST)
    assert line.startswith("nobody noted what it ran on")
    (line,) = replace(record, name="0" * 12).cautions(HOST)
    assert "defaults or rules have changed since" in line
    assert Host(**asdict(HOST)) == HOST
