"""A student that does not keep what it must ends its trial at once, as collapsed."""

import pytest
from methods import shown, small

from sid_sweep.distill import distill
from sid_sweep.spec import SpecError, Trial, plain

FOUR = {"times": 4, "samples": 64}


def judged(**evaluation):
    return small("sid", evaluation=FOUR | evaluation)


@pytest.fixture(scope="module")
def course(cache):
    """The metrics of an undisturbed trial by images."""
    return {p.images: p.metrics for p in distill(judged(), cache=cache) if p.metrics}


def ends(trial, cache):
    records = list(distill(trial, cache=cache))
    return records, records[-1]


def test_it_ends_at_the_first_evaluation_at_which_it_does_not_keep_it(course, cache):
    images = sorted(course)
    records, last = ends(judged(keeps=["js <= 0.0001"]), cache)
    assert (last.outcome, last.images) == ("collapsed", images[2])  # half the budget
    value = course[images[2]]["js"]
    assert last.cause == f"js is {value:.4g}, and must be js <= 0.0001"
    assert last.metrics == course[images[2]]
    assert last.samples is not None, "what it looks like is worth a look"
    assert {p.images: p.metrics for p in records if p.metrics}.items() <= course.items()


def test_from_which_part_on_is_its_own_to_say(course, cache):
    images = sorted(course)
    for part, turn in ((0.0, 0), (0.25, 1), (0.3, 2), (0.9, 4)):
        _, last = ends(judged(keeps=["js <= 0.0001"], keeps_from=part), cache)
        assert (last.outcome, last.images) == ("collapsed", images[turn])


def test_it_may_be_relative_to_the_start_also_once_it_was_interrupted(course, cache):
    images = sorted(course)
    start, later = course[images[0]]["js"], course[images[3]]["js"]
    lower, higher = 0.9 * later / start, 1.1 * max(own["js"] for own in course.values()) / start
    _, last = ends(judged(keeps=[f"js <= {higher} * start"]), cache)
    assert last.outcome == "finished"
    trial = judged(keeps=[f"js <= {lower} * start"], keeps_from=0.7)
    records, last = ends(trial, cache)
    assert (last.outcome, last.images) == ("collapsed", images[3])
    assert last.cause.endswith(f"({lower * start:.4g})")
    own = distill(trial, cache=cache)
    state = [next(own) for _ in range(len(records) // 2)][-1].state()
    rest = list(distill(trial, cache=cache, resume=state))
    assert [shown(p) for p in rest] == [shown(p) for p in records[len(records) // 2 :]]


def test_what_is_kept_changes_nothing(course, cache):
    trial = judged(keeps=["js <= 1", "off_modes <= 1.0"])
    found = {p.images: p.metrics for p in distill(trial, cache=cache) if p.metrics}
    assert found == course


@pytest.mark.parametrize(
    ("keeps", "sentence"),
    [
        ("fid <= 3", "evaluation.keeps: fid <= 3: a student is judged by js"),
        ("cost/forwards <= 3", "a student is judged by js"),
        ("js < 3", "a limit is kept where it is met"),
        ("js <= 2 * baseline", "there is no baseline here; write start"),
        ("js <= 0 * start", "0 times the start; write a factor above 0"),
    ],
)
def test_what_cannot_be_kept_is_refused(keeps, sentence):
    with pytest.raises((SpecError, ValueError)) as caught:
        judged(keeps=[keeps])
    assert sentence in str(caught.value)


def test_it_is_written_in_one_way():
    trial = judged(keeps=["js<=1.50*start"])
    assert trial.evaluation.keeps == ("js <= 1.5 * start",)
    assert Trial.model_validate(plain(trial)) == trial
