"""Combinations that make no sense are refused when they are read, with the reason."""

import pytest
from pydantic import ValidationError

from sid_sweep.spec import Trial

MIXTURE = {"data": {"kind": "mixture"}}
FIXED = {"noise": {"kind": "fixed", "sigma": 0.3}}
TEACHER = {"init": {"kind": "teacher"}}
LORA = {"init": {"kind": "teacher", "lora": {"rank": 4}}}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({**FIXED, "generator": {"importance": {}}}, "generator.importance chooses among noise"),
        ({**FIXED, "fake_score": {"importance": {}}}, "fake_score.importance chooses among noise"),
        ({"generator": LORA}, "weights and LoRA adds to them, and an exact teacher has none"),
        ({"fake_score": TEACHER}, "needs a teacher with weights, and an exact teacher has none"),
        ({"data": {"kind": "digits"}}, "only a mixture has a closed-form score"),
        ({"method": {"kind": "dde"}}, "estimates densities at one noise level"),
        ({**FIXED, "method": {"kind": "kd"}}, "follows the teacher through all noise levels"),
        ({**FIXED, "method": {"kind": "teacher"}}, "follows the teacher through all noise levels"),
        ({"method": {"kind": "progressive"}}, "begins with the teacher's weights"),
        ({"method": {"kind": "kd"}, "loss": {"lambda": 1.0}}, "loss belongs to method.kind = sid"),
        (
            {"method": {"kind": "gan"}, "fake_score": {}},
            "belongs to method.kind = sid; gan has none",
        ),
        ({"method": {"kind": "teacher"}, "generator": {}}, "teacher has none, so leave it out"),
        ({"noise": {"kind": "edm"}, "generator": {"weight": {"kind": "complement"}}}, "negative"),
        ({"fake_score": {"weight": {"kind": "sid_legacy"}}}, "it is for generator.weight"),
        (
            {"noise": {"kind": "flow"}, "generator": {"times": {"kind": "uniform", "high": 1.0}}},
            "generator.times.high = 1 is σ = ∞",
        ),
        (
            {"data": {"kind": "digits", "labels": True}, "teacher": {"kind": "trained"}},
            "teacher.net.kind = residual_mlp takes none; use unet",
        ),
        ({"fake_score": {"augment": 0.1}}, "moves images, and a mixture has none"),
        ({"method": {"kind": "gan"}, "batch": {"shared": True}}, "shared is for method.kind = sid"),
        ({"fake_score": {"steps": 2}, "batch": {"shared": True}}, "set fake_score.steps = 1"),
        (
            {"fake_score": {"importance": {}}, "batch": {"shared": True}},
            "leave fake_score.importance out",
        ),
        ({"data": {"kind": "mixture", "components": 4}}, "components belongs to name = scattered"),
        ({"data": {"kind": "mixture", "name": "scattered"}}, "needs components"),
        ({"method": {"kind": "progressive", "start_steps": 12}}, "must be a power of two"),
        ({"data": {"kind": "none"}, "teacher": {"kind": "trained"}}, "nothing to train a teacher"),
        (
            {
                "data": {"kind": "mnist"},
                "teacher": {"kind": "trained", "net": {"kind": "unet", "channel_mult": [1] * 7}},
            },
            "halves 32 x 32 pixels below one; at most 6 levels",
        ),
        (
            {"generator": {"init": {"net": {"kind": "unet"}}}},
            "generator.init.net.kind = unet is for",
        ),
        (
            {
                "data": {"kind": "digits"},
                "teacher": {
                    "kind": "trained",
                    "net": {"kind": "unet", "channel_mult": [1, 1, 1, 1, 1]},
                },
            },
            "at most 4 levels",
        ),
        (
            {
                "data": {"kind": "digits"},
                "teacher": {
                    "kind": "trained",
                    "net": {"kind": "unet", "attention_resolutions": [16]},
                },
            },
            "attention_resolutions names 16, and its levels are 8, 4 pixels high",
        ),
    ],
)
def test_nonsense_is_refused_with_its_reason(values, reason):
    with pytest.raises(ValidationError) as caught:
        Trial.model_validate(MIXTURE | values)
    assert reason in str(caught.value)


@pytest.mark.parametrize("extra", ["lambda", "lambda_end"])
def test_a_point_of_the_plane_has_no_lambda(extra):
    loss = {"kind": "plane", "cross": 0.5, "self": 1.0, extra: 1.0}
    with pytest.raises(ValidationError, match=f"loss.plane.{extra}"):
        Trial.model_validate({**MIXTURE, "loss": loss})


@pytest.mark.parametrize("group", ["loss", "generator", "fake_score"])
def test_null_for_a_group_that_a_method_has_is_its_default(group):
    """Not another method by the back door."""
    assert Trial.model_validate({**MIXTURE, group: None}) == Trial.model_validate(MIXTURE)


def test_a_teacher_of_one_level_has_no_samples_to_compare_with():
    digits = {"data": {"kind": "digits"}, "teacher": {"kind": "trained"}}
    assert "fd_ratio" in Trial.model_validate(digits).metrics
    assert "fd_ratio" not in Trial.model_validate({**digits, **FIXED}).metrics


def test_a_gan_without_data_cannot_be_written():
    with pytest.raises(ValidationError, match="data"):
        Trial.model_validate({"method": {"kind": "gan"}})
