"""Inception v3 as TensorFlow published it on 2015-12-05: the network of the FID.

Szegedy et al. 2016, with the departures of that graph from the article: average pools divide by
the pixels that there are, and the last block pools by the maximum. Convolutions are named as in
pytorch-fid's file, so that its weights need no translation.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d, relu

NUM_CLASSES = 1008
HEIGHT = 299  # of the pictures that it has learnt from
COUNTERS = "num_batches_tracked"  # of training; nothing here reads them
Size = int | tuple[int, int]
Path_ = tuple[str, ...]


class Conv(nn.Module):
    """A convolution without bias, its normalisation, and ReLU."""

    def __init__(
        self, num_in: int, num_out: int, size: Size, stride: int = 1, padding: Size = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(num_in, num_out, size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(num_out, eps=1e-3)

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O H2 W2"]:
        return relu(self.bn(self.conv(x)))


class Average(nn.Module):
    """Over 3 x 3 pixels, of those within the picture."""

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        return avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class Mixed(nn.Module):
    """Paths from one input, side by side; paths that begin alike share what they begin with."""

    def __init__(self, steps: dict[str, nn.Module], *paths: Path_) -> None:
        super().__init__()
        for name, step in steps.items():
            self.add_module(name, step)
        self.paths = paths

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O H2 W2"]:
        found: dict[Path_, Tensor] = {(): x}
        for path in self.paths:
            for end in range(1, len(path) + 1):
                if path[:end] not in found:
                    found[path[:end]] = self.get_submodule(path[end - 1])(found[path[: end - 1]])
        return torch.cat([found[path] for path in self.paths], 1)


def _chain(name: str, num: int) -> Path_:
    """branch_1, branch_2, ..."""
    return tuple(f"{name}_{place}" for place in range(1, num + 1))


def _at_35(num_in: int, pooled: int) -> Mixed:
    """Article, figure 5."""
    return Mixed(
        {
            "branch1x1": Conv(num_in, 64, 1),
            "branch5x5_1": Conv(num_in, 48, 1),
            "branch5x5_2": Conv(48, 64, 5, padding=2),
            "branch3x3dbl_1": Conv(num_in, 64, 1),
            "branch3x3dbl_2": Conv(64, 96, 3, padding=1),
            "branch3x3dbl_3": Conv(96, 96, 3, padding=1),
            "pool": Average(),
            "branch_pool": Conv(num_in, pooled, 1),
        },
        ("branch1x1",),
        _chain("branch5x5", 2),
        _chain("branch3x3dbl", 3),
        ("pool", "branch_pool"),
    )


def _to_17(num_in: int) -> Mixed:
    """Article, figure 10."""
    return Mixed(
        {
            "branch3x3": Conv(num_in, 384, 3, 2),
            "branch3x3dbl_1": Conv(num_in, 64, 1),
            "branch3x3dbl_2": Conv(64, 96, 3, padding=1),
            "branch3x3dbl_3": Conv(96, 96, 3, 2),
            "pool": nn.MaxPool2d(3, 2),
        },
        ("branch3x3",),
        _chain("branch3x3dbl", 3),
        ("pool",),
    )


def _wide(num_in: int, num_out: int) -> Conv:
    return Conv(num_in, num_out, (1, 7), padding=(0, 3))


def _high(num_in: int, num_out: int) -> Conv:
    return Conv(num_in, num_out, (7, 1), padding=(3, 0))


def _at_17(inner: int) -> Mixed:
    """Article, figure 6 with n = 7."""
    return Mixed(
        {
            "branch1x1": Conv(768, 192, 1),
            "branch7x7_1": Conv(768, inner, 1),
            "branch7x7_2": _wide(inner, inner),
            "branch7x7_3": _high(inner, 192),
            "branch7x7dbl_1": Conv(768, inner, 1),
            "branch7x7dbl_2": _high(inner, inner),
            "branch7x7dbl_3": _wide(inner, inner),
            "branch7x7dbl_4": _high(inner, inner),
            "branch7x7dbl_5": _wide(inner, 192),
            "pool": Average(),
            "branch_pool": Conv(768, 192, 1),
        },
        ("branch1x1",),
        _chain("branch7x7", 3),
        _chain("branch7x7dbl", 5),
        ("pool", "branch_pool"),
    )


def _to_8(num_in: int) -> Mixed:
    return Mixed(
        {
            "branch3x3_1": Conv(num_in, 192, 1),
            "branch3x3_2": Conv(192, 320, 3, 2),
            "branch7x7x3_1": Conv(num_in, 192, 1),
            "branch7x7x3_2": _wide(192, 192),
            "branch7x7x3_3": _high(192, 192),
            "branch7x7x3_4": Conv(192, 192, 3, 2),
            "pool": nn.MaxPool2d(3, 2),
        },
        _chain("branch3x3", 2),
        _chain("branch7x7x3", 4),
        ("pool",),
    )


def _at_8(num_in: int, pool: nn.Module) -> Mixed:
    """Article, figure 7."""
    return Mixed(
        {
            "branch1x1": Conv(num_in, 320, 1),
            "branch3x3_1": Conv(num_in, 384, 1),
            "branch3x3_2a": Conv(384, 384, (1, 3), padding=(0, 1)),
            "branch3x3_2b": Conv(384, 384, (3, 1), padding=(1, 0)),
            "branch3x3dbl_1": Conv(num_in, 448, 1),
            "branch3x3dbl_2": Conv(448, 384, 3, padding=1),
            "branch3x3dbl_3a": Conv(384, 384, (1, 3), padding=(0, 1)),
            "branch3x3dbl_3b": Conv(384, 384, (3, 1), padding=(1, 0)),
            "pool": pool,
            "branch_pool": Conv(num_in, 192, 1),
        },
        ("branch1x1",),
        ("branch3x3_1", "branch3x3_2a"),
        ("branch3x3_1", "branch3x3_2b"),
        (*_chain("branch3x3dbl", 2), "branch3x3dbl_3a"),
        (*_chain("branch3x3dbl", 2), "branch3x3dbl_3b"),
        ("pool", "branch_pool"),
    )


@dataclass(frozen=True)
class Seen:
    """What a network sees in pictures."""

    features: Float[Tensor, "B F"]
    logits: Float[Tensor, "B K"] | None = None
    """Of its classes; None where it has none."""


class InceptionV3(nn.Module):
    """Bytes in; pool_3 and the logits, without their bias as the Inception score has them."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = (
            _at_35(192, 32), _at_35(256, 64), _at_35(288, 64)
        )  # fmt: skip
        self.Mixed_6a = _to_17(288)
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = map(
            _at_17, (128, 160, 160, 192)
        )
        self.Mixed_7a = _to_8(768)
        self.Mixed_7b = _at_8(1280, Average())
        self.Mixed_7c = _at_8(2048, nn.MaxPool2d(3, 1, padding=1))
        self.fc = nn.Linear(2048, NUM_CLASSES)

    def forward(self, images: UInt8[Tensor, "B C H W"]) -> Seen:
        x = (resized(images.to(self.fc.weight.dtype)) - 128) / 128
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x.expand(-1, 3, -1, -1))))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(max_pool2d(x, 3, 2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(max_pool2d(x, 3, 2))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        features = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x))).mean((2, 3))
        return Seen(features, features @ self.fc.weight.T)


