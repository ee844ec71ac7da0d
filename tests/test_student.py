"""An exported student draws what its trial's student drew, with nothing but its file."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from sid_sweep import sample, spec, teachers
from sid_sweep.distill import distill
from sid_sweep.nets.denoiser import build
from sid_sweep.streams import seeded, stream
from sid_sweep.student import OneStep, Student
from sid_sweep.trials import TrialFolder
from sid_sweep.worker.job import Job
from sid_sweep.worker.run import run

sys.path.insert(0, str(Path(__file__).parent / "distill"))
from methods import EVERY, small


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def folders(tmp_path_factory, cache):
    """A finished trial of every method, by its name, made when it is asked for."""
    made = {}

    def folder(name):
        if name not in made:
            made[name] = TrialFolder(tmp_path_factory.mktemp(name))
            job = Job(
                trial=small(name), folder=made[name], cache=cache, checkpoint_seconds=1e9, threads=1
            )
            run(job, lambda figures: None)
        return made[name]

    return folder


@pytest.mark.parametrize("name", EVERY)
def test_every_finished_trial_exports_a_student_that_draws(folders, name):
    student = Student.load(folders(name).student)
    assert student.trial == small(name)
    samples = student.sample(32, seed=3)
    assert samples.shape == (32, 2)
    assert torch.equal(samples, Student.load(folders(name).student).sample(32, seed=3))
    assert not torch.equal(samples, student.sample(32, seed=4))


@pytest.mark.parametrize("name", EVERY)
def test_an_exported_student_draws_what_its_trials_student_drew(folders, cache, name):
    """On one stream of latents, from the first noise level to the last: bitwise, but for low-rank
    additions, which are added to the weights before and not to the outputs after."""
    *_, last = distill(small(name), cache=cache)
    latents = torch.randn(64, 2, generator=stream("test"))
    expected = last.student.draw(latents, random=stream("test"))
    drawn = Student.load(folders(name).student).draw(latents, random=stream("test"))
    if name == "lora":
        torch.testing.assert_close(drawn, expected)
    else:
        assert torch.equal(drawn, expected)


def test_a_student_that_begins_at_another_level_is_noticed(folders, cache, monkeypatch):
    """The test above can fail: with another σ_init the same weights draw something else."""
    *_, last = distill(small("sid"), cache=cache)
    monkeypatch.setattr("sid_sweep.student.sampling", lambda trial: OneStep(1.0))
    latents = torch.randn(64, 2, generator=stream("test"))
    drawn = Student.load(folders("sid").student).draw(latents, random=stream("test"))
    assert not torch.allclose(drawn, last.student.draw(latents, random=stream("test")))


def test_it_needs_neither_teacher_nor_data(folders, monkeypatch):
    def absent(*args, **options):
        raise AssertionError("a student asked for its teacher")

    path = folders("lora").student
    monkeypatch.setattr(teachers, "load", absent)
    assert Student.load(path).sample(4).shape == (4, 2)


DIGITS = {"data": {"kind": "digits"}, "teacher": {"kind": "trained"}}


def conditional():
    """A student of three classes, untrained, its networks stirred so that classes differ."""
    values = {"kind": "unet", "channels": 8}
    made = {"net": values, "shape": [1, 8, 8], "sigma_data": 0.5, "num_classes": 3}
    with seeded("test"):
        denoiser = build(spec.nets.Blueprint.model_validate(made))
    random = torch.Generator().manual_seed(0)
    for weights in denoiser.parameters():
        weights.data += 0.1 * torch.randn(weights.shape, generator=random)
    device = torch.device("cpu")
    return Student(small("sid", **DIGITS), (1, 8, 8), 0.5, denoiser, OneStep(2.5), device, 3)


def test_a_student_draws_the_classes_that_it_is_asked_for(tmp_path):
    """By file too; where none is named they are drawn uniformly, and the latents stay the same."""
    conditional().save(tmp_path / "s.safetensors")
    student = Student.load(tmp_path / "s.safetensors")
    assert student.num_classes == 3
    each = torch.stack([student.sample(64, labels=label) for label in range(3)])
    mixed = torch.arange(64) % 3
    torch.testing.assert_close(student.sample(64, labels=mixed), each[mixed, torch.arange(64)])
    nearest = (student.sample(64) - each).flatten(2).norm(dim=2).argmin(0)
    assert nearest.bincount(minlength=3).min() > 64 / 3 - 5 * math.sqrt(64 * 2 / 9)
    for wrong, sentence in ((3, "class 3: classes are 0 to 2"), (-1, "class -1")):
        with pytest.raises(ValueError, match=sentence):
            student.sample(4, labels=wrong)
    with pytest.raises(ValueError, match="2 labels for 4 samples"):
        student.sample(4, labels=torch.tensor([0, 1]))


def test_an_unconditional_student_has_no_classes(folders):
    with pytest.raises(ValueError, match="no classes to choose from"):
        Student.load(folders("sid").student).sample(4, labels=0)


def test_the_command_draws_a_picture_and_an_array(folders, tmp_path, capsys):
    run = str(folders("sid").path)
    assert sample.main([run, "--num", "64", "--out", str(tmp_path / "a" / "grid.png")]) == 0
    with Image.open(tmp_path / "a" / "grid.png") as picture:
        assert picture.size == (256, 256)
    assert "64 samples [2]" in capsys.readouterr().out
    assert sample.main([run, "--num", "10", "--seed", "5", "--out", str(tmp_path / "x.npz")]) == 0
    with np.load(tmp_path / "x.npz") as archive:
        expected = Student.load(folders("sid").student).sample(10, seed=5)
        np.testing.assert_array_equal(archive["samples"], expected)
        assert json.loads(str(archive["trial"]))["method"]["kind"] == "sid"


def test_the_command_draws_a_folder_of_pictures_of_one_class(tmp_path):
    conditional().save(tmp_path / "s.safetensors")
    drawn = [str(tmp_path / "s.safetensors"), "--num", "3", "--class", "2", "--out"]
    assert sample.main([*drawn, str(tmp_path / "drawn")]) == 0
    expected = conditional().sample(3, labels=2)
    for number, wanted in enumerate(expected):
        with Image.open(tmp_path / "drawn" / f"{number:05}.png") as picture:
            seen = torch.from_numpy(np.array(picture)) / 127.5 - 1
        assert (seen - wanted[0].clamp(-1, 1)).abs().max() <= 0.5 / 127.5 + 1e-6
    assert sample.main([*drawn, str(tmp_path / "drawn")]) == 2  # pictures are not mixed up
    assert sample.main([*drawn[:3], "--out", str(tmp_path / "x.npz")]) == 0
    with np.load(tmp_path / "x.npz") as archive:
        own = torch.from_numpy(archive["labels"])
        torch.testing.assert_close(
            torch.from_numpy(archive["samples"]), conditional().sample(3, labels=own)
        )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.safetensors"], "there is no such file"),
        (["HERE", "--num", "0"], "draw at least one sample"),
        (["HERE", "--out", "x.jpg"], "name a .png picture, an .npz array or a folder"),
        (["HERE", "--device", "gpu9"], "--device gpu9"),
        (["HERE", "--out", "folder"], "points are no pictures"),
        (["HERE", "--class", "3"], "no classes to choose from"),
        (["HERE", "--format", "diffusers", "--out", "folder"], "none of diffusers' own"),
        (["foreign.safetensors"], "holds nothing of sid_sweep"),
        (["text.safetensors"], "is no safetensors file"),
        (["no-such-sweep"], "no sweep 'no-such-sweep'"),
        (["0123456789abcdef0123456789abcdef"], "0123456789abcdef0123456789abcdef"),
    ],
)
def test_bad_input_is_one_line(folders, tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    save_file({"w": torch.zeros(1)}, "foreign.safetensors")
    Path("text.safetensors").write_text("no")
    here = str(folders("sid").student)
    assert sample.main([here if word == "HERE" else word for word in arguments]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
