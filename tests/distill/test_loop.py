"""A trial is a pure function of its specification; what diverges says so; ψ is frozen where it
must be."""

import pytest
import torch

from sid_sweep import data, teachers
from sid_sweep.distill import Ranks, distill
from sid_sweep.distill.loop import evaluation_steps
from sid_sweep.distill.method import Setting
from sid_sweep.distill.score_distillation import ScoreDistillation
from sid_sweep.spec import Trial

NET = {"kind": "random", "net": {"kind": "mlp", "width": 16, "depth": 2}}

NETWORKS = ("generator", "fake_score")


def tiny(**changes):
    """A trial of half a second."""
    values = {
        "data": {"kind": "mixture"},
        "generator": {"init": NET},
        "fake_score": {"init": NET},
        "batch": {"latents": 32},
        "budget": {"images": 1600},
        "evaluation": {"times": 3, "samples": 64},
    }
    return Trial.model_validate(values | changes)


def records(trial, folder, **options):
    return [
        (p.images, p.outcome, p.cause, p.metrics) for p in distill(trial, cache=folder, **options)
    ]


def method(trial, folder, **options):
    teacher = teachers.load(trial, cache=folder)
    return ScoreDistillation(Setting(trial, teacher, data.source(trial.data), **options))


def test_another_seed_is_another_run(tmp_path):
    assert records(tiny(), tmp_path) != records(tiny(seed=1), tmp_path)


def test_evaluations_are_even_and_the_last_is_at_the_end(tmp_path):
    trial = tiny()
    steps = evaluation_steps(trial, images_per_step=16)
    assert steps == [0, 33, 67, 100]  # the start is judged too
    evaluated = [images for images, _, _, metrics in records(trial, tmp_path) if metrics]
    assert evaluated == [16 * step for step in steps]
    assert records(trial, tmp_path)[-1][1] == "finished"


@pytest.mark.parametrize(
    "changes",
    [
        {"generator": {"init": NET, "optim": {"lr": 1e6}}},
        {"generator": {"init": NET, "weight": {"kind": "power", "exponent": 80.0}}},
    ],
)
def test_divergence_ends_the_trial_at_once_with_its_cause(changes, tmp_path):
    images, outcome, cause, metrics = records(tiny(**changes), tmp_path)[-1]
    assert outcome == "diverged"
    assert "range" in cause or "finite" in cause
    assert images < 1600
    assert metrics == {}


def test_a_step_of_the_generator_leaves_psi_and_one_of_psi_leaves_the_generator(tmp_path):
    sid = method(tiny(), tmp_path)
    before = [p.clone() for p in sid.fake_score.parameters()]
    sid._train_generator(0)
    assert all(torch.equal(a, b) for a, b in zip(before, sid.fake_score.parameters(), strict=True))
    own = [p.clone() for p in sid.generator.parameters()]
    sid._train_fake_score(0, 0)
    assert all(torch.equal(a, b) for a, b in zip(own, sid.generator.parameters(), strict=True))
    assert not all(
        torch.equal(a, b) for a, b in zip(before, sid.fake_score.parameters(), strict=True)
    )


def test_ranks_share_one_draw(tmp_path):
    """Two halves of the batch are the batch: the number of workers does not change what is
    drawn."""
    trial = tiny()
    parts = [method(trial, tmp_path, ranks=Ranks(rank, 2)) for rank in (0, 1)]

    def drawn(own):
        batch = own._batch(480, "generator", *own.shares(16), own.levels["generator"])
        return batch.latents, batch.noise, batch.draw.level.beta

    shares = [drawn(part) for part in parts]
    for index, whole in enumerate(drawn(method(trial, tmp_path))):
        torch.testing.assert_close(torch.cat([share[index] for share in shares]), whole)


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(ValueError, match="shared equally"):
        Ranks(0, 3).part(16)


def test_diagnostics_vanish_at_the_best_fake_score(tmp_path):
    """R = L2 - L1 and Q are 0 at ψ*; with the teacher in ψ's place and data for samples, L1 too."""
    sid = method(tiny(), tmp_path)
    own = data.source(tiny().data)
    num = 4096
    x0 = own.draw(num, generator=torch.Generator().manual_seed(1)).float()
    noise = torch.randn(num, 2, generator=torch.Generator().manual_seed(0))
    draw = sid.levels["generator"].draw(torch.full((num,), 0.3), dims=1)
    best = sid.teacher.epsilon(draw.level.alpha * x0 + draw.level.beta * noise, draw.level)
    sid._observe(x0, best, best, noise, draw)
    figures = sid.monitor.means()
    products = (best * (best - noise)).sum(1)
    error = float(products.std()) / num**0.5
    assert figures["l1"] == 0
    assert abs(figures["q"]) < 4 * error
    assert abs(float((best * (best - 1.2 * noise)).sum(1).mean())) > 4 * error
    in_bins = {name for name in figures if name.startswith("q/")}
    assert in_bins == {"q/sigma_0.43"}  # all at u = .3, the second of four bins


def test_a_gradient_that_always_overflows_float16_ends_the_trial(tmp_path):
    """Each step halves the factor, and below 1 nothing is left to halve; no step was taken."""
    changes = {"generator": {"init": NET, "loss_scale": 1e38}, "precision": "float16"}
    images, outcome, cause, _ = records(tiny(**changes), tmp_path)[-1]
    assert outcome == "diverged"
    assert cause.startswith("the gradient of generator overflows float16 at a loss scale of")
    assert images < 1600


def test_skipped_steps_are_counted(tmp_path):
    *_, last = records(tiny(precision="float16"), tmp_path)
    skipped = {name: last[3][f"diagnostics/{name}_skipped_steps"] for name in NETWORKS}
    assert all(0 <= share < 0.5 for share in skipped.values())
    *_, plain = records(tiny(), tmp_path)
    assert "diagnostics/generator_skipped_steps" not in plain[3]
