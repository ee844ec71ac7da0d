"""Pictures as something to draw from: scaled, mirrored, with their classes, by name."""

import hashlib

import numpy as np
import pytest
import torch

from sid_sweep.data import digits, source
from sid_sweep.data.mnist import mnist
from sid_sweep.data.photographs import patches, shrunk, tiles
from sid_sweep.data.source import of_images
from sid_sweep.spec.data import Digits, Images, Mnist, NoData, Patches
from sid_sweep.streams import stream

LABELS = np.arange(6) % 3


def pictures(channels=3):
    return np.random.default_rng(0).integers(0, 256, (6, channels, 4, 4), dtype=np.uint8)


def test_bytes_become_minus_one_to_one_with_repetition():
    own = of_images(pictures(), LABELS)
    drawn = own.draw(500, generator=stream("a"))
    assert (drawn.dtype, drawn.shape) == (torch.float32, (500, 3, 4, 4))
    expected = torch.from_numpy(pictures().astype(np.float32)) / 127.5 - 1
    rows = torch.cdist(drawn.flatten(1), expected.flatten(1)).argmin(1)
    torch.testing.assert_close(drawn, expected[rows], rtol=0, atol=0)
    assert torch.bincount(rows).min() > 500 / 6 - 5 * (500 / 6) ** 0.5
    assert (expected.min(), expected.max()) >= (-1, 1) or expected.abs().max() <= 1


def test_draws_are_a_function_of_their_name():
    own = of_images(pictures(), LABELS, flips=True, num_classes=3)
    first, again, other = (own.draw_labelled(64, generator=stream(name)) for name in "aab")
    assert torch.equal(first[0], again[0])
    assert first[1] is not None
    assert again[1] is not None
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert torch.equal(own.draw(64, generator=stream("a")), first[0])


def test_half_of_what_is_drawn_is_mirrored_left_to_right():
    images = np.zeros((2, 1, 2, 2), dtype=np.uint8)
    images[0, 0, 0, 0] = images[1, 0, 0, 0] = 255  # above at the left
    drawn = of_images(images, None, flips=True).draw(1000, generator=stream("a"))
    left, right = (drawn[:, 0, 0, side] == 1 for side in (0, 1))
    assert torch.equal(left, ~right)
    assert abs(int(left.sum()) - 500) < 5 * 250**0.5
    assert (drawn[:, 0, 1] == -1).all()  # nothing is turned upside down
    still = of_images(images, None).draw(1000, generator=stream("a"))
    assert (still[:, 0, 0, 0] == 1).all()


def test_mirroring_changes_no_other_draw():
    plain, mirrored = (of_images(pictures(), LABELS, flips=own) for own in (False, True))
    a, b = (own.draw(64, generator=stream("a")) for own in (plain, mirrored))
    same = (a == b).flatten(1).all(1)
    assert torch.equal(torch.where(same[:, None, None, None], b, b.flip(3)), a)
    assert 0 < same.sum() < 64


def test_classes_are_told_only_where_that_is_asked_for():
    told, untold = (of_images(pictures(), LABELS, num_classes=num) for num in (3, 0))
    drawn, labels = told.draw_labelled(64, generator=stream("a"))
    scaled = torch.from_numpy(pictures().astype(np.float32)) / 127.5 - 1
    rows = torch.cdist(drawn.flatten(1), scaled.flatten(1)).argmin(1)
    assert labels is not None
    assert torch.equal(labels, torch.from_numpy(LABELS)[rows])
    other, none = untold.draw_labelled(64, generator=stream("a"))
    assert torch.equal(other, drawn)
    assert none is None
    assert (untold.num_classes, untold.labels is LABELS) == (0, True)


def test_the_deviation_is_that_from_the_mean_picture():
    scaled = pictures().astype(np.float64) / 127.5 - 1
    own = of_images(pictures(), None)
    assert own.sigma_data == pytest.approx((scaled - scaled.mean(0)).std(), rel=1e-12)


def test_digits_are_drawn_bitwise_as_before():
    """By the rule that they were always drawn by, whether classes are told or not."""
    images, labels = digits()
    rows = torch.randint(len(images), (100,), generator=stream("a"))
    for told in (False, True):
        own = source(Digits(kind="digits", labels=told))
        assert torch.equal(own.draw(100, generator=stream("a")), images[rows])
        drawn, classes = own.draw_labelled(100, generator=stream("a"))
        assert torch.equal(drawn, images[rows])
        assert (classes is None) is not told
        if classes is not None:
            assert torch.equal(classes, labels[rows])
        assert own.sigma_data == float((images - images.mean(0)).std())


def test_pictures_from_a_file_are_drawn_like_those_in_memory(tmp_path):
    np.savez(tmp_path / "a.npz", images=pictures(), labels=LABELS)
    data = Images(kind="images", path=str(tmp_path / "a.npz"), flips=True, labels=True)
    own = source(data, cache=tmp_path / "cache")
    expected = of_images(pictures(), LABELS, flips=True, num_classes=3)
    assert isinstance(own.images, np.memmap)
    assert (own.shape, own.sigma_data) == (expected.shape, expected.sigma_data)
    assert own.num_classes == 3
    one, other = (s.draw_labelled(64, generator=stream("a")) for s in (own, expected))
    assert torch.equal(one[0], other[0])
    assert one[1] is not None
    assert other[1] is not None
    assert torch.equal(one[1], other[1])


def test_mnist_has_five_hundred_of_each_digit_in_a_black_frame():
    images, labels = mnist()
    assert (images.dtype, images.shape) == (np.uint8, (5000, 1, 32, 32))
    assert np.bincount(labels).tolist() == [500] * 10
    assert images[:, :, 2:-2, 2:-2].sum() == images.sum() > 0
    assert hashlib.sha256(images.tobytes()).hexdigest().startswith("df4d2a47363613f3")
    ink = (images > 127).mean((1, 2, 3))
    assert ink[labels == 1].mean() < 0.6 * ink[labels == 0].mean()  # a stroke against a ring
    assert source(Mnist(kind="mnist")).shape == (1, 32, 32)


def test_patches_are_cut_from_a_grid_row_by_row():
    photograph = np.arange(5 * 7 * 2, dtype=np.uint8).reshape(5, 7, 2)
    cut = tiles(photograph, size=3, stride=2)
    corners = [(y, x) for y in (0, 2) for x in (0, 2, 4)]
    expected = [photograph[y : y + 3, x : x + 3].transpose(2, 0, 1) for y, x in corners]
    np.testing.assert_array_equal(cut, np.stack(expected))


def test_a_photograph_is_shrunk_by_means():
    photograph = np.zeros((5, 6, 1), dtype=np.uint8)
    photograph[:2, :3, 0] = [[10, 20, 255], [30, 41, 255]]
    assert shrunk(photograph, 2)[:, :, 0].tolist() == [[25, 128, 0], [0, 0, 0]]
    np.testing.assert_array_equal(shrunk(photograph, 1), photograph)


def test_patches_are_of_two_photographs():
    images, labels = patches(Patches(kind="patches"))
    assert images.shape == (4940, 3, 32, 32)
    assert np.bincount(labels).tolist() == [2470, 2470]
    red, blue = images[labels == 1, 0].mean(), images[labels == 0, 2].mean()
    assert red < blue  # an orange flower before dark green, a bright sky
    assert source(Patches(kind="patches")).num_classes == 0


def test_no_data_have_nothing_to_draw():
    own = source(NoData(kind="none"))
    with pytest.raises(ValueError, match=r"data\.kind = none: there is nothing to draw from"):
        own.draw(3, generator=stream("a"))
