"""The judge of images, seen through a linear map instead of a network."""

import math

import numpy as np
import pytest
import torch

from sid_sweep.quality import gallery, latents
from sid_sweep.quality.gallery import (
    ImagesJudge,
    Reference,
    as_bytes,
    look_at,
    reference_of,
    split_score,
)
from sid_sweep.quality.inception import Seen
from sid_sweep.quality.sight import Sight

NAMES = ("fd", "mmd", "class_score", "precision", "recall")
SHAPE = (3, 4, 4)


def pixels(images):
    features = (images.flatten(1).float()[:, :20] - 128) / 32
    return Seen(features, features[:, :4] * 2)


def real(num, *, seed=0):
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(9).normal(0, 12, (48, 48))
    drawn = random.normal(0, 1, (num, 48)) @ mixing + 128
    return drawn.clip(0, 255).astype(np.uint8).reshape(num, *SHAPE)


def judge_of(images, num, scaling="none"):
    sight = Sight(pixels, {}, torch.device("cpu"), chunk=64, scaling=scaling)
    reference = reference_of(look_at(images, sight, num_samples=num))
    drawn = latents.normal(num, SHAPE, seed=0)
    return ImagesJudge(sight, reference, drawn, None, NAMES, 0)


def as_samples(images):
    return torch.from_numpy(images).float() / 127.5 - 1


@pytest.fixture(scope="module")
def judge():
    return judge_of(real(3000), 1000)


def test_real_images_read_what_real_images_read(judge):
    """Another draw of as many: no distance but that of a finite sample, precise, all recalled."""
    found = judge.measure(as_samples(real(1000, seed=1)))
    assert tuple(found) == NAMES
    assert found["fd"] == pytest.approx(judge.references["fd_of_data"], rel=0.5)
    assert abs(found["mmd"]) < 0.05
    assert min(found["precision"], found["recall"]) > 0.6


def test_what_is_not_like_the_data_is_seen(judge):
    usual = judge.measure(as_samples(real(1000, seed=1)))
    noise = judge.measure(torch.rand(1000, *SHAPE) * 2 - 1)
    assert noise["fd"] > 10 * usual["fd"]
    assert noise["mmd"] > 10 * abs(usual["mmd"])
    copies = judge.measure(as_samples(real(1)).repeat(1000, 1, 1, 1))
    assert copies["recall"] < 0.01
    assert copies["class_score"] == pytest.approx(1)


def test_a_frechet_distance_falls_with_the_number_of_samples(judge):
    """Its bias is about proportional to 1/n: a fourth of the samples reads several times as far."""
    few = judge_of(real(3000), 250).measure(as_samples(real(250, seed=1)))
    many = judge.measure(as_samples(real(1000, seed=1)))
    assert few["fd"] > 2 * many["fd"]


def test_features_of_our_own_come_in_units_of_the_data():
    """White ones have the covariance I, scaled ones variance 1 on average; the map is linear, so
    who is near whom stays as it was under a scale."""
    usual, white, scaled = (judge_of(real(2000), 500, kind) for kind in ("none", "white", "scale"))
    assert torch.allclose(white.reference.covariance, torch.eye(20).double(), atol=1e-9)
    assert float(scaled.reference.covariance.diagonal().mean()) == pytest.approx(1)
    samples = as_samples(real(500, seed=1))
    one, other = usual.measure(samples), scaled.measure(samples)
    assert (one["precision"], one["recall"]) == (other["precision"], other["recall"])
    unit = float(usual.reference.covariance.diagonal().mean())
    assert one["fd"] / unit == pytest.approx(other["fd"], rel=1e-4)


def test_what_is_not_finite_is_no_number(judge):
    samples = as_samples(real(1000))
    samples[3, 0, 0, 0] = math.nan
    assert all(math.isnan(value) for value in judge.measure(samples).values())


def test_published_statistics_need_no_images(judge):
    own = judge.reference
    published = ImagesJudge(
        judge.sight, Reference(own.mean, own.covariance), judge.latents, None, ("fid",), 0
    )
    samples = as_samples(real(1000, seed=1))
    assert published.measure(samples) == {"fid": judge.measure(samples)["fd"]}
    assert published.references == {}


def test_too_few_images_for_the_features_are_refused():
    with pytest.raises(ValueError, match="images of the data = 19: fewer than the 20 dimensions"):
        judge_of(real(19), 1000)


def test_reading_in_blocks_changes_nothing(judge, monkeypatch):
    monkeypatch.setattr(gallery, "BLOCK", 700)
    again = judge_of(real(3000), 1000)
    assert torch.allclose(again.reference.covariance, judge.reference.covariance, rtol=1e-9)
    assert torch.equal(again.reference.features, judge.reference.features)


def test_bytes_survive_the_way_there_and_back():
    every = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(as_bytes(every.float() / 127.5 - 1), every)
    assert as_bytes(torch.tensor([[[[-7.0, 9.0]]]])).flatten().tolist() == [0, 255]


def test_the_score_of_classes_has_its_ends():
    assert split_score(torch.zeros(100, 7)) == pytest.approx(1)
    sure = 1e3 * torch.eye(5).repeat(40, 1)
    assert split_score(sure) == pytest.approx(5)


def test_classes_are_uniform_and_the_seeds_own():
    one, other = (latents.labels(5000, 10, seed=seed) for seed in (0, 1))
    assert one is not None
    assert not torch.equal(one, other)
    counts = torch.bincount(one, minlength=10)
    assert float((counts - 500).abs().max()) < 4 * (500 * 0.9) ** 0.5
    assert latents.labels(5, 0, seed=0) is None
