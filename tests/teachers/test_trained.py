"""Trained teachers: they learn, alike every time, once, under the name of all that made them."""

import numpy as np
import pytest
import torch

from sid_sweep import spec, teachers
from sid_sweep.data import Source, mixture, source
from sid_sweep.diffusion.noise import EDM, VP
from sid_sweep.distill.build import build
from sid_sweep.distill.method import Setting
from sid_sweep.foreign.cached import teacher_file, teacher_name
from sid_sweep.spec import Trial
from sid_sweep.teachers import trained


def trial(**changes):
    """A small teacher of the ring; changes go to the teacher."""
    teacher = {"kind": "trained", "net": {"width": 16, "depth": 1}, "images": 2560, "batch": 128}
    return Trial.model_validate({"data": {"kind": "mixture"}, "teacher": teacher | changes})


def mean_error(epsilon):
    """E‖ε - ε*‖² on the ring at σ = 0.5."""
    random, exact = torch.Generator().manual_seed(0), mixture(trial().data).to("cpu", torch.float32)
    level = VP().level(torch.full((2000, 1), 0.5))
    xt = level.alpha * exact.sample(2000, generator=random)
    xt = xt + level.beta * torch.randn(2000, 2, generator=random)
    with torch.no_grad():
        return float((epsilon(xt, level) - exact.epsilon(xt, level)).square().sum(1).mean())


def test_an_exact_teacher_is_the_mixture(tmp_path):
    exact = teachers.load(Trial.model_validate({"data": {"kind": "mixture"}}), cache=tmp_path)
    assert mean_error(exact.epsilon) == 0
    assert exact.denoiser is None
    assert exact.shape == (2,)
    assert exact.sigma_data == pytest.approx(1.98**0.5 / 2**0.5, rel=1e-12)
    assert list(tmp_path.iterdir()) == []


def test_training_nears_the_exact_denoiser(tmp_path):
    short = teachers.load(trial(images=128), cache=tmp_path)
    long = teachers.load(trial(images=128 * 300, optim={"lr": 0.02}), cache=tmp_path)
    assert mean_error(long.epsilon) < mean_error(short.epsilon) / 3


def test_training_is_deterministic_and_happens_once(tmp_path):
    one, other, reports = tmp_path / "one", tmp_path / "other", []
    for cache in (one, other):
        teachers.load(trial(), cache=cache, report=lambda *report: reports.append(report))
    name = teacher_name(trial())
    path = teacher_file(name, one)
    assert path.read_bytes() == teacher_file(name, other).read_bytes()
    assert [images for images, _, _ in reports] == [0, 2560] * 2
    before = path.stat().st_mtime_ns
    again = teachers.load(trial(), cache=one, report=lambda *report: reports.append(report))
    assert path.stat().st_mtime_ns == before
    assert len(reports) == 4
    assert not any(weights.requires_grad for weights in again.denoiser.parameters())


def test_the_name_is_a_digest_of_all_that_decides_the_weights():
    base = trial()
    others = [
        trial(images=2561),
        trial(seed=1),
        trial(optim={"lr": 0.002}),
        trial(net={"width": 17}),
    ]
    values = base.model_dump(by_alias=True)
    others.append(Trial.model_validate(values | {"noise": {"kind": "edm"}}))
    others.append(Trial.model_validate(values | {"data": {"kind": "mixture", "radius": 1.5}}))
    assert len({teacher_name(other) for other in [base, *others]}) == 7
    student = values | {"seed": 1, "loss": {"kind": "naive"}, "budget": {"images": 10}}
    assert teacher_name(Trial.model_validate(student)) == teacher_name(base)


def test_the_name_follows_what_the_pictures_are_not_where_they_lie(tmp_path):
    values = trial().model_dump(by_alias=True)

    def named(pixels, file):
        np.save(tmp_path / file, np.full((2, 8, 8), pixels, np.uint8))
        data = {"kind": "images", "path": str(tmp_path / file)}
        return teacher_name(Trial.model_validate(values | {"data": data}))

    assert named(1, "a.npy") == named(1, "b.npy")
    assert named(2, "a.npy") != named(1, "b.npy")


def test_a_teacher_that_diverges_says_what_to_do(tmp_path):
    with pytest.raises(FloatingPointError, match=r"lower teacher\.optim\.lr"):
        teachers.load(trial(optim={"lr": 1e30}), cache=tmp_path)
    assert list(tmp_path.rglob("*.safetensors")) == []


def test_a_student_starts_from_the_teacher_and_leaves_it_alone(tmp_path):
    values = trial().model_dump(by_alias=True)
    values["generator"]["init"] = values["fake_score"]["init"] = {"kind": "teacher"}
    started = Trial.model_validate(values)
    teacher = teachers.load(started, cache=tmp_path)
    before = [weights.clone() for weights in teacher.denoiser.parameters()]
    method = build(Setting(started, teacher, source(started.data)))
    for network in (method.generator, method.fake_score):
        assert all(map(torch.equal, network.parameters(), before))
    method.step(0)
    assert not all(map(torch.equal, method.generator.parameters(), before))
    assert all(map(torch.equal, teacher.denoiser.parameters(), before))


