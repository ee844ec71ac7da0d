"""The door: every sentence says where, what, the rule and the remedy; every search space passes
it."""

import random
from pathlib import Path

import pytest

from sid_sweep.spec import Arm, Generator, SpecError, Trial, digest, load, nets, plain
from sid_sweep.spec.domain import Cases, Choice, IntUniform
from sid_sweep.spec.knobs import knobs

SPACES = sorted((Path(__file__).parents[2] / "search_spaces").glob("*.yaml"))
LAMBDA = Path(__file__).parents[1] / "lambda.yaml"
ANY = "scientific.loss.lambda={choice: [0.5, 1.0]}"


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["budget.imags=3"], "there is no knob budget.imags; did you mean budget.images?"),
        (["scientific={loss.lambda: {choice: [a]}}"], "loss.lambda = 'a': must be a valid number"),
        (["scientific.loss.lambda={choice: []}"], "choice is empty; list at least one value"),
        (["scientific.loss.lambda={choice: [1.0, 1.0]}"], "choice holds 1.0 twice"),
        (["scientific.loss.lambda=3"], "3 is no domain"),
        (["scientific.loss.lambda={choice: [1.0], uniform: [0.0, 1.0]}"], "one domain"),
        (["scientific.loss.lambda={uniform: [0.0, 1.0]}"], "a grid needs {choice: [...]}"),
        (["scientific.loss={choice: [1]}"], "loss is a group of knobs"),
        (["scientific.seed={choice: [1]}"], "list them in seeds"),
        (["noise={kind: vp, sigma: 0.5}"], "noise.sigma belongs to noise.kind = fixed"),
        (["noise.kind=vpp"], "did you mean vp?"),
        (["loss={kind: naive}"], "loss.lambda belongs to loss.kind = sid, and here it is naive"),
        (["loss.lambda=0.5"], "also stands under fixed"),
        (["objective.metric=off_mode"], "did you mean off_modes?"),
        (["seeds=[0, 0]"], "names a seed twice"),
        (["seeds=[]"], "seeds is empty"),
        (["fixed.seed=3"], "list repetitions in seeds instead"),
        (["baseline={loss.lambda: 7.0}"], "outside the domain"),
        (["baseline={loss.lamda: 1.0}"], "did you mean loss.lambda?"),
        (["nuisance={loss.lambda: {choice: [1.0]}}"], "scientific too"),
        (["resources.workers=7"], "cannot be shared equally"),
        (["generator.optim.lr='0.1'"], "write it without quotes"),
        (["generator.optim.lr=-1.0"], "must be greater than 0"),
        (["generator.optim.lr=.nan"], "must be a finite number"),
        (["generator.times={kind: log_uniform, low: 3.0, high: 1.0}"], "must be below high"),
        (["data={kind: digits}"], "only a mixture has a closed-form score"),
        (["generator.init={kind: teacher}"], "an exact teacher has none"),
        (["sweep=../up"], "only a-z, 0-9"),
        (["foo=1"], "unknown key foo"),
        (["search={sampler: tpee, arms: 3}"], "did you mean tpe?"),
        (["search={sampler: tpe}"], "search.arms is missing"),
        (["search=grid"], "search = 'grid': must be a group, such as search: {sampler: grid}"),
        (["noise=vp"], "noise = 'vp': must be a group, such as noise: {kind: vp}"),
        (["scientific={}"], "scientific is empty; name at least one"),
        (["scientific.loss.lambda={choice: [.nan]}"], "must be a finite number"),
        (["scientific.loss.lambda={choice: [[1]]}"], "must be one value, not a list"),
        (["baseline={loss: {lambda: 1.0}}"], "write a path with dots, such as loss.lambda"),
        (["resources.gpus_per_worker=-1"], "must be auto or greater than or equal to 0"),
        (["resources.wrokers=2"], "did you mean workers?"),
        (["teacher.images=5"], "teacher.images belongs to teacher.kind = trained, and here it is"),
        (["scientific.way={cases: {a: {}, b: {data: {kind: {}}}}}"], "case b: data.kind is empty"),
        (["a..b=3"], "write --set path=value"),
        (["preset=sid_cifar"], "preset = 'sid_cifar': it is one of sid_cifar10, "),
        (["cost={metric: seconds}"], "cost.metric = seconds: there is no such metric"),
        (["columns=[modes, mode]"], "columns.1 = mode: there is no such metric"),
    ],
)
def test_one_line_says_what_is_wrong(overrides, sentence):
    with pytest.raises(SpecError) as caught:
        load(LAMBDA, overrides)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_every_search_space_loads_and_draws_from_it_are_trials(path):
    sweep = load(path)
    assert sweep.question
    assert sweep.expect
    assert path.read_text().splitlines()[1].startswith("# Cost:")
    draw = random.Random(0)
    for _ in range(1000):
        arm = {}
        for knob, domain in sweep.domains.items():
            values = domain.corners()
            if isinstance(domain, Choice | Cases):
                arm[knob] = draw.choice(values)
            elif isinstance(domain, IntUniform):
                arm[knob] = draw.randint(*values)
            else:
                arm[knob] = draw.uniform(*values)
        assert sweep.trial(sweep.trimmed(arm), draw.randrange(10**6))


