"""Precision and recall: of a set with itself, of sets apart, and counted by hand."""

import torch

from sid_sweep.quality import neighbours
from sid_sweep.quality.neighbours import covered, radii


def points(num, *, seed, shift=0.0):
    return torch.randn(num, 6, generator=torch.Generator().manual_seed(seed)) + shift


def by_hand(own, centres, k=3):
    """Kynkäänniemi et al. 2019, eq. 1 and 2, a pair at a time."""
    inside = 0
    for x in own.double():
        for centre in centres.double():
            reach = sorted(float((other - centre).norm()) for other in centres.double())[k]
            if float((x - centre).norm()) <= reach:
                inside += 1
                break
    return inside / len(own)


def test_a_set_lies_in_its_own_balls():
    own = points(200, seed=0)
    assert covered(own, own, radii(own)) == 1


def test_sets_apart_share_nothing():
    own, far = points(100, seed=0), points(100, seed=1, shift=100.0)
    assert covered(own, far, radii(far)) == covered(far, own, radii(own)) == 0


def test_it_counts_as_by_hand(monkeypatch):
    monkeypatch.setattr(neighbours, "CHUNK", 7)
    own, real = points(40, seed=2, shift=0.7), points(30, seed=3)
    share = covered(own, real, radii(real))
    assert share == by_hand(own, real)
    assert 0.1 < share < 0.9
    assert covered(real, own, radii(own)) == by_hand(real, own)


def test_a_part_of_the_data_is_precise_and_recalls_a_part():
    """Half of the modes: all that is drawn is real, and about half of what is real is drawn."""
    modes = torch.tensor([0.0, 50.0]).repeat(100)[:, None] * torch.ones(6)
    real, own = points(200, seed=4) + modes, points(200, seed=5)
    assert covered(own, real, radii(real)) > 0.7
    assert covered(real, own, radii(own)) < 0.51


def test_balls_of_copies_hold_copies_alone():
    own = torch.ones(50, 6)
    real = points(50, seed=6)
    assert covered(real, own, radii(own)) == 0
