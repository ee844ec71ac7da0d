"""A gradient that overflows costs its step and is counted; the rest is as without a factor."""

import pytest
import torch

from sid_sweep import spec
from sid_sweep.nets import loss_scale
from sid_sweep.nets.loss_scale import LossScale
from sid_sweep.nets.optim import Optimiser


def optimiser(weights, scale):
    adam = spec.nets.Adam(lr=0.1, beta1=0.9)
    return Optimiser([weights], adam, budget_images=100, scale=scale)


def test_a_power_of_two_changes_no_bit_of_a_step():
    ends = []
    for scale in (None, LossScale()):
        weights = torch.nn.Parameter(torch.tensor([0.3, -1.7]))
        own = optimiser(weights, scale)
        for images in range(5):
            own.descend(weights.pow(4).sum(), images)
        ends.append(weights.detach().clone())
    assert torch.equal(*ends)


def test_an_overflow_skips_its_step_and_halves_the_factor():
    weights, scale = torch.nn.Parameter(torch.ones(2)), LossScale()
    own = optimiser(weights, scale)
    own.descend((weights * float("inf")).sum(), 0)
    assert weights.tolist() == [1, 1]
    assert float(scale.skipped) == 1
    assert float(scale.factor) == loss_scale.FIRST / 2
    own.descend(weights.sum(), 1)
    assert float(scale.skipped) == 0
    assert weights.tolist() == pytest.approx([0.9, 0.9])  # the moments began with this step


def test_many_good_steps_double_the_factor_up_to_its_bound(monkeypatch):
    monkeypatch.setattr(loss_scale, "GOOD_STEPS", 3)
    monkeypatch.setattr(loss_scale, "LARGEST", 2 * loss_scale.FIRST)
    scale = LossScale()
    found = []
    for _ in range(9):
        scale.undo([torch.ones(2)])
        found.append(float(scale.factor) / loss_scale.FIRST)
    assert found == [1, 1, 2, 2, 2, 2, 2, 2, 2]


def test_the_factor_goes_on_from_a_state():
    first, second = LossScale(), LossScale()
    first.undo([torch.tensor([float("nan")])])
    second.load(first.state())
    assert torch.equal(first.factor, second.factor)
