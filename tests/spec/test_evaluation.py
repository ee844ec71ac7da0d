"""How images are judged: which metrics there are, and what is refused before anything runs."""

import pytest
from pydantic import ValidationError

from sid_sweep.spec import Trial

INCEPTION = {"kind": "inception", "path": "weights.pth"}
PATCHES = {"data": {"kind": "patches"}, "teacher": {"kind": "trained"}}


def trial(*, data=None, **evaluation):
    values = PATCHES | ({"data": data} if data else {})
    return Trial.model_validate({**values, "evaluation": evaluation})


def judged(own):
    return [name for name in own.metrics if "/" not in name]


def test_what_is_not_inception_is_never_called_fid():
    assert judged(trial()) == ["fd", "mmd", "precision", "recall"]
    classes = trial(data={"kind": "mnist"})
    assert judged(classes) == ["fd", "mmd", "class_score", "precision", "recall"]
    fid = ["fid", "kid", "inception_score", "precision", "recall"]
    assert judged(trial(features=INCEPTION)) == fid


def test_statistics_know_no_images():
    own = trial(features=INCEPTION, reference={"kind": "statistics", "path": "cifar10.npz"})
    assert judged(own) == ["fid", "inception_score"]
    assert own.columns == ()


def test_metrics_know_their_number_of_samples():
    assert trial(samples=50_000, features=INCEPTION).sampled["fid"] == 50_000
    assert Trial.model_validate({"data": {"kind": "mixture"}}).sampled == {}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"features": INCEPTION, "samples": 2000}, "fewer than the 2,048 dimensions"),
        ({"features": {"kind": "classifier"}, "samples": 20}, "fewer than the 32 dimensions"),
        ({"reference": {"kind": "statistics", "path": "a.npz"}}, "holds Inception's features"),
        ({"features": INCEPTION | {"sha256": "xyz"}}, "should match pattern"),
        ({"features": INCEPTION, "data": {"kind": "digits"}}, "is judged as digits"),
    ],
)
def test_what_makes_no_sense_is_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        trial(**values)
