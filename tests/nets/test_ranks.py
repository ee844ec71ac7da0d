"""Who takes which part of a batch. What two ranks train is in `distill/test_workers.py`."""

import pytest
import torch

from sid_sweep.nets.ranks import SOLO, Ranks


@pytest.mark.parametrize(("num", "size"), [(12, 1), (12, 2), (12, 3), (12, 12)])
def test_parts_partition_a_batch(num, size):
    batch = list(range(num))
    parts = [batch[Ranks(rank, size).part(num)] for rank in range(size)]
    assert [index for share in parts for index in share] == batch
    assert {len(share) for share in parts} == {num // size}


def test_one_worker_needs_no_process_group():
    tensor = torch.arange(3.0)
    SOLO.average([tensor])
    assert tensor.tolist() == [0, 1, 2]
    assert SOLO.largest(torch.tensor(2.5)) == 2.5
