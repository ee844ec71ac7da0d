"""Inception: its size, its resizing pixel by pixel, and what a file of weights must hold."""

import math
import os

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sid_sweep.quality import inception


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return inception.InceptionV3().eval()


def test_it_has_the_published_size(network):
    """23,850,960: 21,785,568 of Szegedy et al.'s network without its second head, with 1,008
    classes of 2,049 each."""
    sizes = {name: p.numel() for name, p in network.named_parameters()}
    assert sum(sizes.values()) == 23_850_960
    assert sum(n for name, n in sizes.items() if name.startswith("fc.")) == 1008 * 2049
    assert sum(name.endswith("conv.weight") for name in sizes) == 94


@torch.no_grad()
def test_it_sees_grey_as_a_colour(network):
    grey = torch.randint(256, (1, 1, 16, 16), dtype=torch.uint8)
    one, three = network(grey), network(grey.expand(-1, 3, -1, -1))
    assert one.features.shape == (1, 2048)
    assert one.logits.shape == (1, 1008)
    assert torch.equal(one.features, three.features)
    assert torch.allclose(one.logits, one.features @ network.fc.weight.T)


@pytest.mark.parametrize("shape", [(5, 8), (32, 32), (400, 300)])
def test_resizing_is_tensorflows(shape):
    """A pixel at a time: rows and columns start at 0, and pixels are not centred."""
    image = torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(0)).double()
    found = inception.resized(image)[0, 0]
    pixels = image[0, 0].numpy()
    for i, j in ((0, 0), (1, 2), (150, 7), (298, 298), (297, 150)):
        y, x = (
            np.float32(i) * np.float32(shape[0] / 299),
            np.float32(j) * np.float32(shape[1] / 299),
        )
        top, left = math.floor(y), math.floor(x)
        low, right = min(top + 1, shape[0] - 1), min(left + 1, shape[1] - 1)
        dy, dx = float(y - np.float32(top)), float(x - np.float32(left))
        upper = pixels[top, left] * (1 - dx) + pixels[top, right] * dx
        lower = pixels[low, left] * (1 - dx) + pixels[low, right] * dx
        assert float(found[i, j]) == pytest.approx(upper * (1 - dy) + lower * dy, abs=1e-6)


def test_a_picture_of_its_size_stays_as_it_is():
    image = torch.rand(1, 3, 299, 299)
    assert torch.equal(inception.resized(image), image)


def test_an_average_divides_by_the_pixels_that_there_are():
    ones = torch.ones(1, 1, 4, 4)
    assert torch.equal(inception.Average()(ones), ones)


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_weights_come_from_a_file(network, tmp_path, ending):
    path = tmp_path / f"weights.{ending}"
    weights = network.state_dict()
    save_file(weights, path) if ending == "safetensors" else torch.save(weights, path)
    loaded = inception.load(path)
    own = dict(network.named_parameters())
    assert all(torch.equal(w, own[name]) for name, w in loaded.named_parameters())
    assert not any(w.requires_grad for w in loaded.parameters())


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_what_is_no_table_of_its_weights_is_refused_and_nothing_runs(network, tmp_path):
    path, made = tmp_path / "weights.pth", tmp_path / "made"
    torch.save({"fc.weight": Hostile(made)}, path)
    with pytest.raises(ValueError, match="no weights that can be read safely"):
        inception.load(path)
    assert not made.exists()
    torch.save({"fc.weight": torch.ones(1)}, path)
    with pytest.raises(ValueError, match=r"lacks Conv2d_1a_3x3.bn.bias"):
        inception.load(path)
    torch.save(network.state_dict() | {"fc.bias": torch.ones(1000)}, path)
    with pytest.raises(ValueError, match=r"fc.bias is \[1000\], not \[1008\]"):
        inception.load(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="no weights that can be read safely"):
        inception.load(path)
