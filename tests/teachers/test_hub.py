"""A folder of the hub is fetched once, at a commit, or not at all."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from sid_sweep.spec import Trial
from sid_sweep.teachers import hub

huggingface_hub = pytest.importorskip("huggingface_hub")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = f"hf://somebody/ddpm@{COMMIT}"


@pytest.fixture
def asked(monkeypatch):
    """What the library is asked for; it gives a folder of one file."""
    calls = []

    def download(repository, *, revision, local_dir, allow_patterns):
        calls.append((repository, revision, allow_patterns))
        (local_dir / "unet").mkdir()
        (local_dir / "unet" / "config.json").write_text("{}")
        (local_dir / ".cache").mkdir()

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return calls


def test_a_snapshot_is_fetched_once_at_its_commit(tmp_path, asked):
    first, again = hub.snapshot(NAME, tmp_path), hub.snapshot(NAME, tmp_path)
    assert first == again
    assert asked == [("somebody/ddpm", COMMIT, ["*.json", "*.safetensors"])]
    assert [path.name for path in first.iterdir()] == ["unet"]
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_a_snapshot_is_on_the_disk_before_it_has_its_name_and_its_name_before_it_is_used(
    tmp_path, asked, monkeypatch
):
    cache, synced = tmp_path / "cache", []
    monkeypatch.setattr(os, "fsync", lambda own: synced.append(os.readlink(f"/proc/self/fd/{own}")))
    found = hub.snapshot(NAME, cache)
    *before, partial, above = [Path(path) for path in synced]
    assert partial.name.startswith(".partial-")
    assert before[-2:] == [partial / "unet", partial / "unet" / "config.json"]
    assert above == found.parent


def test_where_the_hub_does_not_answer_there_is_one_line_and_nothing_else(tmp_path, monkeypatch):
    def fails(*_, local_dir, **__):
        (local_dir / "half").write_text("")
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fails)
    with pytest.raises(ValueError, match=r"the hub did not give it \(ConnectionError: no route\)"):
        hub.snapshot(NAME, tmp_path / "sweeps" / "cache")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("teacher", "reason"),
    [
        ({"hf": "hf://somebody/ddpm"}, r"must be hf://owner/name@<commit>"),
        ({"hf": "hf://somebody/ddpm@main"}, "a branch or a tag may move"),
        ({"hf": "somebody/ddpm@" + COMMIT}, r"must be hf://owner/name@<commit>"),
        ({"hf": f"hf://../../etc@{COMMIT}"}, r"must be hf://owner/name@<commit>"),
        ({"path": NAME}, "write it under hf"),
        ({"path": "folder", "hf": NAME}, "needs either path"),
        ({}, "needs either path"),
    ],
)
def test_a_reference_without_its_commit_is_refused(teacher, reason):
    values = {"data": {"kind": "digits"}, "teacher": {"kind": "diffusers"} | teacher}
    with pytest.raises(ValidationError, match=reason):
        Trial.model_validate(values)
