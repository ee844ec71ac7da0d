"""Every message begins with where the wrong thing was written, and names its whole path."""

from pathlib import Path

import pytest

from sid_sweep.spec import SpecError, load

LAMBDA = Path(__file__).parents[1] / "lambda.yaml"
HEAD = """\
sweep: places
question: Where?
objective: {metric: js}
seeds: [0, 1]
scientific:
  loss.lambda: {choice: [0.5, 1.0]}
fixed:
  data: {kind: mixture}
"""


@pytest.mark.parametrize(
    ("line", "addition", "message"),
    [
        (10, "  generator:\n    optim: {lr: -1.0}\n", "generator.optim.lr = -1.0: must be greater"),
        (
            9,
            "  generator: {optim: {lr: '0.1'}}\n",
            "generator.optim.lr = '0.1': must be a valid num",
        ),
        (
            9,
            "  generator: {init: {net: {widht: 3}}}\n",
            "there is no knob generator.init.net.widht",
        ),
        (
            9,
            "  fake_score: {times: {kind: log_unifrom}}\n",
            "fake_score.times.kind = log_unifrom; did",
        ),
        (11, "resources:\n\n  workers: 7\n", "resources.workers = 7: the generator's 128 latents"),
        (9, "baseline: {loss.lambda: 2.0}\n", "baseline.loss.lambda = 2.0 is outside"),
    ],
)
def test_a_file_is_quoted_by_line(tmp_path, line, addition, message):
    path = tmp_path / "space.yaml"
    path.write_text(HEAD + addition)
    with pytest.raises(SpecError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}:{line}: {message}")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("generator.optim.lr=-1.0", "generator.optim.lr = -1.0: must be greater than 0"),
        ("seeds=[0, true]", "seeds.1 = True: must be a valid integer"),
        ("objective.goal=least", "objective.goal = 'least': must be minimize or maximize"),
        (
            "scientific.loss.lambda={uniform: [1.0, 0.0]}",
            "scientific.loss.lambda: the lower end 1.0",
        ),
        ("generator.optim.lr=1e-5", "1e-5 is text to some YAML readers"),
        ("noise.kind=vpp", "noise.kind = vpp; did you mean vp?"),
        ("search.sampler=gird", "search.sampler = gird; did you mean grid?"),
    ],
)
def test_an_override_is_quoted_whole(override, message):
    with pytest.raises(SpecError) as caught:
        load(LAMBDA, [override])
    told = str(caught.value)
    assert told.startswith(f"--set {override}")
    assert message in told


def test_the_last_override_of_a_value_wins():
    sweep = load(LAMBDA, ["budget.images=5", "fixed.budget.images=6", "seeds=[3]"])
    assert sweep.fixed["budget"] == {"images": 6}
    assert sweep.seeds.all == [3]


@pytest.mark.parametrize(
    ("overrides", "named", "message"),
    [
        (["data={kind: digits}"], 0, "teacher.kind = exact needs data.kind = mixture"),
        (["noise.kind=fixed"], 0, "noise.sigma is missing"),
        (["method.kind=kd", "seeds=[0]"], 0, "loss belongs to method.kind = sid"),
        (["seeds=[0]", "loss.lambda=0.5"], 1, "also stands under fixed"),
        (["batch.latents=62", "resources.workers=2"], 1, "31 latents of a step cannot be"),
    ],
)
def test_a_file_that_was_right_is_not_blamed_for_an_override(overrides, named, message):
    with pytest.raises(SpecError) as caught:
        load(LAMBDA, overrides)
    assert str(caught.value).startswith(f"--set {overrides[named]}: ")
    assert message in str(caught.value)


def test_what_is_wrong_in_the_file_is_not_said_of_an_override(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(HEAD.replace("mixture", "digits"))
    with pytest.raises(SpecError, match=r":7: teacher.kind = exact needs"):
        load(path, ["seeds=[0]", "budget.images=5"])


def test_what_is_quoted_is_one_short_line(tmp_path):
    with pytest.raises(SpecError) as caught:
        load(LAMBDA, [f"noise='a\nb\u2028{'c' * 5000}'"])
    (line,) = str(caught.value).splitlines()
    assert line.startswith(r"--set noise='a\nb\u2028cc")
