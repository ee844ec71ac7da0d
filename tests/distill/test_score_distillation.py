"""One step of the algorithm: whose weights move, from where they start, and what is drawn."""

import copy
from pathlib import Path

import pytest
import torch
from tiny import tiny

from sid_sweep import data, teachers
from sid_sweep.distill.method import Setting
from sid_sweep.distill.score_distillation import ScoreDistillation

NEVER = 1e-300  # a learning rate that rounds to no step at all


def stepped(num=3, **changes):
    """A method before and after `num` steps."""
    trial = tiny(**changes)
    teacher = teachers.load(trial, cache=Path("/nonexistent"))
    method = ScoreDistillation(Setting(trial, teacher, data.source(trial.data)))
    before = copy.deepcopy(method)
    for step in range(num):
        method.step(step * method.images_per_step)
    return before, method


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


def test_a_step_moves_every_network():
    before, after = stepped()
    assert not equal(before.fake_score, after.fake_score)
    assert not equal(before.generator, after.generator)
    assert not equal(before.averaged, after.averaged)


def test_the_generators_step_leaves_the_fake_score_alone():
    before, after = stepped(fake_score__optim__lr=NEVER)
    assert equal(before.fake_score, after.fake_score)
    assert not equal(before.generator, after.generator)


def test_the_generator_learns_through_a_frozen_fake_score(monkeypatch):
    _, method = stepped(0)
    asked, epsilon = [], method.fake_score.forward

    def seen(*inputs):
        asked.append({weight.requires_grad for weight in method.fake_score.parameters()})
        return epsilon(*inputs)

    monkeypatch.setattr(method.fake_score, "forward", seen)
    method.step(0)
    assert asked == [{True}] * method.fake_part.steps + [{False}]


def test_the_fake_scores_step_leaves_the_generator_alone():
    before, after = stepped(generator__optim__lr=NEVER)
    assert equal(before.generator, after.generator)
    assert equal(before.averaged, after.averaged)
    assert not equal(before.fake_score, after.fake_score)


@pytest.mark.parametrize(("half_life", "follows"), [(1e-9, True), (500.0, False)])
def test_the_student_is_the_average_of_the_generator(half_life, follows):
    _, after = stepped(generator__ema={"half_life_images": half_life, "ramp_up": None})
    assert equal(after.averaged, after.generator) == follows


@pytest.mark.parametrize(("fraction", "num"), [(0.5, 16), (0.75, 24), (0.01, 1)])
def test_images_are_the_latents_of_the_generators_loss(fraction, num):
    before, _ = stepped(0, batch__generator_fraction=fraction)
    assert before.images_per_step == num


def test_the_fake_score_learns_a_still_generator():
    """Its loss falls from window to window, the generator's samples being always the same."""
    still = {"generator__optim__lr": NEVER, "batch__latents": 512, "fake_score__steps": 5}
    _, method = stepped(0, budget__images=10_000_000, **still)
    errors = []
    for begin in range(0, 40, 10):
        method.monitor.reset()
        for step in range(begin, begin + 10):
            method.step(step * method.images_per_step)
        errors.append(method.monitor.means()["fake_score_loss"])
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.9 * errors[0]


def test_samples_are_a_function_of_their_latents():
    _, method = stepped(1)
    z = torch.randn(2, 100, 2, generator=torch.Generator().manual_seed(0))
    first, again, other = (
        method.student.draw(latents, random=torch.Generator()) for latents in (z[0], z[0], z[1])
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (100, 2)
    assert not first.requires_grad


def gradients(method, images=0):
    """Of both networks' losses at a step that moves nothing."""
    found = {}
    for name, optimiser in method.optimisers.items():
        optimiser.step = lambda images, name=name, own=optimiser: found.update(
            {name: [p.grad.clone() for p in own.parameters]}
        )
    method.step(images)
    return found


def test_one_pass_gives_the_gradients_of_two():
    """Of the same latents, noise and levels: the generator's is that of the algorithm with two
    passes, the fake score's that of its own loss with the sample held still."""
    _, method = stepped(0, batch__shared=True, batch__latents=16, fake_score__steps=1)
    _, apart = stepped(0, batch__latents=32, fake_score__steps=1)
    both, alone = gradients(method), gradients(apart)
    for a, b in zip(both["generator"], alone["generator"], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    (share,) = method.shares(16)
    own = method._batch(0, "generator", share, method.levels["generator"])
    with torch.no_grad():
        xt = own.draw.level.alpha * method.generate(own.latents, None)
        xt += own.draw.level.beta * own.noise
    error = (method.fake_score(xt, own.draw.level) - own.noise).square().sum(1)
    sigma = own.draw.level.sigma[:, 0]
    weight = (sigma**2 + method.teacher.sigma_data**2) / method.teacher.sigma_data**2
    expected = torch.autograd.grad((weight * error).mean(), list(method.fake_score.parameters()))
    for a, b in zip(both["fake_score"], expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_every_shared_latent_trains_both():
    before, _ = stepped(0, batch__shared=True, batch__latents=24, fake_score__steps=1)
    assert before.images_per_step == 24


def test_dropout_falls_as_its_step_says_and_sleeps_in_the_student():
    dropping = {"generator__dropout": 0.5, "fake_score__dropout": 0.5}
    _, first = stepped(2, **dropping)
    _, again = stepped(2, **dropping)
    _, without = stepped(2)
    assert equal(first.generator, again.generator)
    assert not equal(first.generator, without.generator)
    assert not any(own.training for own in (first.generator, first.averaged, first.fake_score))


def test_a_step_with_dropout_leaves_torchs_own_random_state_alone():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    stepped(1, generator__dropout=0.5)
    assert torch.equal(before, torch.random.get_rng_state())
