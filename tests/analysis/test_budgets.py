"""Equal compute: what differs is named, what must differ is not, and nothing is said of equals."""

import numpy as np
import pytest
from hearing import CLEAR, heard
from lambda_sweep import question, run_rows

from analysis.frame import tidy
from analysis.verdicts import budgets
from analysis.verdicts.arms import arms


def spent(*, images=(), evaluations=(), seconds=()):
    """Rows of CLEAR, with what each arm spent (by seed in the case of seconds)."""
    rows = []
    for arm, (value, finals) in enumerate(CLEAR.items()):
        own = {"images": images[arm]} if images else {}
        for seed, final in enumerate(finals):
            for row in run_rows(arm, seed, {"loss.lambda": value}, final=final, **own):
                if evaluations:
                    row[f"metric.{budgets.EVALUATIONS}"] = float(evaluations[arm])
                if seconds:
                    row["seconds"] = float(seconds[arm][seed])
                if row["images"] or row["final"]:  # what is not trained is judged once
                    rows.append(row)
    return rows


def table_of(rows, **changes):
    asked = question(**{"baseline": {"loss.lambda": 1.0}, "domains": {}} | changes)
    data = tidy(rows, asked)
    return arms(data, asked)


def test_an_arm_with_other_images_is_named_and_not_ranked():
    rows = spent(images=(400_000, 410_000, 400_000))
    assert heard(rows)[0] == (
        "Images differ by more than 2% from the baseline's in 1 of 3 arms, 410,000 (λ = 0.5): such "
        "arms are not ranked."
    )
    table = table_of(rows)
    assert table["ranked"].tolist() == [True, False, True]
    assert table["verdict"].tolist() == ["worse", "", ""]
    assert table["leads"].tolist() == [False, False, True]  # .5 has the best mean


def test_several_are_named_by_their_extent():
    found = heard(spent(images=(200_000, 800_000, 400_000)))
    assert "in 2 of 3 arms, from 200,000 (λ = 0) to 800,000 (λ = 0.5): such" in found[0]
    found = heard(spent(images=(200_000, 200_000, 400_000)))
    assert "in 2 of 3 arms, 200,000 each: such" in found[0]


def test_without_a_baseline_the_median_arm_is_what_others_are_held_against():
    found = heard(spent(images=(200_000, 400_000, 400_000)), baseline={})
    assert "from the median arm's in 1 of 3 arms, 200,000 (λ = 0)" in found[0]


@pytest.mark.parametrize(
    "images", [(400_000, 400_000, 408_000), (0, 400_000, 400_000), (400_000, 400_000, 0)]
)
def test_a_whole_step_more_is_no_difference_and_what_was_not_trained_is_no_unequal_one(images):
    rows = spent(images=images)
    assert table_of(rows)["ranked"].all()
    assert not any("mages" in sentence for sentence in heard(rows))


def test_a_question_about_budgets_ranks_them():
    rows = [
        {**row, "param.budget.images": float(row["arm"])}
        for row in spent(images=(200_000, 400_000, 800_000))
    ]
    both = {"scientific": ["loss.lambda", "budget.images"]}
    assert table_of(rows, **both)["ranked"].all()


def test_equal_images_at_other_compute():
    found = heard(spent(evaluations=(1.0, 5.0, 2.0)))
    assert found == [
        "At equal images, 2 of 3 arms spend other cost/evaluations than the baseline's, from 0.5 "
        "times (λ = 0) to 2.5 times (λ = 0.5): verdicts hold at equal images, not at equal compute,"
        " which `cost` would weigh."
    ]


def test_equal_compute_and_a_cost_that_the_question_weighs_are_no_objection():
    assert heard(spent(evaluations=(2.0, 2.02, 2.0))) == []
    cost = {"cost": budgets.EVALUATIONS, "columns": [budgets.EVALUATIONS]}
    assert heard(spent(evaluations=(1.0, 5.0, 2.0)), **cost) == []


def test_other_images_explain_other_compute():
    found = heard(spent(images=(200_000, 400_000, 400_000), evaluations=(1.0, 2.0, 2.0)))
    assert not any("evaluations" in sentence for sentence in found)


def test_seconds_that_nothing_else_explains():
    slow = ((30, 40, 50), (10, 11, 12), (10, 11, 12))
    (found,) = heard(spent(seconds=slow, evaluations=(2.0, 2.0, 2.0)))
    assert "1 of 3 arms took other seconds than the baseline's even at their fastest" in found
    assert "3 times (λ = 0): larger networks, or a machine that was busy." in found


@pytest.mark.parametrize(
    "more",
    [
        {"seconds": ((10, 90, 90), (10, 11, 12), (10, 11, 12))},  # one seed ran undisturbed
        {"seconds": ((19, 19, 19), (10, 11, 12), (10, 11, 12))},
    ],
)
def test_a_busy_machine_is_no_objection(more):
    assert heard(spent(**more)) == []


def test_other_compute_explains_other_seconds():
    slow = ((30, 40, 50), (10, 11, 12), (10, 11, 12))
    found = heard(spent(seconds=slow, evaluations=(6.0, 2.0, 2.0)))
    assert not any("seconds" in sentence for sentence in found)


def test_multiples_are_of_the_baseline():
    table = table_of(spent(images=(200_000, 800_000, 400_000)))
    np.testing.assert_allclose(budgets.relative(table["images"], table), [0.5, 2, 1])
