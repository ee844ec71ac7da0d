"""A sweep's folder does not lead out of itself: a symbolic link in it is refused before anything is
written, while the folder may lie behind one."""

from pathlib import Path

import pytest

from sid_sweep.search import mend
from sid_sweep.spec import SpecError, load
from sid_sweep.trials import SweepFolder, agreement

LAMBDA = Path(__file__).parents[1] / "lambda.yaml"


@pytest.fixture(scope="module")
def sweep():
    return load(LAMBDA)


@pytest.fixture
def folder(tmp_path, sweep):
    """A sweep of which one trial has begun."""
    folder = SweepFolder(tmp_path / "sweeps" / "lambda")
    agreement.agree(folder, sweep)
    folder.append_arm(sweep.first_arm())
    own = folder.trial(sweep.trial(sweep.first_arm(), 0))
    own.begin(sweep.trial(sweep.first_arm(), 0))
    return folder


def outside(tmp_path):
    """A folder of someone else's that holds what would be mended in a trial's."""
    place = tmp_path / "outside"
    place.mkdir()
    (place / "measurements.jsonl").write_text("no line\n")
    (place / ".own.1.tmp").touch()
    return place


def everything(place):
    return {own: own.read_bytes() for own in place.rglob("*") if own.is_file()}


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("trials/0123456789ab", "outside"),
        ("trials/{own}/samples", "outside"),
        ("trials/{own}/measurements.jsonl", "outside/measurements.jsonl"),
        ("trials/{own}/generator.safetensors", "outside/nowhere"),
        ("tracking-x.jsonl", "nowhere"),
        ("commands.jsonl", "outside/measurements.jsonl"),
        ("logs", "outside"),
    ],
)
def test_a_link_within_is_refused_in_one_line_before_anything_is_written(
    folder, sweep, tmp_path, name, target
):
    (trial,) = folder.trials_like("")
    path = folder.path / name.format(own=trial.path.name)
    path.unlink(missing_ok=True)
    place = outside(tmp_path)
    path.symlink_to(tmp_path / target)
    before = everything(tmp_path)
    with pytest.raises(SpecError) as caught:
        mend(folder, sweep)
    assert str(caught.value).startswith(f"{path}: is a symbolic link, and nothing is written")
    assert "\n" not in str(caught.value)
    assert everything(tmp_path) == before
    assert place.is_dir()


@pytest.mark.parametrize("place", ["sweeps", "sweeps/lambda"])
def test_a_folder_that_lies_behind_a_link_is_taken(folder, sweep, tmp_path, place):
    (tmp_path / place).rename(tmp_path / "elsewhere")
    (tmp_path / place).symlink_to(tmp_path / "elsewhere")
    assert mend(folder, sweep) == []


def test_links_that_ray_makes_among_its_own_files_are_no_concern(folder, sweep, tmp_path):
    for place in (folder.logs, folder.scratch):
        (place / "session_1").mkdir(parents=True)
        (place / "session_latest").symlink_to(place / "session_1")
    assert mend(folder, sweep) == []
