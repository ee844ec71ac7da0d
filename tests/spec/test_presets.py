"""Published settings by name, and cases: named groups of settings as the values of one knob."""

from pathlib import Path

import pytest

from sid_sweep.spec import SpecError, Trial, digest, load, plain
from sid_sweep.spec.presets import PRESETS

DIGITS = {"data": {"kind": "digits"}, "teacher": {"kind": "trained"}}
LAMBDA = Path(__file__).parents[1] / "lambda.yaml"
CASES = (
    "scientific={method: {cases: {sid: {}, fgm: {preset: fgm}, gan: {method: {kind: gan}, "
    "generator.optim.lr: 0.5}}}}"
)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_trial(name):
    trial = Trial.model_validate({**DIGITS, "preset": name})
    assert Trial.model_validate(plain(trial)) == trial


def test_the_official_settings_of_cifar10():
    """Zhou et al. 2024; two batches of 256, one for each network."""
    trial = Trial.model_validate({**DIGITS, "preset": "sid_cifar10"})
    assert trial.loss.lambda_ == 1.2
    assert (trial.generator.optim.lr, trial.generator.optim.beta1) == (1e-5, 0.0)
    assert trial.generator.sigma_init == 2.5
    assert trial.generator.loss_scale == 100
    assert trial.generator.weight.kind == "sid_legacy"
    assert trial.generator.ema.half_life_images == 500_000
    assert (trial.batch.generator_latents, trial.batch.fake_score_latents) == (256, 256)


@pytest.mark.parametrize(
    ("name", "lam", "lr", "beta1", "eps", "batch"),
    [
        ("sid_cifar10", 1.2, 1e-5, 0.0, 1e-8, 256),
        ("sid_imagenet64", 1.2, 4e-6, 0.0, 1e-6, 8192),
        ("sid_ffhq64", 1.2, 1e-5, 0.9, 1e-6, 512),
        ("sid_afhqv2", 1.0, 5e-6, 0.0, 1e-6, 512),
    ],
)
def test_official_settings_by_data_set(name, lam, lr, beta1, eps, batch):
    """run_sid.sh and sid_train.py: eps where they run float16, β1 of the generator for FFHQ."""
    trial = Trial.model_validate({**DIGITS, "preset": name})
    generator, fake = trial.generator.optim, trial.fake_score.optim
    assert (trial.loss.lambda_, generator.lr, generator.beta1) == (lam, lr, beta1)
    assert (generator.eps, fake.eps, fake.beta1, fake.lr) == (eps, eps, 0.0, lr)
    assert trial.batch.generator_latents == batch


@pytest.mark.parametrize(
    ("name", "dropout", "augment", "precision"),
    [
        ("sid_cifar10", 0.13, 0.12, "float32"),
        ("sid_imagenet64", 0.1, 0.0, "float16"),
        ("sid_ffhq64", 0.05, 0.15, "float16"),
        ("sid_afhqv2", 0.05, 0.15, "float16"),
    ],
)
def test_official_dropout_augmentation_and_precision(name, dropout, augment, precision):
    """run_sid.sh: --dropout, --augment and --fp16, or the defaults of sid_train.py."""
    trial = Trial.model_validate({**DIGITS, "preset": name})
    assert (trial.generator.dropout, trial.fake_score.dropout) == (dropout, dropout)
    assert (trial.fake_score.augment, trial.precision) == (augment, precision)


def test_what_is_written_wins_over_the_preset():
    trial = Trial.model_validate({**DIGITS, "preset": "sid_cifar10", "loss": {"lambda": 0.9}})
    assert trial.loss.lambda_ == 0.9
    assert trial.generator.optim.lr == 1e-5


def test_a_preset_is_its_values():
    """Its name is no part of a trial's identity."""
    named = Trial.model_validate({**DIGITS, "preset": "fgm"})
    written = {"loss": {"lambda": 0.5}, "generator": {"loss_scale": 2.0}}
    assert digest(named) == digest(Trial.model_validate({**DIGITS, **written}))


def test_cases_are_settings_over_the_fixed_ones():
    sweep = load(LAMBDA, [CASES, "baseline={method: sid}"])
    assert [dict(arm) for arm in sweep.grid()] == [
        {"method": "sid"},
        {"method": "fgm"},
        {"method": "gan"},
    ]
    trials = {arm["method"]: sweep.trial(arm, 0) for arm in sweep.grid()}
    assert trials["sid"].loss.lambda_ == 1.0
    assert trials["fgm"].loss.lambda_ == 0.5
    assert trials["gan"].method.kind == "gan"
    assert trials["gan"].generator.optim.lr == 0.5
    assert trials["gan"].generator.sigma_init == 5.0  # fixed
    assert sweep.outline()["domains"]["method"] == {
        "kind": "choice",
        "values": ["sid", "fgm", "gan"],
    }


@pytest.mark.parametrize(
    ("cases", "sentence"),
    [
        ("{method: {cases: {}}}", "cases is empty; name at least one"),
        ("{loss.lambda: {cases: {a: {}}}}", "is a knob; give the cases a name of their own"),
        ("{m: {cases: {a: {los.lambda: 1.0}}}}", "did you mean loss.lambda?"),
        ("{m: {cases: {a: {loss.lambda: x}}}}", "loss.lambda = 'x': must be a valid number"),
        ("{m: {cases: {a: {preset: b}}}}", "(in the arm m = a)"),
        ("{m: {cases: {a: {method.kind: kd, loss.lambda: 1.0}}}}", "(in the arm m = a)"),
        (
            "{m: {cases: {a: {loss.lambda: 1.0}}}, loss.lambda: {choice: [1.0]}}",
            "case a sets loss.lambda, which is swept too",
        ),
    ],
)
def test_cases_that_make_no_trial_are_refused(cases, sentence):
    with pytest.raises(SpecError) as caught:
        load(LAMBDA, [f"scientific={cases}", "baseline={}"])
    assert sentence in str(caught.value)
