"""A denoiser that this program wrote is read back as a teacher, and what is none is refused."""

import pytest
import torch
from safetensors.torch import save_file

from sid_sweep import teachers
from sid_sweep.data import source
from sid_sweep.distill.build import build
from sid_sweep.distill.method import Setting
from sid_sweep.foreign.cached import teacher_file, teacher_name
from sid_sweep.spec import Trial
from sid_sweep.tensors import read_tensors, write_tensors

TRAINED = {"kind": "trained", "net": {"width": 16, "depth": 1}, "images": 256, "batch": 128}
SMALL = {"budget": {"images": 32}, "batch": {"latents": 16}}


def ring(teacher, **changes):
    return Trial.model_validate({"data": {"kind": "mixture"}, "teacher": teacher} | changes)


def checkpoint(path, **changes):
    return ring({"kind": "checkpoint", "path": str(path)}, **changes)


def exported(trial, folder):
    """The file of a trial's student, at its beginning."""
    method = build(Setting(trial, teachers.load(trial, cache=folder), source(trial.data)))
    method.student.save(folder / "student.safetensors")
    return folder / "student.safetensors"


def test_a_trained_teacher_is_read_from_its_cache_and_from_its_export(tmp_path):
    sampled = ring(TRAINED, method={"kind": "teacher"})
    first = teachers.load(sampled, cache=tmp_path)
    for file in (
        teacher_file(teacher_name(sampled), tmp_path),
        exported(sampled, tmp_path),
    ):
        own = checkpoint(file, generator={"init": {"kind": "teacher"}})
        teachers.check(own, cache=tmp_path / "cache")
        again = teachers.load(own, cache=tmp_path / "cache")
        assert again.denoiser.blueprint == first.denoiser.blueprint
        assert all(map(torch.equal, again.denoiser.parameters(), first.denoiser.parameters()))
    assert not (tmp_path / "cache").exists()


def not_whole(path):
    path.write_bytes(path.read_bytes()[:-8])


def of_others(path):
    save_file({"weight": torch.ones(2)}, path)


def without_a_weight(path):
    words, weights = read_tensors(path)
    del weights["net.inward.bias"]
    write_tensors(path, weights, words)


def of_other_bits(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (not_whole, "is no safetensors file, or not a whole one"),
        (of_others, "holds nothing of sid_sweep"),
        (of_other_bits, "does not hold the tensors that were written"),
        (without_a_weight, "its weights are not those of its blueprint"),
        (lambda path: path.write_text("weights"), "is no safetensors file"),
        (lambda path: path.unlink(), "there is no such file"),
    ],
)
def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path, spoil, reason):
    trained = ring(TRAINED)
    teachers.load(trained, cache=tmp_path)
    file = teacher_file(teacher_name(trained), tmp_path)
    spoil(file)
    with pytest.raises(ValueError, match=reason) as caught:
        teachers.load(checkpoint(file), cache=tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("teacher", "changes", "reason"),
    [
        (TRAINED, SMALL, "a student of method.kind = sid, which denoises at its own levels"),
        ({"kind": "exact"}, {"method": {"kind": "teacher"}}, "holds a closed form"),
    ],
)
def test_what_does_not_denoise_at_all_levels_is_refused(tmp_path, teacher, changes, reason):
    file = exported(ring(teacher, **changes), tmp_path)
    with pytest.raises(ValueError, match=reason):
        teachers.load(checkpoint(file), cache=tmp_path)
