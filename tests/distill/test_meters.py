"""Means by bin, and importance undone within them."""

import pytest
import torch

from sid_sweep.distill.meters import Meters, Monitor


def test_means_of_all_and_by_bin():
    meters = Meters(["a", "b"], bins=["low", "high", "empty"])
    values = torch.tensor([[1.0, 2.0, 6.0], [0.0, 0.0, 3.0]])
    meters.add(values, bins=torch.tensor([0, 0, 1]))
    assert meters.means() == {
        "a": 3.0, "a/low": 1.5, "a/high": 6.0, "b": 1.0, "b/low": 0.0, "b/high": 3.0,
    }  # fmt: skip


def test_ratios_undo_importance():
    """Values 1 and 5 stand for halves of a bin; the second was drawn three times as often."""
    meters = Meters(["a"], bins=["all"])
    values, ratio = torch.tensor([[1.0, 5.0, 5.0, 5.0]]), torch.tensor([2.0, 2 / 3, 2 / 3, 2 / 3])
    meters.add(values, ratio=ratio, bins=torch.zeros(4, dtype=torch.long))
    assert meters.means() == pytest.approx({"a": 3.0, "a/all": 3.0})


def test_several_batches_are_one_and_a_reset_forgets():
    meters = Meters(["a"])
    meters.add(torch.tensor([[1.0, 2.0]]))
    meters.add(torch.tensor([[6.0]]))
    assert meters.means() == {"a": 3.0}
    meters.reset()
    assert meters.means() == {}


def test_what_is_not_finite_shows():
    meters = Meters(["a", "b"])
    meters.add(torch.tensor([[1.0], [2.0]]))
    assert bool(meters.total == 0)
    meters.add(torch.tensor([[1.0], [float("inf")]]))
    assert not bool(meters.total.isfinite())


def test_samples_beyond_a_hundred_deviations_of_the_data_are_named_in_words():
    monitor = Monitor()
    monitor.note_samples(torch.tensor([[1.0, -199.0]]))
    assert monitor.trouble(sigma_data=2.0) == ""
    monitor.note_samples(torch.tensor([[-201.0, 0.0]]))
    assert monitor.trouble(sigma_data=2.0) == "samples left the data's range (100 σ)"
