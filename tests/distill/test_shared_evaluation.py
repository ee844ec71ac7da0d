"""Blocks hold every sample once, whatever there is to draw; a metric that is not finite is told as
it is."""

import math
from itertools import pairwise

import pytest
import torch

from sid_sweep.distill import SOLO
from sid_sweep.distill.evaluation import LARGEST_BLOCK, blocks, told


@pytest.mark.parametrize("num", [1, 7, 64, 8192, 50_000])
@pytest.mark.parametrize("values_each", [2, 64, 3 * 32 * 32, 3 * 512 * 512, 2 * LARGEST_BLOCK])
def test_blocks_hold_every_sample_once_and_no_more_than_fits(num, values_each):
    cut = blocks(num, values_each=values_each)
    assert (cut[0].start, cut[-1].stop) == (0, num)
    assert all(one.stop == other.start for one, other in pairwise(cut))
    sizes = [block.stop - block.start for block in cut]
    assert max(sizes) == sizes[0]
    assert sizes[0] == 1 or sizes[0] * values_each <= LARGEST_BLOCK
    assert len(cut) >= min(num, 4)


def test_one_worker_needs_no_group_to_be_told():
    found = told(lambda: {"js": math.inf}, device=torch.device("cpu"), ranks=SOLO)
    assert found == {"js": math.inf}
