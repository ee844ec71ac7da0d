"""Whatever bit of a checkpoint has changed, reading it says so."""

import json

import pytest
import torch

from sid_sweep.archives import stamp, stamped
from sid_sweep.files import Damaged

WORDS = {"trial": "abc", "images": 64, "measured": "0123456789ab"}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "checkpoint.pt"
    torch.save({"step": 3, "weights": torch.arange(6.0)}, path)
    stamp(path, WORDS)
    return path


def test_a_whole_one_says_its_words_and_torch_reads_the_rest(path):
    assert json.loads(stamped(path)) == WORDS
    loaded = torch.load(path, weights_only=True)
    assert loaded["step"] == 3
    assert torch.equal(loaded["weights"], torch.arange(6.0))


def test_a_change_of_any_byte_is_found(path):
    """Of names, lengths and flags too, over which torch stumbles."""
    whole = path.read_bytes()
    for place in range(len(whole)):
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        path.write_bytes(content)
        with pytest.raises(Damaged, match="its sum is not that of what it holds"):
            stamped(path)


@pytest.mark.parametrize("num", [0, 1, 63, 64, 65, 500])
def test_so_is_one_that_is_cut_short(path, num):
    path.write_bytes(path.read_bytes()[:num])
    with pytest.raises(Damaged):
        stamped(path)
