"""Seeds are a list, a count, or which screen and which confirm; what makes no sense is one line."""

from pathlib import Path

import pytest

from sid_sweep.spec import SpecError, load, plain
from sid_sweep.spec.seeds import Seeds
from sid_sweep.spec.sweep import space_digest

LAMBDA = Path(__file__).parents[1] / "lambda.yaml"
TPE = ("scientific.loss.lambda={uniform: [0.0, 1.5]}", "search={sampler: tpe, arms: 4}")


def seeds(*overrides):
    return load(LAMBDA, overrides).seeds


@pytest.mark.parametrize(
    ("written", "screen", "confirm", "keep"),
    [
        ("[4, 2]", [4, 2], [], None),
        ("3", [0, 1, 2], [], None),
        ("{screen: 3}", [0, 1, 2], [], None),
        ("{screen: [5, 1], confirm: 2}", [5, 1], [6, 7], 3),
        ("{screen: 2, confirm: [9, 3], keep: 1}", [0, 1], [9, 3], 1),
    ],
)
def test_every_way_of_writing_them(written, screen, confirm, keep):
    own = seeds(f"seeds={written}")
    assert (own.screen, own.confirm, own.keep) == (screen, confirm, keep)
    assert own.all == screen + confirm
    assert own.reported == (confirm or screen)
    assert Seeds.model_validate(plain(own)) == own  # as it is recorded


@pytest.mark.parametrize(
    ("written", "in_turn", "sequential"),
    [
        ("3", False, False),
        ("{screen: 3, confirm: 2}", False, False),
        ("{screen: 3, race: true}", True, True),
        ("{screen: 3, race: true, confirm: 2}", True, False),
        ("{screen: 3, until: decided}", True, True),
        ("{screen: 3, confirm: 2, until: decided}", False, True),
    ],
)
def test_what_depends_on_results(written, in_turn, sequential):
    own = seeds(f"seeds={written}")
    assert (own.screened_in_turn, own.sequential) == (in_turn, sequential)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("[]", "seeds is empty; list at least one value"),
        ("[1, 1]", "seeds: names a seed twice (1)"),
        ("[-1]", "seeds.0 = -1: must be greater than or equal to 0"),
        ("[9223372036854775808]", "9223372036854775808 is beyond 2^63 - 1"),
        ("0", "seeds: screen = 0: a count of seeds is between 1 and 100,000"),
        ("-3", "seeds: screen = -3: a count"),
        ("1_000_000_000", "a count of seeds is between"),
        ("true", "seeds: must be a list such as [0, 1, 2], a count such as 3, or a mapping"),
        ("null", "seeds: must be a list"),
        ("{confirm: 3}", "seeds.screen is missing"),
        ("{screen: 3, scren: 3}", "unknown key seeds.scren; did you mean screen?"),
        ("{screen: 3, confirm: [2, 7]}", "seeds.confirm: 2 is among the seeds that screen, so it"),
        ("{screen: 3, confirm: [7, 7]}", "seeds.confirm: names a seed twice (7)"),
        ("{screen: 3, confirm: 0}", "seeds: confirm = 0: a count"),
        ("{screen: 3, keep: 2}", "seeds.keep: no seeds confirm what is kept; add confirm"),
        ("{screen: 3, confirm: [], keep: 2}", "seeds.keep: no seeds confirm"),
        ("{screen: 3, confirm: 2, keep: 0}", "seeds.keep = 0: must be greater than or equal to 1"),
        ("{screen: 2, race: true}", "seeds.race: 2 seeds that screen cannot show any arm to be"),
        ("{screen: 3, until: done}", "seeds.until = 'done': must be spent or decided"),
        ("{screen: [9223372036854775807], confirm: 1}", "must be less than or equal to 92233"),
    ],
)
def test_one_line_says_what_is_wrong(written, sentence):
    with pytest.raises(SpecError) as caught:
        seeds(f"seeds={written}")
    assert str(caught.value).startswith(f"--set seeds={written}: ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["seeds.until=decided", "baseline={}"], "seeds.until: decided means the verdicts against"),
        (["seeds.until=decided", *TPE], "seeds.until: screening seeds are handed out in turn"),
        (["seeds.race=true", *TPE], "seeds.race: screening seeds are handed out in turn"),
    ],
)
def test_seeds_in_turn_need_a_baseline_and_arms_that_are_known(overrides, sentence):
    with pytest.raises(SpecError) as caught:
        load(LAMBDA, overrides)
    assert str(caught.value).startswith(f"--set {overrides[0]}: {sentence}")
    assert "\n" not in str(caught.value)


