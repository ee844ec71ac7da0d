"""What is drawn does not depend on who draws it, and nobody draws much more than his own."""

import pytest
import torch
from methods import small

from sid_sweep.data import Source, source
from sid_sweep.distill.draws import BLOCK_NUMBERS, Draws, block_size, shares
from sid_sweep.nets.ranks import SOLO, Ranks
from sid_sweep.streams import stream

LARGE = (3, 64, 64)
CPU = torch.device("cpu")


def draws(shape=LARGE, num_classes=0):
    def draw(num, *, generator):
        return torch.rand(num, *shape, generator=generator)

    def labelled(num, *, generator):
        return draw(num, generator=generator), torch.arange(num)

    own = Source(shape, 1.0, draw, num_classes=num_classes, labelled=labelled)
    return Draws(0, own, shape=shape, num_classes=num_classes, device=CPU)


def everything(own, share):
    """All kinds of draws for a share."""
    return [
        *own.normal(7, "x", share, copies=3),
        *own.normal_and_uniform(7, "y", share),
        own.indices(7, "z", share, below=1000),
        own.uniform(7, "w", share, each=2),
        own.labels(7, "x", share),
        *own.real_labelled(7, "x", share),
    ]


@pytest.mark.parametrize("shape", [(2,), LARGE])
@pytest.mark.parametrize(("size", "most"), [(1, 5), (2, None), (4, 3), (8, 1)])
def test_workers_and_passes_draw_the_same_batch(shape, size, most):
    own = draws(shape, num_classes=10)
    whole = everything(own, *shares(24, ranks=SOLO, most=None))
    parts = [
        everything(own, share)
        for rank in range(size)
        for share in shares(24, ranks=Ranks(rank, size), most=most)
    ]
    for index, value in enumerate(whole):
        assert torch.equal(torch.cat([part[index] for part in parts]), value)


def test_shares_partition_a_workers_part_evenly():
    found = shares(44, ranks=Ranks(1, 2), most=8)
    assert [len(share) for share in found] == [7, 7, 8]
    assert (found[0].start, found[-1].stop) == (22, 44)
    assert sum(share.weight for share in found) == pytest.approx(1)
    assert [share.last for share in found] == [False, False, True]


def test_a_worker_draws_no_block_of_the_others(monkeypatch):
    """64 latents of 64 x 64 pixels are 8 blocks; the second of four workers needs two of them."""
    assert block_size(LARGE) == 8
    keys = []
    monkeypatch.setattr(
        "sid_sweep.distill.draws.stream", lambda *key, device=CPU: keys.append(key) or stream(*key)
    )
    draws().normal(0, "x", *shares(64, ranks=Ranks(1, 4), most=None))
    assert keys == [(0, 0, "x", 2), (0, 0, "x", 3)]


@pytest.mark.parametrize("shape", [(1,), (2,), (1, 8, 8), (3, 32, 32), LARGE, (3, 512, 512)])
def test_a_block_holds_no_more_numbers_than_it_may(shape):
    size = block_size(shape)
    numbers = size * torch.Size(shape).numel()
    assert size == 1 or BLOCK_NUMBERS / 2 < numbers <= BLOCK_NUMBERS or shape == LARGE


def test_a_small_batch_is_one_stream_named_by_its_step():
    """So a trial that fits one block is what it was before there were blocks."""
    trial = small("sid")
    own = Draws(3, source(trial.data), shape=(2,), device=CPU)
    (drawn,) = own.normal(48, "generator", *shares(288, ranks=SOLO, most=None))
    assert torch.equal(drawn, torch.randn(1, 288, 2, generator=stream(3, 48, "generator"))[0])


def test_classes_are_uniform_and_absent_where_there_are_none():
    (share,) = shares(10_000, ranks=SOLO, most=None)
    counts = torch.bincount(draws((2,), num_classes=10).labels(0, "x", share), minlength=10)
    assert float(((counts - 1000) ** 2 / 1000).sum()) < 27.9  # χ² of 9, one in a thousand
    assert draws((2,)).labels(0, "x", share) is None
