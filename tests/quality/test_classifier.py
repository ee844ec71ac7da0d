"""The classifier of images: it learns, the same every time, and once."""

import numpy as np
import pytest
import torch

from sid_sweep.quality import classifier

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(classifier, "LEAST_IMAGES", 6400)


def stripes(num, *, size=16):
    """Along or across, in two colours, under noise: means of pixels tell nothing."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, num)
    wave = 60 * np.sin(np.arange(size))
    images = np.where(labels[:, None, None], wave[:, None], wave[None, :])[:, None].repeat(3, 1)
    noisy = images * random.choice([-1, 1], (num, 1, 1, 1)) + random.normal(0, 20, images.shape)
    return (noisy + 128).clip(0, 255).astype(np.uint8), labels


def test_it_tells_what_it_has_not_seen(tmp_path):
    images, labels = stripes(400)
    made = classifier.load(images, labels, data={"kind": "a"}, cache=tmp_path, device=CPU)
    assert made.accuracy > 0.9
    seen = made.network(torch.from_numpy(images[:3]))
    assert seen.features.shape == (3, 32)
    assert seen.logits.shape == (3, 2)


def test_it_is_trained_once_and_the_same_everywhere(tmp_path, monkeypatch):
    images, labels = stripes(100)
    one, other = (
        classifier.load(images, labels, data={"kind": "a"}, cache=cache, device=CPU)
        for cache in (tmp_path / "a", tmp_path / "b")
    )
    theirs = other.network.state_dict()
    assert all(torch.equal(w, theirs[name]) for name, w in one.network.state_dict().items())
    monkeypatch.setattr(classifier, "train", lambda *_, **__: pytest.fail("trained again"))
    classifier.load(images, labels, data={"kind": "a"}, cache=tmp_path / "a", device=CPU)


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 64, 64), (3, 33, 33)])
def test_it_takes_pictures_of_any_size(shape):
    images = torch.zeros(2, *shape, dtype=torch.uint8)
    assert classifier.Classifier(shape, 5)(images).logits.shape == (2, 5)
