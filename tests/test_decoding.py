"""Pictures are decoded before a sweep is begun: what is not taken leaves no sweep behind."""

import io
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from sid_sweep.activity import BEGAN, Activity
from sid_sweep.exits import EXIT_DONE, EXIT_INTERRUPTED, EXIT_LIMIT
from sid_sweep.foreign.pictures import pictures
from sid_sweep.orchestration.signals import Signals
from sid_sweep.plan import make_plan
from sid_sweep.preparation import decode_pictures
from sid_sweep.spec import SpecError, load
from sid_sweep.spec.limits import Limits
from sid_sweep.trials import SweepFolder

LAMBDA = Path(__file__).with_name("lambda.yaml")


@pytest.fixture
def path(tmp_path):
    """A folder of three pictures, the second of which is corrupt."""
    folder = tmp_path / "own"
    folder.mkdir()
    for i, own in enumerate(np.random.default_rng(0).integers(0, 256, (3, 8, 8), np.uint8)):
        Image.fromarray(own).save(folder / f"{i}.png")
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:60])
    return folder


def plan_of(path, **more):
    values = "".join(f", {name}: {value}" for name, value in more.items())
    data = f"data={{kind: images, path: {path}{values}}}"
    sweep = load(LAMBDA, (data, "teacher={kind: trained}", "objective.metric=cost/evaluations"))
    return make_plan(sweep, SweepFolder(path.parent / "sweeps" / "lambda"), address="auto")


def test_a_corrupt_picture_ends_the_command_before_the_sweep_is_there(path):
    plan = plan_of(path)
    with pytest.raises(SpecError, match=r"^data\.path: .*own: 1\.png: cannot be decoded"):
        decode_pictures(plan, activity=Activity(Console(quiet=True)))
    assert not plan.folder.path.exists()


def test_what_is_left_out_is_told_and_the_rest_is_there(path):
    plan = plan_of(path, skip_corrupt="true")
    console = Console(file=io.StringIO(), width=400)
    assert decode_pictures(plan, activity=Activity(console)) == EXIT_DONE
    assert "own: 1 pictures cannot be decoded and are left out, such as" in console.file.getvalue()
    cache = plan.folder.cache
    again = pictures(
        str(path), cache=cache, skip_corrupt=True, report=lambda *_: pytest.fail("again")
    )
    assert len(again.images) == 2


def test_what_a_disk_has_changed_since_is_decoded_again_before_the_sweep_goes_on(path):
    plan, activity = plan_of(path, skip_corrupt="true"), Activity(Console(quiet=True))
    assert decode_pictures(plan, activity=activity) == EXIT_DONE
    (images,) = plan.folder.cache.glob("pictures/*/images.npy")
    whole = images.read_bytes()
    images.write_bytes(whole[:-8] + bytes(8))
    assert decode_pictures(plan, activity=activity) == EXIT_DONE
    assert images.read_bytes() == whole


def test_an_interrupted_one_leaves_nothing(path, monkeypatch):
    plan = plan_of(path, skip_corrupt="true")
    install = Signals.install

    def interrupted(self):
        install(self)
        self(2, None)

    monkeypatch.setattr(Signals, "install", interrupted)
    status = decode_pictures(plan, activity=Activity(Console(quiet=True)))
    assert status == EXIT_INTERRUPTED
    left = list((plan.folder.cache / "pictures").iterdir())
    assert [own.suffix for own in left] == [".lock"]


def test_when_time_is_over_it_stops_and_says_so(path, monkeypatch):
    plan = plan_of(path, skip_corrupt="true")
    sweep = plan.sweep.model_copy(update={"limits": Limits(wall_hours=1.0)})
    console = Console(file=io.StringIO(), width=400)
    monkeypatch.setenv(BEGAN, str(time.monotonic() - 7200.0))
    activity = Activity(console)
    assert decode_pictures(replace(plan, sweep=sweep), activity=activity) == EXIT_LIMIT
    assert (
        "  stopped limits.wall_hours = 1 is reached (2 h 00 min of 1 h 00 min) before all pictures "
        "were decoded; raise it\n"
    ) in console.file.getvalue()
    assert not plan.folder.path.exists()
    assert decode_pictures(plan, activity=activity) == EXIT_DONE
