"""The kernel distance: as pairs are counted, without bias, and near what separates two sets."""

import numpy as np
import pytest
import torch

from sid_sweep.quality import kernel
from sid_sweep.quality.kernel import kernel_distance, squared_mmd


def draws(num, *, seed, shift=0.0):
    return torch.randn(num, 16, generator=torch.Generator().manual_seed(seed)) + shift


def test_it_is_a_mean_over_pairs():
    a, b = draws(9, seed=0).double(), draws(7, seed=1).double()

    def k(x, y):
        return float((x @ y / 16 + 1) ** 3)

    aa = [k(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j]
    bb = [k(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j]
    ab = [k(x, y) for x in a for y in b]
    expected = np.mean(aa) + np.mean(bb) - 2 * np.mean(ab)
    assert float(squared_mmd(a, b)) == pytest.approx(expected, rel=1e-12)


def test_equal_distributions_read_zero_on_average():
    """Within 4 standard errors; with the pairs of a sample with itself it would be far above."""
    reads = [
        float(squared_mmd(draws(50, seed=2 * s), draws(50, seed=2 * s + 1))) for s in range(200)
    ]
    error = np.std(reads, ddof=1) / len(reads) ** 0.5
    assert abs(np.mean(reads)) < 4 * error
    assert min(reads) < 0 < max(reads)
    bias = 2 * (2**3 - 1) / 50  # about k(x, x) less k(x, y), for both sets
    assert bias > 40 * error


def test_blocks_average_to_the_distance_of_the_sets():
    """A shift by s of all 16 coordinates is seen at any size of the sets, in the same amount."""

    def read(num, *, shift):
        random = torch.Generator().manual_seed(0)
        return kernel_distance(
            draws(num, seed=0), draws(num + 50, seed=1, shift=shift), generator=random
        )

    assert abs(read(2100, shift=0.0)) < 0.01
    assert read(2100, shift=1.0) == pytest.approx(read(700, shift=1.0), rel=0.1)
    assert read(700, shift=1.0) > 1


def test_blocks_share_no_member(monkeypatch):
    monkeypatch.setattr(kernel, "BLOCK", 4)
    seen = []
    monkeypatch.setattr(kernel, "squared_mmd", lambda a, b: seen.append((a, b)) or torch.ones(()))
    own = torch.arange(11.0)[:, None]
    kernel_distance(own, own, generator=torch.Generator().manual_seed(0))
    assert len(seen) == 2
    for side in (0, 1):
        assert torch.cat([pair[side] for pair in seen]).flatten().sort().values.tolist() == [
            *range(11)
        ]


def test_a_small_set_is_taken_whole():
    a, b = draws(30, seed=0), draws(30, seed=1)
    random = torch.Generator().manual_seed(0)
    found = kernel_distance(a, b, generator=random)
    assert found == pytest.approx(float(squared_mmd(a, b)), rel=1e-10)
