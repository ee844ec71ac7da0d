"""The losses against quadrature: a randomised claim, tested with no randomness.

A one-dimensional mixture y seen through an affine student x = μ + k y, noised by one level: nodes
of Gauss and Hermite stand for y's components and for ε, so expectations hold to rounding. The table
is the test vector of the method's notes.
"""

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from sid_sweep import spec
from sid_sweep.diffusion.mixture import Mixture
from sid_sweep.diffusion.noise import EDM, VP, Level, diffuse
from sid_sweep.distill import losses

F64 = torch.float64
NODES = 96


def tensor(*values):
    return torch.tensor(values, dtype=F64)


def gauss_hermite(num=NODES):
    """Nodes and weights of E f(n), n ~ N(0, 1)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(num)
    return torch.tensor(nodes), torch.tensor(weights / weights.sum())


TEACHER = Mixture(tensor(0.3, 0.5, 0.2), tensor(-2, 1, 3)[:, None], tensor(0.1, 0.3, 0.2))
WEIGHTS, CENTRES, VARIANCES = tensor(0.6, 0.4), tensor(-1, 0.5), tensor(0.05, 0.4)
LEVEL = Level(tensor(1.0)[:, None], tensor(0.7)[:, None])


def student(mu, k):
    """x = μ + k y is a mixture again."""
    return Mixture(WEIGHTS, (mu + k * CENTRES)[:, None], k**2 * VARIANCES)


def expectation(loss, mu, k, *, psi=None):
    """E loss(ε_φ, ε_ψ, ε) by product quadrature over y's component, y and ε."""
    nodes, weights = gauss_hermite()
    y = CENTRES[:, None] + VARIANCES.sqrt()[:, None] * nodes
    y, noise = torch.broadcast_tensors(y[:, :, None], nodes)
    weight = WEIGHTS[:, None, None] * weights[None, :, None] * weights
    noise = noise.reshape(-1, 1)
    xt = diffuse((mu + k * y).reshape(-1, 1), noise, LEVEL)
    fake = (psi or student(mu, k)).epsilon(xt, LEVEL)
    return (weight.flatten() * loss(TEACHER.epsilon(xt, LEVEL), fake, noise)).sum()


def value_and_gradient(loss, *, frozen):
    """At μ = .8, k = .6; frozen: the gradient takes ψ* for a constant."""
    mu, k = tensor(0.8).requires_grad_(), tensor(0.6).requires_grad_()
    psi = student(mu.detach(), k.detach()) if frozen else None
    value = expectation(loss, mu, k, psi=psi)
    gradients = torch.autograd.grad(value, (mu, k))
    return [float(value.detach()), *map(float, gradients)]


def l1(teacher, fake, noise):
    return losses.naive(teacher, fake)


def plane(cross, self_):
    return lambda teacher, fake, noise: losses.plane(
        teacher, fake, noise, cross=float(cross), self_=float(self_)
    )


def named(kind, **values):
    """A loss as a specification names it."""
    loss = TypeAdapter(spec.Loss).validate_python({"kind": kind, **values})
    return lambda teacher, fake, noise: losses.generator_loss(
        loss, teacher=teacher, fake=fake, noise=noise, xt=noise
    )


def sid(lam):
    return lambda teacher, fake, noise: losses.sid(teacher, fake, noise, lam=lam)


@pytest.mark.parametrize(
    ("loss", "frozen", "expected"),
    [
        pytest.param(l1, False, (0.641065275, -0.8512445, 0.2407110), id="F, total gradient"),
        pytest.param(l1, True, (0.6410653, -0.6655136, 1.0297001), id="naive"),
        pytest.param(plane(0, 0), True, (0.6410653, -0.6655136, 1.0297001), id="plane (0,0)"),
        pytest.param(plane(0.5, 1), True, (0.6410653, -0.7583790, 0.6352055), id="plane (½,1)"),
        pytest.param(plane(1, 0), True, (0.6410653, -1.1482693, 1.8169184), id="plane (1,0)"),
        pytest.param(plane(1, 1), True, (0.6410653, -0.9997569, 1.0288147), id="plane (1,1)"),
        pytest.param(plane(1, 2), True, (0.6410653, -0.8512445, 0.2407110), id="plane (1,2)"),
        pytest.param(named("middle"), True, (0.6410653, -1.1482693, 1.8169184), id="middle"),
        pytest.param(named("full"), True, (0.6410653, -0.9997569, 1.0288147), id="full"),
        pytest.param(
            named("teacher_only"), True, (0.9761518, -0.8512445, 0.9070794), id="teacher_only"
        ),
        pytest.param(sid(0.0), True, (0.6410653, -0.7583790, 0.6352055), id="L2"),
        pytest.param(sid(0.5), True, (0.3205326, -0.4256222, 0.1203555), id="λ=½"),
        pytest.param(sid(1.0), True, (0.0, -0.0928654, -0.3944945), id="λ=1"),
        pytest.param(sid(1.2), True, (-0.1282131, 0.0402373, -0.6004345), id="λ=1.2"),
    ],
)
def test_mixture_vector(loss, frozen, expected):
    assert value_and_gradient(loss, frozen=frozen) == pytest.approx(expected, abs=6e-8)


