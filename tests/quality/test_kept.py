"""What judges keep in the cache is made once, and again where it is damaged."""

import json

import pytest
import torch
from torch import nn

from sid_sweep.cache import kept_figure
from sid_sweep.quality.kept import kept_network, kept_tensors

DAMAGES = [b"", b"garbage", b"[1, 2]", b'{"fd": NaN}', b'{"fd": 1']


class Counted:
    """Makes something, and counts how often."""

    def __init__(self, made):
        self.made, self.num = made, 0

    def __call__(self):
        self.num += 1
        return self.made


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_figure_is_measured_once_and_again_where_it_is_damaged(tmp_path, damage):
    path, measure = tmp_path / "judges" / "own.json", Counted(0.1)
    assert [kept_figure(path, "fd", measure) for _ in range(2)] == [0.1, 0.1]
    assert measure.num == 1
    path.write_bytes(damage)
    assert kept_figure(path, "fd", measure) == 0.1
    assert measure.num == 2
    assert path.with_name("own.json.damaged").read_bytes() == damage


def test_so_are_tensors(tmp_path):
    path, make = tmp_path / "own.safetensors", Counted({"mean": torch.arange(3.0)})
    for damage in (None, b"", b"garbage", None):
        if damage is not None:
            path.write_bytes(damage)
        assert torch.equal(kept_tensors(path, make)["mean"], torch.arange(3.0))
    assert make.num == 3
    assert len(list(tmp_path.glob("*.damaged*"))) == 2


@pytest.mark.parametrize("name", ["own.safetensors", "own.json"])
def test_so_is_a_network_with_its_accuracy(tmp_path, name):
    train = Counted((nn.Linear(2, 2), 0.5))
    for damage in (None, b"garbage", None):
        if damage is not None:
            (tmp_path / name).write_bytes(damage)
        network = nn.Linear(2, 2)
        assert kept_network(tmp_path / "own.safetensors", network, train) == 0.5
        assert torch.equal(network.weight, train.made[0].weight)
    assert train.num == 2
    assert json.loads((tmp_path / "own.json").read_text()) == {"accuracy": 0.5}
