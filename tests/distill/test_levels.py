"""Importance sampling: unbiased for any probabilities, and less noisy where it should be."""

import pytest
import torch

from sid_sweep import spec
from sid_sweep.diffusion import noise as diffusion
from sid_sweep.distill.levels import Draw, Levels, stratify

F64 = torch.float64
PROBABILITIES = torch.tensor([0.1, 0.4, 0.2, 0.3], dtype=F64)


def levels(**importance):
    part = spec.FakeScore(importance=spec.noise.Importance(**importance))
    return Levels(part, diffusion.VP())


def test_stratified_numbers_have_the_density_of_their_bin():
    """The map is piecewise linear and onto, its slope the inverse of K p_k: the factor."""
    u = (torch.arange(10_000, dtype=F64) + 0.5) / 10_000
    moved, factor = stratify(u, PROBABILITIES)
    assert (moved.diff() > 0).all()
    shares = torch.histc(moved, bins=4, min=0, max=1) / len(u)
    torch.testing.assert_close(shares, PROBABILITIES, atol=2e-4, rtol=0)
    inside = (moved[1:] * 4).long() == (moved[:-1] * 4).long()
    torch.testing.assert_close((moved.diff() * 1e4)[inside], factor[1:][inside])


@pytest.mark.parametrize("power", [0, 1, 3])
def test_importance_is_unbiased(power):
    """E factor · f(u') = E f(u) by the midpoint rule, for probabilities that suit f or not."""
    u = (torch.arange(100_000, dtype=F64) + 0.5) / 100_000
    moved, factor = stratify(u, PROBABILITIES)
    exact = 1 / (power + 1)
    assert float((factor * moved**power).mean()) == pytest.approx(exact, abs=1e-5)
    if power:
        assert abs(float((moved**power).mean()) - exact) > 0.01  # without the factor, it is not


def test_probabilities_learn_the_root_mean_square_of_the_loss():
    own = levels(bins=2, uniform_fraction=0.2, half_life_images=1e9)
    assert own.probabilities().tolist() == pytest.approx([0.5, 0.5])
    uniforms = torch.tensor([0.1, 0.2, 0.9])
    own.note(Draw(diffusion.VP().level(uniforms), None, uniforms), torch.tensor([1.0, 7.0, 1.0]))
    own.learn(3)
    root = (25.0, 1.0)  # mean squares: 5² and 1
    expected = [0.8 * size**0.5 / 6 + 0.1 for size in root]
    assert own.probabilities().tolist() == pytest.approx(expected)


def test_an_unseen_bin_counts_like_the_mean_of_the_others():
    own = levels(bins=4, uniform_fraction=0.001)
    uniforms = torch.tensor([0.1, 0.3])
    own.note(Draw(diffusion.VP().level(uniforms), None, uniforms), torch.tensor([1.0, 3.0]))
    own.learn(2)
    assert own.probabilities().tolist() == pytest.approx([1 / 8, 3 / 8, 2 / 8, 2 / 8], abs=1e-3)


def test_importance_lowers_the_variance_of_a_spread_loss():
    """At the learnt probabilities, the variance of factor · loss is below that of loss."""

    def loss(u):
        return 100 * (u > 0.9) + u

    own, random = levels(bins=10, uniform_fraction=0.05), torch.Generator().manual_seed(0)
    for _ in range(50):
        draw = own.draw(torch.rand(256, generator=random), dims=1)
        own.note(draw, loss(draw.uniforms))
        own.learn(256)
    u = (torch.arange(100_000, dtype=torch.float32) + 0.5) / 100_000
    moved, factor = stratify(u, own.probabilities())
    weighted = factor * loss(moved)
    assert float(weighted.mean()) == pytest.approx(float(loss(u).mean()), rel=1e-3)
    assert float(weighted.var()) < 0.05 * float(loss(u).var())


def test_old_losses_are_forgotten():
    own = levels(bins=2, half_life_images=100.0)
    uniforms = torch.full((100,), 0.1)
    draw = Draw(diffusion.VP().level(uniforms), None, uniforms)
    for value in (4.0, 2.0):
        own.note(draw, torch.full((100,), value))
        own.learn(100)
    mean_square = (0.5 * 16 + 4) / 1.5
    state = own.state()
    assert float(state["squares"][0] / state["counts"][0]) == pytest.approx(mean_square)