def test_half_is_half_the_exact_gradient_and_no_other_lambda_is():
    exact = np.array(value_and_gradient(l1, frozen=False)[1:])
    for lam in (0.0, 0.5, 1.0):
        gradient = np.array(value_and_gradient(sid(lam), frozen=True)[1:])
        parallel = np.allclose(2 * gradient, exact, atol=1e-10)
        assert parallel == (lam == 0.5)


@pytest.mark.parametrize(("cross", "self_"), [(0, 0), (0.5, 1), (-2, 3), (1, 2), (0.3, -0.7)])
def test_all_points_of_the_plane_have_one_value(cross, self_):
    value, *gradient = value_and_gradient(plane(cross, self_), frozen=True)
    fisher, *exact = value_and_gradient(l1, frozen=False)
    assert value == pytest.approx(fisher, rel=1e-9)
    assert np.allclose(gradient, exact, atol=1e-9) == ((cross, self_) == (1, 2))


TRIPLE = torch.randn(3, 6, 2, dtype=F64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("lam", [-0.5, 0.0, 0.5, 0.9, 1.2])
def test_sid_is_the_line_s_2c_of_the_plane(lam):
    """(L2 - λ L1)/(1 - λ) at c = 1/(2(1-λ)), s = 2c, for any numbers."""
    c = 1 / (2 * (1 - lam))
    torch.testing.assert_close(sid(lam)(*TRIPLE) / (1 - lam), plane(c, 2 * c)(*TRIPLE))


@pytest.mark.parametrize(
    ("kind", "values", "formula"),
    [
        ("naive", {}, lambda t, f, n: ((t - f) ** 2).sum(1)),
        ("middle", {}, lambda t, f, n: (t * t - 2 * t * n + f * f).sum(1)),
        ("full", {}, lambda t, f, n: (t * t - 2 * t * n + f * n).sum(1)),
        ("teacher_only", {}, lambda t, f, n: ((t - n) ** 2).sum(1)),
        ("sid", {"lambda": 0.3}, lambda t, f, n: ((t - f) * (t - n) - 0.3 * (t - f) ** 2).sum(1)),
        (
            "plane",
            {"cross": 0.2, "self": 0.7},
            lambda t, f, n: (t * t - 2 * t * (0.8 * f + 0.2 * n) + f * (0.3 * f + 0.7 * n)).sum(1),
        ),
    ],
)
def test_losses_are_their_formulas(kind, values, formula):
    torch.testing.assert_close(named(kind, **values)(*TRIPLE), formula(*TRIPLE))


def test_lambda_moves_linearly_to_its_end():
    loss = spec.losses.SidLoss.model_validate({"lambda": 1.0, "lambda_end": 0.5})
    at = [losses.scheduled_lambda(loss, progress) for progress in (0.0, 0.5, 1.0, 1.1)]
    assert at == [1.0, 0.75, 0.5, 0.5]
    assert losses.scheduled_lambda(spec.losses.SidLoss.model_validate({"lambda": 1.2}), 0.7) == 1.2


def test_reverse_kl_has_the_gradient_of_the_kl():
    """∂_μ of KL(student ‖ teacher) at one noise level, by quadrature of log densities."""
    mu, k = tensor(0.8).requires_grad_(), tensor(0.6)

    def kl():
        nodes, weights = gauss_hermite()
        own = student(mu, k)
        spread = (own.variances + LEVEL.beta.square().squeeze()).sqrt()
        xt = (own.means + spread[:, None] * nodes).reshape(-1, 1)
        weight = (WEIGHTS[:, None] * weights).flatten()
        return (weight * (own.log_density(xt, LEVEL) - TEACHER.log_density(xt, LEVEL))).sum()

    (exact,) = torch.autograd.grad(kl(), mu)
    nodes, weights = gauss_hermite()
    y = CENTRES[:, None] + VARIANCES.sqrt()[:, None] * nodes
    y, noise = torch.broadcast_tensors(y[:, :, None], nodes)
    weight = (WEIGHTS[:, None, None] * weights[None, :, None] * weights).flatten()
    xt = diffuse((mu + k * y).reshape(-1, 1), noise.reshape(-1, 1), LEVEL)
    psi = student(mu.detach(), k)
    loss = losses.reverse_kl(TEACHER.epsilon(xt, LEVEL), psi.epsilon(xt, LEVEL), xt)
    (gradient,) = torch.autograd.grad((weight * loss).sum(), mu)
    assert float(gradient) == pytest.approx(float(LEVEL.beta) * float(exact), rel=1e-6)


def test_score_identity():
    """E⟨u(x_t), ε_ψ*⟩ = E⟨u(x_t), ε⟩ for any u; not for another ψ."""
    mu, k = tensor(0.8), tensor(0.6)

    def gap(teacher, fake, noise):
        return losses.inner(teacher.sin() + teacher.square(), fake - noise)

    assert float(expectation(gap, mu, k)) == pytest.approx(0, abs=1e-9)
    assert abs(float(expectation(gap, mu, k, psi=student(mu + 0.1, k)))) > 1e-4


@pytest.mark.parametrize("process", [VP(), EDM()])
@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0, 1.2])
@pytest.mark.parametrize(
    ("m", "v", "mu", "s", "sigma"), [(1.0, 0.5, 0.2, 1.4, 0.3), (-1, 2, 1, 0.1, 2.0)]
)
def test_one_gaussian_closed_form(process, lam, m, v, mu, s, sigma):
    """∂_μ and ∂_s of L_λ in the x_0 form, (β̄/ᾱ)² times the ε form, ψ frozen at ψ*."""
    level = process.level(tensor(sigma)[:, None])
    a, b = level.alpha, level.beta
    nodes, weights = gauss_hermite()
    z, noise = (grid.reshape(-1, 1) for grid in torch.meshgrid(nodes, nodes, indexing="ij"))
    weight = (weights[:, None] * weights).flatten()
    mu_, s_ = tensor(mu).requires_grad_(), tensor(s).requires_grad_()
    xt = diffuse(mu_ + s_ * z, noise, level)
    teacher = Mixture(tensor(1.0), tensor(m)[:, None], tensor(v)).epsilon(xt, level)
    psi = Mixture(tensor(1.0), tensor(mu)[:, None], tensor(s**2))
    loss = losses.sid(teacher, psi.epsilon(xt, level), noise, lam=lam)
    value = level.sigma.square() * (weight * loss).sum()
    gradients = [float(g) for g in torch.autograd.grad(value.sum(), (mu_, s_))]
    d = float(b**2 / (a**2 * v + b**2))
    d_psi = float(b**2 / (a**2 * s**2 + b**2))
    delta = m - mu
    assert gradients == pytest.approx(
        [
            -delta * d * ((2 - 2 * lam) * d + (2 * lam - 1) * d_psi),
            -2 * s * (d_psi - d) * ((1 - lam) * d + lam * d_psi),
        ],
        rel=1e-9,
    )
    value = value.detach()
    fisher = delta**2 * d**2 + (d_psi - d) ** 2 * float(b**2 / a**2) / d_psi
    assert float(value) == pytest.approx((1 - lam) * fisher, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("shape", [(5, 2), (5, 1, 8, 8)])
def test_losses_are_per_sample(shape):
    """One number per sample, which depends on that sample alone."""
    teacher, fake, noise = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    together = losses.sid(teacher, fake, noise, lam=0.7)
    order = torch.tensor([3, 1, 0, 4, 2])
    alone = losses.sid(teacher[order], fake[order], noise[order], lam=0.7)
    assert together.shape == (5,)
    torch.testing.assert_close(alone, together[order])
