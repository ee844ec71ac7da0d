"""What a sampler cannot do is refused when the file is read, in one line with the way out."""

from pathlib import Path

import pytest

from sid_sweep.spec import SpecError, load
from sid_sweep.spec.base import tag_of
from sid_sweep.spec.search import SAMPLERS

LAMBDA = Path(__file__).parents[1] / "lambda.yaml"
RANGE = "scientific={loss.lambda: {uniform: [0.5, 1.2]}}"
CHOICE = "scientific={fake_score.steps: {choice: [1, 2, 4]}}"
UNDER = (
    "scientific={loss.kind: {choice: [sid, naive]}, "
    "loss.lambda: {uniform: [0.5, 1.2], when: {loss.kind: sid}}}"
)
ALWAYS = "scientific={loss.lambda: {uniform: [0.5, 1.2], when: {noise.kind: vp}}}"
COST = "cost={metric: cost/evaluations}"
BOUND = "constraints=['js <= 1']"
ARMS = {key: "" if key == "grid" else ", arms: 20" for key in SAMPLERS}


def asked(sampler, *overrides, prune=""):
    more = f", prune: {prune}" if prune else ""
    search = f"search={{sampler: {sampler}{ARMS[sampler]}{more}}}"
    return load(LAMBDA, ["baseline={}", *overrides, search])


CANNOT = [
    ("grid", [RANGE], "a grid needs {choice: [...]}; or search with random, sobol, tpe, gp"),
    ("gp", [UNDER], "scientific.loss.lambda.when: gp draws knobs that every arm has"),
    ("cmaes", [UNDER], "cmaes draws knobs that every arm has"),
    ("nsga2", [UNDER], "loss.lambda is there for some loss.kind alone; search with random, sobol"),
    ("cmaes", [CHOICE], "cmaes moves along ranges, and this is a choice"),
    ("cmaes", [RANGE, COST], "cost: cmaes has one objective and no cost; search with tpe, gp or"),
    ("cmaes", [RANGE, BOUND], "constraints: cmaes has one objective and no constraints"),
    *[
        (own, [RANGE, "seeds={screen: 5, race: true}"], f"and {own} chooses an arm by the means")
        for own in ("tpe", "gp", "cmaes", "nsga2")
    ],
]


@pytest.mark.parametrize(("sampler", "overrides", "sentence"), CANNOT)
def test_what_it_cannot_do_is_refused(sampler, overrides, sentence):
    with pytest.raises(SpecError) as caught:
        asked(sampler, *overrides)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("overrides", [[RANGE], [CHOICE], [UNDER], [ALWAYS], [RANGE, COST, BOUND]])
def test_all_else_is_taken(sampler, overrides):
    refused = [own for key, own, _ in CANNOT if key == sampler]
    both = sampler == "cmaes" and COST in overrides
    grid = sampler == "grid" and any("uniform" in own for own in overrides)
    if overrides not in refused and not both and not grid:
        assert asked(sampler, *overrides).search.sampler == sampler


def test_genes_of_one_generation_are_no_search():
    with pytest.raises(SpecError, match=r"16 arms of nsga2 are its first generation of 16"):
        load(LAMBDA, ["baseline={}", RANGE, "search={sampler: nsga2, arms: 16}"])
    assert load(LAMBDA, ["baseline={}", RANGE, "search={sampler: nsga2, arms: 17}"])


def test_a_sampled_sweep_has_its_baseline_among_its_arms():
    sweep = load(LAMBDA, [RANGE, "search={sampler: sobol, arms: 8}"])
    assert [dict(arm) for arm in sweep.declared] == [{"loss.lambda": 1.0}]
    assert sweep.num_arms == 8


def test_each_is_known_by_its_name():
    assert {tag_of(own) for own in SAMPLERS.values()} == {"sampler"}
    assert list(SAMPLERS) == ["grid", "random", "sobol", "tpe", "gp", "cmaes", "nsga2"]


# ---- arms that are given up

HALVING, MEDIAN = "{kind: halving}", "{kind: median, others: 3}"
FRESH = "seeds={screen: 1, confirm: 5, keep: 3}"


CANNOT_PRUNE = [
    ("tpe", ["seeds=3"], "the seeds on which arms are given up flatter those that stay"),
    ("tpe", ["seeds={screen: 3, race: true, confirm: 5}"], "choose one of the two"),
    ("random", [COST], "arms are given up by the objective alone, and there is cost"),
    ("random", [BOUND], "arms are given up by the objective alone, and there is constraints"),
    (
        "grid",
        ["fixed={data: {kind: mixture}}", "scientific={budget.images: {choice: [1000, 2000]}}"],
        "budget.images is swept",
    ),
    (
        "grid",
        ["scientific={how: {cases: {a: {evaluation: {times: 3}}, b: {evaluation: {times: 4}}}}}"],
        "evaluation.times is swept",
    ),
    *[(own, [], f"{own} learns from whole arms alone") for own in ("gp", "cmaes", "nsga2")],
]


@pytest.mark.parametrize(("sampler", "overrides", "sentence"), CANNOT_PRUNE)
def test_what_cannot_be_pruned_is_refused(sampler, overrides, sentence):
    swept = [] if any("scientific" in own for own in overrides) else [RANGE]
    swept = [CHOICE] if sampler == "grid" and swept else swept
    seeds = [FRESH] if not any("seeds" in own for own in overrides) else []
    with pytest.raises(SpecError) as caught:
        asked(sampler, *swept, *seeds, *overrides, prune=HALVING)
    assert sentence in str(caught.value)
    assert "search.prune" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("sampler", [key for key, own in SAMPLERS.items() if own.prunes])
@pytest.mark.parametrize("prune", [HALVING, MEDIAN])
def test_all_else_can_be_pruned(sampler, prune):
    swept = CHOICE if sampler == "grid" else RANGE
    sweep = asked(sampler, swept, FRESH, prune=prune)
    assert sweep.search.prune.kind in prune
    assert sweep.outline()["pruned_by"] == sweep.search.prune.called