def test_conditions_prune():
    sweep = load(
        LAMBDA,
        [
            "scientific={loss.kind: {choice: [sid, naive]}, "
            "loss.lambda: {choice: [0.5, 1.0], when: {loss.kind: sid}}}",
            "baseline={}",
        ],
    )
    assert [dict(arm) for arm in sweep.grid()] == [
        {"loss.kind": "sid", "loss.lambda": 0.5},
        {"loss.kind": "sid", "loss.lambda": 1.0},
        {"loss.kind": "naive"},
    ]


def test_a_group_given_in_part_keeps_the_rest_of_its_default():
    optim = Generator.model_validate({"optim": {"lr": 0.5}}).optim
    assert optim == Generator().optim.model_copy(update={"lr": 0.5})
    assert optim != nets.Adam(lr=0.5)
    other = Generator.model_validate({"times": {"kind": "uniform", "high": 0.8}}).times
    assert (other.kind, other.high) == ("uniform", 0.8)


def test_a_digest_is_the_identity_of_the_values():
    sweep = load(LAMBDA, [ANY])
    trial = sweep.trial(Arm({"loss.lambda": 0.5}), 0)
    shuffled = Trial.model_validate(dict(reversed(plain(trial).items())))
    assert digest(trial) == digest(shuffled)
    assert digest(sweep.trial(Arm({"loss.lambda": 0.5}), 1)) != digest(trial)
    assert digest(sweep.trial(Arm({"loss.lambda": 0.75}), 0)) != digest(trial)
    whole = load(LAMBDA, ["scientific.loss.lambda={choice: [0.5, 1]}", "baseline={}"])
    assert digest(whole.trial(Arm({"loss.lambda": 1}), 0)) == digest(
        sweep.trial(Arm({"loss.lambda": 1.0}), 0)
    )


def test_every_knob_has_a_meaning_and_stands_once_for_each_kind():
    listed = [(knob.path, knob.kinds) for knob in knobs()]
    assert len(set(listed)) == len(listed)
    assert [knob.path for knob in knobs() if not knob.doc] == []
    assert {"loss.lambda", "fake_score.optim.lr", "noise.sigma", "teacher.images"} <= {
        path for path, _ in listed
    }


@pytest.mark.parametrize(
    ("when", "sentence"),
    [
        ("{foo: 1}", "neither swept nor fixed"),
        ("{loss.kind: sid}", "neither swept nor fixed"),
        ("{noise.kind: vp, batch.latents: 3}", "is swept after it"),
    ],
)
def test_a_condition_that_could_never_mean_anything_is_refused(when, sentence):
    scientific = (
        f"{{loss.lambda: {{choice: [1.0], when: {when}}}, batch.latents: {{choice: [64]}}}}"
    )
    with pytest.raises(SpecError, match=sentence):
        load(LAMBDA, [f"scientific={scientific}", "baseline={}"])


def test_an_arm_is_resolved_once_and_its_trials_differ_in_the_seed_alone():
    sweep = load(LAMBDA, [ANY])
    arm = Arm({"loss.lambda": 0.5})
    first, other = sweep.trial(arm, 0), sweep.trial(arm, 1)
    assert other == Trial.model_validate(sweep.trial_values(arm, 1))
    assert plain(first) == {**plain(other), "seed": 0}
    assert first.generator is other.generator  # memory of a thousand trials, and half their start
