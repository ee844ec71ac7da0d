"""What Tune holds for a trial, where it may run, and how many run as nodes come and go."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from sid_sweep.orchestration.assignment import Assignment, reserve
from sid_sweep.orchestration.cluster import Cluster, _token
from sid_sweep.orchestration.machine import Capacity, Layout

ONE = Layout(workers=1, cpus_per_worker=2, gpus_per_worker=0.5, concurrency=3)
GROUP = Layout(workers=2, cpus_per_worker=3, gpus_per_worker=1.0, concurrency=1)


def assigned(layout, **more):
    job = SimpleNamespace()
    return Assignment(job, layout, Path("train"), None, Path.cwd(), **more)  # pyright: ignore


@pytest.mark.parametrize(
    ("layout", "bundle"), [(ONE, {"CPU": 2.0, "GPU": 0.5}), (GROUP, {"memory": 1.0})]
)
def test_what_tune_holds_for_a_trial(layout, bundle):
    """Of a trial whose workers hold the rest, nothing that these could wait for."""
    assert reserve({"assignment": assigned(layout)}).bundles == [bundle]


def test_a_trial_keeps_away_from_nodes_that_are_unfit():
    own = assigned(ONE, avoided=("a" * 56, "b" * 56))
    assert own.selector == {"ray.io/node-id": f"!in({'a' * 56},{'b' * 56})"}
    reserved = reserve({"assignment": own})
    assert reserved._bound.arguments["bundle_label_selector"] == [own.selector]
    assert reserved != reserve({"assignment": assigned(ONE)})
    assert assigned(ONE).selector is None


def test_a_process_stands_where_the_driver_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = assigned(ONE)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    own.settle()
    assert Path.cwd() == tmp_path


def test_every_ray_of_our_own_has_a_token_of_its_own_that_nobody_else_reads(tmp_path):
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        path = _token(tmp_path / name)
        assert path.stat().st_mode & 0o077 == 0
        found.append(path.read_text())
    assert len(set(found)) == 2
    assert all(len(bytes.fromhex(token)) == 32 for token in found)


def test_room_follows_the_nodes_and_is_never_none():
    """One trial is always out: it says what it waits for."""
    capacities = [Capacity(2, 1.0)]
    nodes = SimpleNamespace(capacities=lambda: capacities)
    free = Cluster(ONE, Path("unused"), nodes)  # pyright: ignore
    bounded = Cluster(ONE, Path("unused"), nodes, most=2)  # pyright: ignore
    assert (free.room(), bounded.room()) == (1, 1)
    capacities += [Capacity(8, 2.0)]
    assert (free.room(), bounded.room()) == (5, 2)
    capacities.clear()
    assert (free.room(), bounded.room()) == (1, 1)
    assert Cluster(ONE, Path("unused")).room() == 3
