"""Schedules at their ends, and Adam against torch's own."""

import copy

import pytest
import torch

from sid_sweep import spec
from sid_sweep.nets.optim import Optimiser, learning_rate

BUDGET = 1000


@pytest.mark.parametrize(
    ("decay", "at"),
    [
        ("constant", {0: 0.1, 500: 0.1, 1000: 0.1}),
        ("linear", {0: 0.1, 500: 0.05, 750: 0.025, 1000: 0.0, 1064: 0.0}),
        ("cosine", {0: 0.1, 250: 0.1 * (2 + 2**0.5) / 4, 500: 0.05, 1000: 0.0, 1064: 0.0}),
    ],
)
def test_the_rate_falls_over_the_budget(decay, at):
    adam = spec.nets.Adam(lr=0.1, decay=decay)
    rates = {images: learning_rate(adam, images, budget_images=BUDGET) for images in at}
    assert rates == pytest.approx(at, abs=1e-16)


def test_the_rate_rises_linearly_over_the_warm_up():
    adam = spec.nets.Adam(lr=0.1, warmup_images=200)
    rates = [learning_rate(adam, images, budget_images=BUDGET) for images in (0, 99, 199, 200, 999)]
    assert rates == pytest.approx([0.1 / 200, 0.05, 0.1, 0.1, 0.1])


def problem():
    """Two groups of parameters and a loss that has both."""
    random = torch.Generator().manual_seed(0)
    weights = torch.randn(2, 7, generator=random, dtype=torch.float64)
    return [
        torch.nn.Parameter(w) for w in weights
    ], lambda a, b: (a.sin() * b.exp()).sum() + a.pow(4).sum()


@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_a_step_is_torchs_adam(clip_norm):
    adam = spec.nets.Adam(
        lr=0.05, beta1=0.5, eps=1e-6, decay="cosine", warmup_images=100, clip_norm=clip_norm
    )
    (a, b), loss = problem()
    ours = Optimiser([a], adam, budget_images=BUDGET)
    c = a.detach().clone().requires_grad_()
    reference = torch.optim.Adam([c], betas=(0.5, 0.999), eps=1e-6, foreach=False)
    for images in range(0, BUDGET, 50):
        ours.descend(loss(a, b), images)
        reference.zero_grad()
        loss(c, b.detach()).backward()
        if clip_norm is not None:
            c.grad *= min(1, clip_norm / float(c.grad.norm()))
        reference.param_groups[0]["lr"] = learning_rate(adam, images, budget_images=BUDGET)
        reference.step()
    torch.testing.assert_close(a, c, rtol=1e-5, atol=0)  # clip_grad_norm_ divides by norm + 1e-6
    if clip_norm is None:
        torch.testing.assert_close(a, c, rtol=1e-12, atol=0)


def test_only_its_own_parameters_move():
    (a, b), loss = problem()
    before = a.detach().clone(), b.detach().clone()
    Optimiser([a], spec.nets.Adam(), budget_images=BUDGET).descend(loss(a, b), 0)
    assert not torch.equal(a, before[0])
    assert torch.equal(b, before[1])
    assert b.grad is None


def test_moments_go_on_from_a_state():
    (a, b), loss = problem()
    first = Optimiser([a], spec.nets.Adam(beta1=0.9), budget_images=BUDGET)
    first.descend(loss(a, b), 0)
    c = copy.deepcopy(a)
    second = Optimiser([c], spec.nets.Adam(beta1=0.9), budget_images=BUDGET)
    forgetful = copy.deepcopy(a)
    second.load(copy.deepcopy(first.state()))
    for optimiser, weights in ((first, a), (second, c)):
        optimiser.descend(loss(weights, b), 50)
    Optimiser([forgetful], spec.nets.Adam(beta1=0.9), budget_images=BUDGET).descend(
        loss(forgetful, b), 50
    )
    assert torch.equal(a, c)
    assert not torch.equal(a, forgetful)


def test_continuing_leaves_the_given_state_alone():
    weights = torch.nn.Parameter(torch.ones(3))
    first, second = (Optimiser([weights], spec.nets.Adam(), budget_images=10) for _ in range(2))
    first.descend(weights.square().sum(), 0)
    given = copy.deepcopy(first.state())
    before = copy.deepcopy(given)
    second.load(given)
    second.descend(weights.square().sum(), 1)
    assert torch.equal(given[0]["exp_avg_sq"], before[0]["exp_avg_sq"])
