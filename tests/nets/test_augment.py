"""Augmentation against what it should do to an image, and to images that it leaves alone."""

import math

import pytest
import torch

from sid_sweep.nets.augment import NUM_UNIFORMS, SYM6, augmented, linear, resampled

NUM = 6


def images(height=16, width=16):
    """Smooth ones, so that a resampling is near the function."""
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    phases = torch.arange(NUM)[:, None, None, None]
    return torch.stack([(2 * x + y), (x - 2 * y)])[None].add(phases).sin().double()


def moved(values, *, zoom=0.0, angle=0.0, stretch=0.0, along=0.0, shift=(0.0, 0.0)):
    parts = [torch.full((NUM,), part).double() for part in (zoom, angle, stretch, along)]
    by = torch.tensor(shift).double().expand(NUM, 2)
    return resampled(values, linear(*parts), by)


@pytest.mark.parametrize("size", [(16, 16), (8, 8), (12, 20)])
def test_an_image_that_did_not_move_comes_back(size):
    """The wavelet is orthogonal: each octave's samples give the pixels again."""
    values = images(*size)
    torch.testing.assert_close(moved(values), values, atol=1e-10, rtol=0)


def test_the_wavelet_is_orthogonal_to_its_even_shifts():
    taps = torch.tensor(SYM6, dtype=torch.float64)
    products = [float(taps[2 * k :] @ taps[: len(taps) - 2 * k]) for k in range(6)]
    assert products == pytest.approx([1, 0, 0, 0, 0, 0], abs=1e-11)


def test_a_quarter_turn_is_a_quarter_turn():
    values = images()
    inner = slice(3, -3)
    turned = moved(values, angle=math.pi / 2)[:, :, inner, inner]
    expected = torch.rot90(values, 1, (2, 3))[:, :, inner, inner]
    other = torch.rot90(values, -1, (2, 3))[:, :, inner, inner]
    assert float((turned - expected).abs().max()) < 0.05
    assert float((turned - other).abs().max()) > 0.5


def test_a_shift_of_one_eighth_moves_two_of_sixteen_pixels():
    values = images()
    shifted = moved(values, shift=(1.0, 0.0))
    difference = shifted[:, :, 3:-3, 5:-3] - values[:, :, 3:-3, 3:-5]
    assert float(difference.abs().max()) < 0.02


@pytest.mark.parametrize(("zoom", "stretch"), [(5.0, 0.0), (0.0, 5.0)])
def test_a_scale_of_two_shows_the_middle_half(zoom, stretch):
    """2^(0.2 · 5) = 2; along x alone if it is a stretch, which halves y."""
    n = 33
    values = images(n, n)
    large = moved(values, zoom=zoom, stretch=stretch)
    row = n // 2
    seen = large[:, :, row, 2:-2:2]
    middle = values[:, :, row, 9:-9]
    assert float((seen - middle).abs().max()) < 0.02


def test_nothing_moves_at_probability_zero():
    values = images()
    uniforms = torch.rand(NUM, NUM_UNIFORMS, generator=torch.Generator().manual_seed(0))
    same, labels = augmented(values, uniforms, probability=0.0)
    assert torch.equal(same, values)
    assert labels.abs().sum() == 0


def test_labels_say_what_was_done_and_zero_where_nothing_was():
    values = images()
    uniforms = torch.full((NUM, NUM_UNIFORMS), 0.9)
    same, labels = augmented(values, uniforms, probability=0.5)
    assert labels.abs().sum() == 0
    assert torch.equal(same, values)
    uniforms[1, 0] = 0.1
    uniforms[2, 1:3] = 0.1
    uniforms[3, 5:7] = torch.tensor([0.1, 0.75])
    found, labels = augmented(values, uniforms, probability=0.5)
    assert labels[1].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert torch.equal(found[1], values[1].flip(2))
    assert labels[2].tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert torch.equal(found[2], values[2].flip(1))
    assert labels[3].tolist() == pytest.approx([0, 0, 0, -1, 1, 0, 0, 0, 0], abs=1e-6)
    assert not torch.equal(found[3], values[3])


def test_each_way_of_moving_comes_as_often_as_it_should():
    """One in eight; half of the images are mirrored, and one in sixteen is upside down."""
    num, p = 20_000, 0.125
    uniforms = torch.rand(num, NUM_UNIFORMS, generator=torch.Generator().manual_seed(0))
    _, labels = augmented(torch.zeros(num, 1, 2, 2), uniforms, probability=p)
    shares = (labels != 0).double().mean(0)
    expected = torch.tensor([0.5, p / 2, p, p, p, p, p / 2, p, p]).double()
    error = (expected * (1 - expected) / num).sqrt()
    assert bool(((shares - expected).abs() < 4 * error).all())