@pytest.mark.slow
def test_a_convolutional_teacher_learns_digits(tmp_path):
    """A U-Net denoises unseen noise on digits far better than its first steps do, and is small."""
    net = {"kind": "unet", "channels": 8, "attention_resolutions": [4]}
    errors = []
    for images in (64, 64 * 150):
        values = {"kind": "trained", "net": net, "images": images, "batch": 64}
        digits = Trial.model_validate(
            {"data": {"kind": "digits"}, "noise": {"kind": "edm"}, "teacher": values}
        )
        teacher = teachers.load(digits, cache=tmp_path)
        random = torch.Generator().manual_seed(0)
        x0 = source(digits.data).draw(512, generator=random)
        noise = torch.randn(x0.shape, generator=random)
        level = EDM().level(torch.full((512, 1, 1, 1), 0.5))
        with torch.no_grad():
            error = teacher.epsilon(x0 + 0.5 * noise, level) - noise
        errors.append(float(error.square().mean()))
    assert errors[1] < 0.6 * errors[0]


@pytest.mark.slow
def test_a_teacher_is_told_the_classes_that_the_data_have_for_networks():
    """Two classes, grey pictures of one brightness each: told which, it denoises them from pure
    noise; told the other, it denoises to the other."""
    brightness = torch.tensor([-0.5, 0.5])

    def labelled(num, *, generator):
        labels = torch.randint(2, (num,), generator=generator)
        return brightness[labels].view(-1, 1, 1, 1).expand(num, 1, 4, 4), labels

    told = Source((1, 4, 4), 0.5, lambda *a, **k: None, num_classes=2, labelled=labelled)
    net = {"kind": "unet", "channels": 8, "attention_resolutions": [], "dropout": 0.1}
    optim = {"lr": 0.01, "beta1": 0.9}
    made = spec.TrainedTeacher.model_validate(
        {"kind": "trained", "net": net, "images": 64 * 150, "batch": 64, "optim": optim}
    )
    first, again = (trained.train(spec.noise.EDM(kind="edm"), made, told) for _ in range(2))
    assert all(map(torch.equal, first.parameters(), again.parameters()))  # dropout has a name
    level = EDM().level(torch.full((2, 1, 1, 1), 10.0))
    with torch.no_grad():
        x = 10 * torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
        means = first.denoise(x.expand(2, -1, -1, -1), level, torch.tensor([0, 1])).mean((1, 2, 3))
    torch.testing.assert_close(means, brightness, rtol=0, atol=0.2)


class Stop(Exception):
    """An interruption."""


def stop_at(images):
    def report(done, total, loss):
        if done >= images:
            raise Stop

    return report


@pytest.fixture
def always(monkeypatch):
    """A look and a checkpoint at every step."""
    monkeypatch.setattr(trained, "REPORT_STEPS", 1)
    monkeypatch.setattr(trained, "CHECKPOINT_SECONDS", 0.0)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("ema", [{}, {"ramp_up": 0.05}])
def test_training_that_was_interrupted_goes_on_bitwise_as_if_it_had_never_stopped(tmp_path, ema):
    """From its last checkpoint, which is gone once the teacher is there."""
    own, seen = trial(ema=ema), []
    straight = teachers.load(own, cache=tmp_path / "straight")
    with pytest.raises(Stop):
        teachers.load(own, cache=tmp_path / "cut", report=stop_at(1280))
    path = teacher_file(teacher_name(own), tmp_path / "cut")
    assert path.with_suffix(".checkpoint.pt").exists()
    assert not path.exists()
    teacher = teachers.load(
        own, cache=tmp_path / "cut", report=lambda images, *more: seen.append(images)
    )
    assert seen[0] == 1280
    pairs = (straight.denoiser.parameters(), teacher.denoiser.parameters())
    assert all(map(torch.equal, *pairs))
    assert {p.suffix for p in path.parent.iterdir()} == {".safetensors", ".lock"}


@pytest.mark.usefixtures("always")
def test_a_damaged_checkpoint_of_a_teacher_is_set_aside_and_training_begins_again(tmp_path):
    with pytest.raises(Stop):
        teachers.load(trial(), cache=tmp_path, report=stop_at(1280))
    (path,) = tmp_path.rglob("*.checkpoint.pt")
    content = path.read_bytes()[:-100]
    path.write_bytes(content)
    seen = []
    teachers.load(trial(), cache=tmp_path, report=lambda images, *more: seen.append(images))
    assert seen[0] == 0
    assert path.with_name(f"{path.name}.damaged").read_bytes() == content


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_teacher_is_set_aside_and_trained_again(tmp_path, damage):
    """None: another network's weights."""
    first = teachers.load(trial(), cache=tmp_path)
    path = teacher_file(teacher_name(trial()), tmp_path)
    if damage is None:
        other = trial(net={"width": 8, "depth": 1})
        teachers.load(other, cache=tmp_path)
        damage = teacher_file(teacher_name(other), tmp_path).read_bytes()
    path.write_bytes(damage)
    again = teachers.load(trial(), cache=tmp_path)
    assert all(map(torch.equal, again.denoiser.parameters(), first.denoiser.parameters()))
    assert path.with_name(f"{path.name}.damaged").read_bytes() == damage
