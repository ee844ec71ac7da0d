"""Who is confirmed, who is dropped, who is decided: and that the table says the same."""

import json

import pytest
from lambda_sweep import question, run_rows, sweep_of

from analysis.frame import tidy
from analysis.question import Question
from analysis.texts.tables import markdown
from analysis.verdicts.arms import arms
from analysis.verdicts.health import warnings
from analysis.verdicts.referee import baseline, kept, outclassed, settled

FINALS = {  # the first three seeds screen
    0.0: (27.0, 28.0, 29.0),
    0.5: (1.5, 1.6, 1.7),
    1.0: (1.3, 1.4, 1.5),
    1.2: (None, None, None),
    1.5: (1.1, 1.1, None),
    2.0: (1.2, 1.3, 1.4),
}
SCREEN = {"screen": [0, 1, 2], "seeds": [3, 4, 5], "keep": 3}
LOW = (1.0, 1.1, 0.9, 1.02, 0.97, 1.04, 0.99, 1.01, 1.03, 0.98)
HIGH = (2.0, 2.1, 1.9, 2.05, 1.95, 2.02, 1.98, 2.0, 2.1, 1.9)


def beside(values, step):
    """Values a little above and below others in turn."""
    return tuple(value + step * (-1) ** n for n, value in enumerate(values))


def ask(verb, finals, **changes):
    asked = question(**changes)
    return verb(tidy(sweep_of(finals), asked), asked)


def test_the_best_by_screening_are_kept_and_the_baseline_is_not_among_them():
    assert ask(kept, FINALS, **SCREEN) == [5, 2, 0]  # losses weigh more than a mean
    assert ask(kept, FINALS, **SCREEN | {"keep": 1}) == [5]
    assert ask(kept, FINALS, **SCREEN, goal="maximize") == [0, 2, 5]
    assert ask(kept, FINALS, **SCREEN | {"keep": 9}) == [5, 2, 0, 4]  # none without a value


def test_fresh_seeds_change_nothing_of_what_is_kept():
    more = FINALS | {1.0: (1.3, 1.4, 1.5, 99.0, 99.0, 99.0)}
    assert ask(kept, more, **SCREEN) == ask(kept, FINALS, **SCREEN)


def test_an_arm_that_the_race_dropped_comes_after_those_that_ran_to_the_end():
    finals = FINALS | {2.0: (1.2, 1.3)}
    assert ask(kept, finals, **SCREEN) == [2, 0, 4]


def test_of_tuned_settings_the_best_is_kept_and_is_the_baseline():
    asked = question(nuisance=["lr"], **SCREEN)
    settings = [(0.5, 1), (0.5, 2), (1.0, 1), (1.0, 2), (1.5, 1)]
    data = [
        row
        for arm, (lam, lr) in enumerate(settings)
        for seed in range(3)
        for row in run_rows(arm, seed, {"loss.lambda": lam, "lr": lr}, final=9 - arm + seed / 9)
    ]
    frame = tidy(data, asked)
    assert kept(frame, asked) == [4, 3]
    assert baseline(frame, asked) == 1
    unnamed = question(nuisance=["lr"], **SCREEN, baseline={})
    assert baseline(frame, unnamed) is None


def test_an_arm_far_behind_is_outclassed_and_the_best_is_not():
    finals = {
        0.0: HIGH,
        0.5: LOW,
        1.0: beside(LOW, 0.01),
    }
    many = {"seeds": list(range(10))}
    assert ask(outclassed, finals, **many) == {0}
    assert ask(outclassed, finals, **many, goal="maximize") == {1, 2}
    assert ask(outclassed, finals, **many, num_arms=10**9) == set()  # Bonferroni's price
    early = {value: own[:3] for value, own in finals.items()}
    assert ask(outclassed, early, **many) == set()
    # it is the screening seeds that count where some screen
    assert ask(outclassed, finals, screen=list(range(10)), seeds=[10], keep=1) == {0}


def test_an_arm_that_always_diverges_is_outclassed():
    many = {"seeds": list(range(12))}
    assert ask(outclassed, {0.5: LOW, 1.0: (None,) * 10}, **many) == {1}


def test_settled_is_what_the_table_says():
    finals = {
        0.0: HIGH,
        0.5: LOW,
        1.0: beside(LOW, 0.1),
    }
    asked = question(seeds=list(range(20)), sequential=True)
    frame = tidy(sweep_of(finals), asked)
    table = arms(frame, asked)
    assert settled(frame, asked) == {0}
    assert set(table["arm"][table["verdict"].isin(["better", "worse", "equal"])]) == {0}


def test_an_equal_arm_is_settled_too():
    finals = {0.5: LOW, 1.0: beside(LOW, 0.004)}
    asked = {"seeds": list(range(20)), "sequential": True}
    assert ask(settled, finals, **asked) == set()
    assert ask(settled, finals, **asked, equal_within=0.1) == {0, 1}


