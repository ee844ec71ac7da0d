"""What Tune holds for a trial: all of it, unless the trial's own workers hold the rest."""

from pathlib import Path

import pytest

from sid_sweep.orchestration.cluster import GROUP_SLOT, Cluster
from sid_sweep.orchestration.machine import Layout


@pytest.mark.parametrize(
    ("layout", "is_local", "reservation"),
    [
        (Layout(1, 3, 0.0, 2), True, {"CPU": 3.0}),
        (Layout(1, 3, 0.0, 2), False, {"CPU": 3.0}),
        (Layout(1, 2, 1.0, 1), True, {"CPU": 2.0, "GPU": 1.0}),
        (Layout(1, 1, 0.25, 4), False, {"CPU": 1.0, "GPU": 0.25}),
        (Layout(2, 3, 1.0, 1), True, {GROUP_SLOT: 1.0}),
        (Layout(2, 3, 1.0, 1), False, {"CPU": 0.01}),  # a foreign cluster has no slots of ours
    ],
)
def test_what_tune_holds_for_a_trial(layout, is_local, reservation):
    assert Cluster(layout, Path("unused"), is_local).reservation == reservation
