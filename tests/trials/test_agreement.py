"""A folder belongs to one question: growth is welcome, contradiction is not, two drivers are
not."""

from pathlib import Path

import pytest

from sid_sweep.spec import SpecError, Sweep, load
from sid_sweep.spec.base import ForeignPath, Spec, foreign_paths
from sid_sweep.spec.teachers import PythonTeacher
from sid_sweep.trials import SweepFolder, agreement

LAMBDA = Path(__file__).parents[1] / "lambda.yaml"


CASES = "scientific={{m: {{cases: {{a: {{}}, b: {}}}}}}}"


def test_cases_may_be_added_and_not_changed(tmp_path):
    def cases(b, more=""):
        return spec(CASES.format(f"{{loss.lambda: {b}}}{more}"), "baseline={}")

    agreement.agree(SweepFolder(tmp_path), cases(0.5))
    agreement.check(SweepFolder(tmp_path), cases(0.5, ", c: {loss.lambda: 0.75}"))
    with pytest.raises(SpecError, match=r"scientific.m.cases.b: recorded"):
        agreement.check(SweepFolder(tmp_path), cases(0.75))


def spec(*overrides):
    return load(LAMBDA, ("seeds=[0, 1]", "budget.images=400_000", *overrides))


@pytest.mark.parametrize(
    ("override", "difference"),
    [
        ("budget.images=1000", "trial.budget.images: recorded 400000, now 1000"),
        ("seeds=[1, 2]", "seeds.screen: recorded [0, 1], now [1, 2]"),
        ("scientific.loss.lambda={choice: [0.5, 1.0]}", "scientific.loss.lambda.choice"),
        ("noise={kind: edm}", "trial.noise.kind: recorded vp, now edm"),
        ("objective.metric=sw2", "objective.metric: recorded js, now sw2"),
    ],
)
def test_a_contradiction_is_refused_with_the_difference(tmp_path, override, difference):
    agreement.agree(SweepFolder(tmp_path), spec())
    with pytest.raises(SpecError, match="--name") as caught:
        agreement.check(SweepFolder(tmp_path), spec(override))
    assert difference in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "override",
    [
        "seeds=[0, 1, 2]",
        "scientific.loss.lambda={choice: [0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.1, 1.2, 1.5]}",
        "resources.workers=2",
        "question=the same, asked more nicely",
        "baseline={loss.lambda: 0.5}",
        "constraints=['off_modes <= 0.2']",
    ],
)
def test_growth_words_and_resources_are_no_contradiction(tmp_path, override):
    agreement.agree(SweepFolder(tmp_path), spec())
    agreement.agree(SweepFolder(tmp_path), spec(override))


def test_arms_to_try_may_be_added_and_not_taken_away(tmp_path):
    def tried(*arms, more=""):
        search = f"search={{sampler: tpe, arms: 9, try: [{', '.join(arms)}]{more}}}"
        return spec("scientific.loss.lambda={uniform: [0.0, 1.5]}", search)

    half, one = "{loss.lambda: 0.5}", "{loss.lambda: 1.2}"
    agreement.agree(SweepFolder(tmp_path), tried(half))
    agreement.check(SweepFolder(tmp_path), tried(one, half))
    with pytest.raises(SpecError, match=r"search\.try: recorded"):
        agreement.check(SweepFolder(tmp_path), tried(one))
    with pytest.raises(SpecError, match=r"search\.from: recorded None, now old"):
        agreement.check(SweepFolder(tmp_path), tried(half, more=", from: old"))


SCREENED = "seeds={screen: [0, 1], confirm: [5, 6]}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("seeds=[0, 1]", "seeds={screen: [1, 0, 2], race: true}"),
        ("seeds=[0, 1]", "seeds={screen: 2, confirm: 3, until: decided}"),
        (SCREENED, "seeds={screen: [0, 1, 2], confirm: [5, 6, 7], keep: 1}"),
        (SCREENED, "seeds={screen: [0, 1], confirm: [6, 5], until: decided}"),
    ],
)
def test_seeds_may_grow_and_be_handed_out_otherwise(tmp_path, before, after):
    agreement.agree(SweepFolder(tmp_path), spec(before))
    agreement.agree(SweepFolder(tmp_path), spec(after))


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [
        ("seeds=[0, 1]", "seeds={screen: [0], confirm: [1, 2]}", "seeds.confirm: 1 has screened"),
        (SCREENED, "seeds=[0, 1]", "seeds.confirm: recorded [5, 6], now nothing"),
        (SCREENED, "seeds=[0, 1, 5, 6]", "seeds.confirm: recorded [5, 6], now nothing"),
        (SCREENED, "seeds={screen: [0, 5], confirm: 2}", "seeds.screen: recorded [0, 1], now"),
    ],
)
def test_a_seed_that_is_gone_or_no_longer_fresh_is_refused(tmp_path, before, after, difference):
    agreement.agree(SweepFolder(tmp_path), spec(before))
    with pytest.raises(SpecError) as caught:
        agreement.check(SweepFolder(tmp_path), spec(after))
    assert difference in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_drivers_of_one_folder_are_refused(tmp_path):
    def drive():
        with SweepFolder(tmp_path).sole_driver():
            pass

    with SweepFolder(tmp_path).sole_driver(), pytest.raises(SpecError, match="another process"):
        drive()
    drive()


def test_a_sweep_that_was_judged_otherwise_is_refused(tmp_path, monkeypatch):
    folder, sweep = SweepFolder(tmp_path / "s"), load(LAMBDA)
    agreement.agree(folder, sweep)
    agreement.agree(folder, sweep)
    monkeypatch.setattr(agreement, "JUDGE_VERSION", 1_000)
    with pytest.raises(SpecError, match=r"trial\.judge: recorded \d+, now 1000"):
        agreement.agree(folder, sweep)


class _Named(Spec):
    """Something of a trial that names a file which someone else made."""

    path: ForeignPath


def test_foreign_files_are_held_to_what_they_held(tmp_path, monkeypatch):
    teacher, other = tmp_path / "teacher.pkl", tmp_path / "other.pkl"
    teacher.write_bytes(b"one")
    other.write_bytes(b"two")
    named = [str(teacher)]
    monkeypatch.setattr(Sweep, "foreign", lambda sweep: named)
    folder = SweepFolder(tmp_path / "sweep")
    agreement.agree(folder, spec())
    assert folder.sweep().sweep == spec().sweep
    named.append(str(other))  # a grown space may name more
    agreement.agree(folder, spec())
    teacher.write_bytes(b"changed")
    with pytest.raises(
        SpecError, match=r"teacher.pkl: held 7692c3ad3540, now [0-9a-f]{12}"
    ) as caught:
        agreement.check(folder, spec())
    assert "\n" not in str(caught.value)
    teacher.unlink()
    with pytest.raises(SpecError, match=r"teacher.pkl: there is no such file"):
        agreement.check(folder, spec())


def test_foreign_files_are_found_wherever_a_trial_names_them():
    assert foreign_paths(_Named(path="a.pkl")) == {"path": "a.pkl"}
    code = PythonTeacher(kind="python", factory="nets/a.py:load")
    assert foreign_paths(code) == {"factory": "nets/a.py"}
    module = PythonTeacher(kind="python", factory="research.nets:load")
    assert foreign_paths(module) == {}  # wherever it lies; whoever wrote it keeps its versions
    assert spec().foreign() == []
