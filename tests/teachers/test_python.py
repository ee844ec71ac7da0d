"""A denoiser of the user's own code is a teacher like any other, and its code runs only when asked
for."""

import textwrap

import pytest
import torch

from sid_sweep import teachers
from sid_sweep.data import mixture, source
from sid_sweep.diffusion.noise import VP
from sid_sweep.distill.build import build
from sid_sweep.distill.method import Setting
from sid_sweep.spec import Trial
from sid_sweep.student import Student

CODE = """
import torch
from torch import nn

class Ring:
    "The exact denoiser of eight Gaussians on a circle, as a plain function."
    shape, sigma_data = (2,), 1.0

    def __init__(self, radius, deviation):
        angles = torch.arange(8) * torch.pi / 4
        self.means = radius * torch.stack([angles.cos(), angles.sin()], 1)
        self.deviation = deviation

    def __call__(self, x, sigma, labels=None):
        variance, noise = self.deviation**2, sigma[:, None] ** 2
        shares = torch.softmax(-torch.cdist(x, self.means) ** 2 / 2 / (variance + noise), 1)
        mean = shares @ self.means
        return mean + variance / (variance + noise) * (x - mean)

class Affine(nn.Module):
    shape, sigma_data = (2,), 1.0

    def __init__(self, scale=0.5):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        nn.init.eye_(self.linear.weight)
        self.scale = scale

    def forward(self, x, sigma, labels=None):
        return self.scale * self.linear(x)

class Classes(Affine):
    num_classes = 3

    def forward(self, x, sigma, labels):
        return x + labels[:, None]

class Attending(Affine):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(2, 1)

    def forward(self, x, sigma, labels=None):
        return self.attention(x[None], x[None], x[None])[0][0]

class Shapeless:
    sigma_data = 1.0
    def __call__(self, x, sigma):
        return x

def ring(radius=1.4, deviation=0.1): return Ring(radius, deviation)
def no_gradient():
    made = Affine()
    made.forward = torch.no_grad()(made.forward)
    return made
def number(): return 3
def fails(): raise RuntimeError("no weights\\nhere")
def not_finite(): return Affine(float("nan"))
def flat():
    made = Affine()
    made.forward = lambda x, sigma: x.flatten()
    return made
"""


@pytest.fixture
def code(tmp_path):
    path = tmp_path / "research_denoisers.py"
    path.write_text(textwrap.dedent(CODE))
    return path


def trial(code, name, arguments=None, **changes):
    teacher = {"kind": "python", "factory": f"{code}:{name}", "arguments": arguments or {}}
    small = {"budget": {"images": 32}, "batch": {"latents": 16}}
    return Trial.model_validate({"data": {"kind": "mixture"}, "teacher": teacher} | small | changes)


INIT = {"init": {"kind": "teacher"}}
LORA = {"init": {"kind": "teacher", "lora": {"rank": 2}}}


def test_what_denoises_is_the_exact_teacher_by_another_way(code, tmp_path):
    own = trial(code, "ring", {"radius": 1.4, "deviation": 0.1})
    teachers.check(own, cache=tmp_path / "cache")
    ours = teachers.load(own, cache=tmp_path / "cache")
    exact = mixture(own.data).to("cpu", torch.float32)
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    for sigma in (0.05, 0.5, 5.0):
        level = VP().level(torch.full((50, 1), sigma))
        ε, wanted = ours.epsilon(level.alpha * x, level), exact.epsilon(level.alpha * x, level)
        torch.testing.assert_close(ε, wanted, rtol=1e-4, atol=1e-4)
    assert not (tmp_path / "cache").exists()


def test_a_module_is_named_as_python_names_it(code, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(code.parent))
    own = trial("research_denoisers", "Affine", {"scale": 0.25})
    one, again = (teachers.load(own, cache=tmp_path).denoiser for _ in range(2))
    x, level = torch.zeros(1, 2), VP().level(torch.ones(1, 1))
    bias = one.net.function.linear.bias
    torch.testing.assert_close(one.denoise(x, level), 0.25 * bias[None])
    assert torch.equal(bias, again.net.function.linear.bias)  # drawn at random, alike every time


def test_its_classes_are_told(code, tmp_path):
    own = trial(code, "Classes")
    teachers.check(own, cache=tmp_path)
    teacher = teachers.load(own, cache=tmp_path)
    assert teacher.num_classes == 3
    level = VP().level(torch.full((2, 1), 1.0))
    denoised = teacher.denoiser.denoise(torch.zeros(2, 2), level, torch.tensor([0, 2]))
    assert denoised.tolist() == [[0, 0], [2, 2]]


def test_a_student_that_began_there_is_read_only_where_its_code_is_trusted(code, tmp_path):
    own = trial(code, "Affine", generator=INIT, fake_score=LORA)
    teachers.check(own, cache=tmp_path)
    method = build(Setting(own, teachers.load(own, cache=tmp_path), source(own.data)))
    method.step(0)
    file = tmp_path / "student.safetensors"
    method.student.save(file)
    marker = tmp_path / "ran"
    code.write_text(code.read_text() + f"\nopen({str(marker)!r}, 'w').close()\n")
    with pytest.raises(ValueError, match=r"research_denoisers\.py:Affine, .* trust_code=True"):
        Student.load(file)
    assert not marker.exists()
    trusted = Student.load(file, trust_code=True)
    assert marker.exists()
    torch.testing.assert_close(trusted.sample(4), method.student.sample(4).detach())


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("nowhere", {}, "has no function nowhere"),
        ("number", {}, "returns int, which cannot be called"),
        ("fails", {}, "fails: RuntimeError: no weights$"),
        ("Ring", {}, "fails: TypeError: missing a required argument: 'radius'"),
        ("Shapeless", {}, "has no shape"),
        ("not_finite", {}, "it makes NaN or infinity"),
        ("flat", {}, r"of \[2, 2\] it makes \[4\]"),
        ("no_gradient", {}, "no gradient flows through it"),
        ("ring", {"generator": INIT}, "it has no weights for a student to begin with"),
        ("Attending", {"fake_score": LORA}, "takes no low-rank additions"),
        ("Affine", {"data": {"kind": "digits"}}, "of shape 2, and those of data.kind = digits"),
    ],
)
def test_what_is_no_denoiser_for_the_trial_is_refused_in_one_line(
    code, tmp_path, name, changes, reason
):
    with pytest.raises(ValueError, match=reason) as caught:
        teachers.check(trial(code, name, **changes), cache=tmp_path / "cache")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("no_such_module_of_mine", "no_such_module_of_mine cannot be imported: ModuleNotFound"),
        ("no/such/file.py", "cannot be imported: FileNotFoundError"),
    ],
)
def test_code_that_is_not_there_is_refused_in_one_line(tmp_path, place, reason):
    with pytest.raises(ValueError, match=reason):
        teachers.check(trial(place, "net"), cache=tmp_path)
