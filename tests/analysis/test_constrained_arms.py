"""Constraints in the table: an arm that violates one says so, and neither leads nor is best."""

import pytest
from lambda_sweep import question, run_rows

from analysis.frame import tidy
from analysis.texts.answer import answer
from analysis.texts.tables import markdown
from analysis.verdicts.arms import arms
from analysis.verdicts.power import too_few_seeds
from analysis.verdicts.referee import kept

JS = {0.0: 2.0, 0.5: 1.5, 1.0: 1.0, 1.5: 1.2}
ARM = {"loss.lambda": 0.0}
OFF = {0.0: 0.10, 0.5: 0.20, 1.0: 0.50, 1.5: 0.22}


def rows(*, js=JS, rates=(None,), scatter=0.01):
    """js and off_modes by λ, at some learning rates, with a scatter that is known."""
    found = []
    arms = [(value, rate) for value in js for rate in rates]
    for arm, (value, rate) in enumerate(arms):
        for seed in range(6):
            params = {"loss.lambda": value} | ({} if rate is None else {"generator.optim.lr": rate})
            final = js[value] * (1 + scatter * ((7 * seed + 3 * arm) % 5)) * (rate or 1.0)
            own = run_rows(arm, seed, params, final=final)
            for row in own:
                row["metric.off_modes"] = OFF[value] / (rate or 1.0)
            found += own
    return found


def asked(*constraints, **changes):
    return question(
        **{
            "seeds": list(range(6)),
            "columns": ["modes", "off_modes"],
            "baseline": {"loss.lambda": 0.5},
            "constraints": list(constraints),
            **changes,
        }
    )


def table(*constraints, **changes):
    own = asked(*constraints, **changes)
    return arms(tidy(rows(), own), own).set_index("param.loss.lambda"), own


def test_an_arm_that_violates_a_constraint_is_never_best_and_says_so():
    free, _ = table()
    assert list(free.index[free["best"]]) == [1.0]
    found, own = table("off_modes <= 0.25")
    assert dict(found["violates"]) == {0.0: "", 0.5: "", 1.0: "off_modes <= 0.25", 1.5: ""}
    assert list(found.index[found["best"]]) == list(found.index[found["leads"]]) == [1.5]
    assert not found.loc[1.0, "bold"]
    text = markdown(found.reset_index(), own)
    line = next(row for row in text.splitlines() if "| 1 |" in row)
    assert "violates off_modes <= 0.25" in line
    assert "**" not in line
    assert "An arm is ranked that keeps off_modes <= 0.25" in text
    assert "which violates off_modes <= 0.25" in " ".join(answer(found.reset_index(), own))


def test_a_bound_may_be_so_many_times_the_baselines():
    found, _ = table("off_modes <= 1.05 * baseline", "js <= 0.9 * baseline")
    assert dict(found["violates"]) == {
        0.0: "js <= 0.9 * baseline",
        0.5: "js <= 0.9 * baseline",
        1.0: "off_modes <= 1.05 * baseline",
        1.5: "off_modes <= 1.05 * baseline",
    }
    assert not found["leads"].any()


def test_without_a_baseline_that_ran_nothing_is_held_against_it():
    found, _ = table("off_modes <= 0.1 * baseline", baseline={"loss.lambda": 7.0})
    assert set(found["violates"]) == {""}


def test_a_metric_that_is_compared_by_ratios_is_held_by_its_geometric_mean():
    """Seeds of 1 and 4: geometric 2, arithmetic 2.5."""
    two = [row for s, js in ((0, 1.0), (1, 4.0)) for row in run_rows(0, s, ARM, final=js)]
    for scale, violated in (("ratio", ""), ("difference", "js <= 2.2")):
        own = asked("js <= 2.2", seeds=[0, 1], baseline={}, columns=["modes"], scale=scale)
        assert list(arms(tidy(two, own), own)["violates"]) == [violated]


def test_of_tuned_settings_one_that_keeps_the_constraints_stands_in_the_table():
    """At half the rate js is half, and off_modes twice as much."""
    tuned = {"nuisance": ["generator.optim.lr"], "domains": {}}
    for constraint, rate in (("off_modes <= 0.25", 1.0), ("off_modes <= 9", 0.5)):
        own = asked(constraint, **tuned)
        found = arms(tidy(rows(rates=(0.5, 1.0)), own), own).set_index("param.loss.lambda")
        assert found.loc[0.5, "param.generator.optim.lr"] == rate


def test_what_violates_a_constraint_is_not_confirmed():
    screen = {"seeds": [7, 8], "screen": list(range(6)), "keep": 2}
    for constraint, expected in ((), [2, 3]), (("off_modes <= 0.25",), [3, 0]):
        own = asked(*constraint, **screen)
        assert kept(tidy(rows(), own), own) == expected


def test_it_is_no_rival_of_the_one_that_leads():
    own = asked("off_modes <= 0.25", baseline={})
    alike = rows(js={0.0: 1.3, 0.5: 2.5, 1.0: 1.1, 1.5: 1.2}, scatter=0.3)
    frame = tidy(alike, own)
    (told,) = too_few_seeds(frame, arms(frame, own), own)
    assert "(λ = 0) is not told from the runner-up (λ = 1.5)" in told


def test_a_constraint_of_a_metric_that_no_column_has_is_refused():
    with pytest.raises(ValueError, match="fid is not among the columns"):
        asked("fid <= 3")