def test_what_tpe_chose_may_be_confirmed_until_decided():
    assert seeds(*TPE, "seeds.confirm=9", "seeds.until=decided").confirm[-1] == 11


def test_a_key_of_seeds_can_be_set_whatever_the_file_has(tmp_path):
    assert seeds("seeds.confirm=20").confirm == list(range(3, 23))
    assert seeds("seeds=4", "seeds.until=decided").screen == [0, 1, 2, 3]
    path = tmp_path / "space.yaml"
    path.write_text(LAMBDA.read_text().replace("seeds: [0, 1, 2]", "seeds: [0, -1]"))
    line = LAMBDA.read_text().splitlines().index("seeds: [0, 1, 2]") + 1
    with pytest.raises(SpecError, match=rf"space.yaml:{line}: seeds.screen.1 = -1: must be"):
        load(path, ["seeds.until=decided"])


def test_the_question_knows_what_screened_and_what_is_reported():
    outline = load(LAMBDA, ["seeds={screen: [2, 0], confirm: 3, keep: 2}"]).outline()
    shown = {key: outline[key] for key in ("seeds", "screen", "keep", "sequential", "num_arms")}
    assert shown == {
        "seeds": [3, 4, 5],
        "screen": [2, 0],
        "keep": 2,
        "sequential": False,
        "num_arms": 8,
    }
    outline = load(LAMBDA, ["seeds={screen: 4, until: decided}"]).outline()
    assert [outline[key] for key in ("seeds", "screen", "keep")] == [[0, 1, 2, 3], [], 0]
    assert outline["sequential"]


@pytest.mark.parametrize(
    ("written", "more", "num"),
    [
        ("3", (), 24),
        ("{screen: 3, confirm: 20}", (), 24 + 4 * 20),
        ("{screen: 3, confirm: 20}", ("baseline={}",), 24 + 3 * 20),
        ("{screen: 3, confirm: 2, keep: 50}", (), 24 + 8 * 2),
    ],
)
def test_trials_in_all_at_most(written, more, num):
    assert load(LAMBDA, [f"seeds={written}", *more]).num_trials == num


def test_what_a_sampler_averages_over_are_the_seeds_that_screen():
    usual = space_digest(load(LAMBDA, ["seeds=[0, 1]"]))
    for same in ("[1, 0]", "{screen: 2, confirm: 9, keep: 1, until: decided}"):
        assert space_digest(load(LAMBDA, [f"seeds={same}"])) == usual
    assert space_digest(load(LAMBDA, ["seeds=3"])) != usual


@pytest.mark.parametrize(
    ("override", "holds"),
    [
        ("resources.workers=2", True),
        ("sweep=another", True),
        ("budget.images=480_000", True),  # as in the file
        ("budget.images=240_000", False),
        ("seeds=30", False),
        ("baseline={loss.lambda: 0.5}", False),
    ],
)
def test_what_was_found_is_left_out_where_something_else_is_asked(override, holds):
    assert bool(load(LAMBDA, [override]).found) == holds


def test_the_trials_of_an_arm_differ_in_their_seed_alone():
    sweep = load(LAMBDA, ["seeds={screen: 2, confirm: 1}"])
    for arm in sweep.grid():
        assert sweep.trials(arm) == [sweep.trial(arm, seed) for seed in (0, 1, 2)]


def test_a_misspelt_key_is_named_and_not_the_one_that_it_hides():
    with pytest.raises(SpecError, match=r"seeds\.screan"):
        load(LAMBDA, ["seeds={screan: 2}"])
    with pytest.raises(SpecError, match=r"seeds\.screen is missing"):
        load(LAMBDA, ["seeds={keep: 2}"])