@pytest.mark.parametrize(("num_arms", "expected"), [(0, {0, 1}), (2, {0, 1}), (3, {1})])
def test_the_baseline_is_settled_with_the_last_arm_asked_for(num_arms, expected):
    asked = {"seeds": list(range(20)), "sequential": True, "num_arms": num_arms}
    assert ask(settled, {0.5: LOW, 1.0: HIGH}, **asked) == expected


def test_a_baseline_that_names_its_tuned_knobs_runs_on_beside_a_better_tuned_arm():
    asked = question(
        nuisance=["lr"],
        baseline={"loss.lambda": 0.5, "lr": 1},
        seeds=list(range(20)),
        sequential=True,
    )
    settings = {(0.5, 1): HIGH, (0.5, 2): LOW, (1.0, 1): beside(HIGH, 0.02)}
    data = [
        row
        for arm, ((lam, lr), finals) in enumerate(settings.items())
        for seed, final in enumerate(finals)
        for row in run_rows(arm, seed, {"loss.lambda": lam, "lr": lr}, final=final)
    ]
    assert settled(tidy(data, asked), asked) == {1}


def test_nothing_is_settled_without_a_baseline_or_before_it_ran():
    asked = {"seeds": list(range(20)), "sequential": True}
    assert ask(settled, {0.5: LOW, 1.0: HIGH}, **asked, baseline={}) == set()
    assert ask(settled, {1.0: HIGH}, **asked) == set()


def test_confirmed_arms_are_settled_by_fresh_seeds():
    fresh = {"screen": [0, 1], "seeds": list(range(2, 30)), "keep": 1, "sequential": True}
    screened = {0.5: (1.0, 1.1), 1.0: (0.5, 0.5), 1.5: (0.9, 0.9)}
    assert ask(settled, screened, **fresh) == set()
    going = screened | {0.5: (1.0, 1.1, *HIGH), 1.0: (0.5, 0.5, *LOW)}
    assert ask(settled, going, **fresh) == {0, 1}
    assert ask(settled, going, **fresh | {"keep": 2}) == {1}  # one is still to be confirmed


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"screen": [0, 1], "seeds": [1, 2], "keep": 1}, "seed 1 both screens and reports"),
        ({"keep": 2}, "keep = 2 with 0 screening seeds"),
        ({"screen": [7]}, "keep = 0 with 1 screening seeds"),
        ({"collapse": {"mode": 8.0}}, "collapse names 'mode'"),
        ({"num_arms": -1}, "num_arms = -1"),
    ],
)
def test_a_question_that_contradicts_itself_is_refused(wrong, rule):
    with pytest.raises(ValueError, match=rule):
        question(**wrong)


def test_a_question_comes_back_from_its_json():
    asked = question(**SCREEN, sequential=True, collapse={"modes": 8.0}, num_arms=6)
    assert Question.from_outline(json.loads(asked.to_json())) == asked


def given_up(finals, *arms):
    """Rows in which the last screening seed of these arms was given up at its first evaluation."""
    asked = question(**SCREEN, pruned_by="the median rule")
    rows = sweep_of(finals)
    ends = {(arm, len(own) - 1) for arm, own in enumerate(finals.values()) if arm in arms}
    kept_rows = [row for row in rows if not (row["final"] and (row["arm"], row["seed"]) in ends)]
    for row in kept_rows:
        if (row["arm"], row["seed"]) in ends:
            row.update(final=True, outcome="pruned", cause="behind")
    return tidy(kept_rows, asked), asked


def test_an_arm_that_was_given_up_is_not_kept_however_good_its_other_seeds():
    finals = FINALS | {1.0: (0.3, 0.4)}
    assert kept(*given_up(finals, 2)) == [5, 0, 4]
    assert kept(*given_up(FINALS | {1.0: (1.0,)}, 2)) == [5, 0, 4]


def test_it_has_no_value_in_the_table_and_says_why():
    fresh = {
        0.5: (1.5, 1.6, 1.7, 1.55, 1.6, 1.65),
        1.0: (0.3, 0.4),
        2.0: (1.2, 1.3, 1.4, 1.25, 1.3, 1.35),
    }
    frame, asked = given_up(fresh, 1)
    table = arms(frame, asked).set_index("param.loss.lambda")
    assert table["pruned"].to_dict() == {0.5: 0, 1.0: 1, 2.0: 0}
    assert table["lost"].tolist() == [0, 0, 0]
    assert table["mean"].isna().to_dict() == {0.5: False, 1.0: True, 2.0: False}
    assert table.loc[1.0, "verdict"] == ""
    text = markdown(table.reset_index(), asked)
    (line,) = [own for own in text.splitlines() if own.startswith("| 1 |")]
    assert line.endswith("| pruned |")
    assert "Pruned: given up early by the median rule, on the screening seeds" in text
    told = warnings(frame, arms(frame, asked), asked)
    (few,) = [line for line in told if "given up early" in line]
    assert few.startswith("1 of 3 arms were given up early, so 1 of the 3 to be kept were")
    assert not [line for line in told if "not started" in line or "without a value" in line]
