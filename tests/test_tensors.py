"""A file of tensors gives back what was written, or nothing."""

import pytest
import torch
from safetensors.torch import save_file

from sid_sweep import sums
from sid_sweep.files import Damaged
from sid_sweep.sums import checked_words
from sid_sweep.tensors import read_tensors, write_tensors

TENSORS = {
    "weight": torch.linspace(-1, 1, 6).view(2, 3),
    "half": torch.ones(3, dtype=torch.bfloat16),
    "scalar": torch.tensor(7),
    "mask": torch.tensor([True, False]),
    "nothing": torch.zeros(0, 4),
}
WORDS = {"shape": [2], "sigma_data": 0.1, "what": "σ"}


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "own.safetensors"
    write_tensors(path, TENSORS, WORDS)
    words, tensors = read_tensors(path)
    assert words == WORDS
    assert tensors.keys() == TENSORS.keys()
    for name, own in TENSORS.items():
        assert tensors[name].dtype == own.dtype
        assert torch.equal(tensors[name], own)


def test_the_same_gives_the_same_bytes(tmp_path):
    written = set()
    for number in range(20):
        path = tmp_path / f"{number}.safetensors"
        write_tensors(path, TENSORS, WORDS)
        written.add(path.read_bytes())
    assert len(written) == 1


def test_every_flipped_bit_is_found(tmp_path):
    path = tmp_path / "own.safetensors"
    write_tensors(path, TENSORS, WORDS)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(Damaged):
            read_tensors(path)
        with pytest.raises(Damaged):
            checked_words(path)


def test_the_sum_is_found_without_keeping_the_tensors_block_by_block(tmp_path, monkeypatch):
    path = tmp_path / "own.safetensors"
    for block_bytes in (sums.CHUNK_BYTES, 5, 4):
        monkeypatch.setattr(sums, "CHUNK_BYTES", block_bytes)
        for tensors in (TENSORS, {}):
            write_tensors(path, tensors, WORDS)
            assert checked_words(path) == read_tensors(path)[0] == WORDS


def test_a_file_of_another_program_has_no_sum(tmp_path):
    save_file(TENSORS, tmp_path / "own.safetensors")
    for look in (read_tensors, checked_words):
        with pytest.raises(Damaged, match="its header has no sum"):
            look(tmp_path / "own.safetensors")


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_a_file_that_was_cut_short_is_found(tmp_path, length):
    path = tmp_path / "own.safetensors"
    write_tensors(path, TENSORS, WORDS)
    path.write_bytes(path.read_bytes()[:length])
    for look in (read_tensors, checked_words):
        with pytest.raises(Damaged, match="not a whole one"):
            look(path)