def resized(images: Float[Tensor, "B C H W"], height: int = HEIGHT) -> Float[Tensor, "B C h h"]:
    """To a square, as TensorFlow 1 does it."""
    down, across = (_interpolation(length, height, like=images) for length in images.shape[2:])
    return down @ images @ across.T


def _interpolation(length: int, height: int, *, like: Tensor) -> Float[Tensor, "h L"]:
    """Pixel i lies at i L/h of the old ones, not at (i + ½) L/h - ½, between two of which it
    interpolates; the last repeats beyond the border."""
    places = torch.arange(height, dtype=torch.float32) * torch.tensor(length / height)
    low = places.long()
    part = (places - low).to(like.dtype)
    rows = torch.arange(height)
    weights = torch.zeros(height, length, dtype=like.dtype)
    weights[rows, low] += 1 - part
    weights[rows, (low + 1).clamp(max=length - 1)] += part
    return weights.to(like.device)


def load(path: Path) -> InceptionV3:
    """The network with the weights of a file; nothing in it is executed.

    Raises:
        ValueError: it holds no such weights.
    """
    weights = {name: w for name, w in _read(path).items() if not name.endswith(COUNTERS)}
    network = InceptionV3()
    own = {name: w for name, w in network.state_dict().items() if not name.endswith(COUNTERS)}
    if odd := sorted(own.keys() ^ weights.keys()):
        which = "lacks" if odd[0] in own else "has a superfluous"
        raise ValueError(f"{path}: {which} {odd[0]}, so these are not the weights of the FID")
    for name, weight in own.items():
        if weights[name].shape != weight.shape:
            shapes = f"{list(weights[name].shape)}, not {list(weight.shape)}"
            raise ValueError(f"{path}: {name} is {shapes}; these are not the weights of the FID")
    network.load_state_dict(weights, strict=False)
    return network.requires_grad_(False).eval()


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError:
        raise ValueError(f"{path}: is no safetensors file") from None
    except Exception as error:  # whatever a file holds that is no table of tensors
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{path}: holds no weights that can be read safely ({reason})") from None
    if not isinstance(found, dict) or not all(isinstance(w, Tensor) for w in found.values()):
        raise ValueError(f"{path}: holds no table of weights")
    return found
