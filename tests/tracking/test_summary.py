"""What MLflow shows as the best arm is what the table could call best."""

import pytest
import small_sweep

from sid_sweep.tracking.summary import best
from sid_sweep.trials import Result

METRICS = {"mode_kl": 0.01, "modes": 8.0}
OURS = {0.5: {"js": 1.0, "off_modes": 0.4}, 1.0: {"js": 2.0, "off_modes": 0.2}}
"""By λ: the better arm has more samples off all modes."""


def leader(tmp_path, **changes):
    """λ of the best arm."""
    sweep = small_sweep.sweep(**changes)
    folder = small_sweep.folder_of(sweep, tmp_path)
    arms: dict[int, list] = {}
    for entry in folder.entries(sweep):
        metrics = METRICS | OURS[entry.arm["loss.lambda"]]
        result = Result(outcome="finished", images=1, metrics=metrics)
        arms.setdefault(entry.number, []).append((entry, result))
    found = best(sweep, list(arms.values()))
    return found[0][0].arm["loss.lambda"] if found else None


@pytest.mark.parametrize(
    ("constraints", "wanted"),
    [
        ([], 0.5),
        (["off_modes <= 0.5"], 0.5),
        (["off_modes <= 0.3"], 1.0),
        (["off_modes <= 1.5 * baseline"], 1.0),
        (["off_modes <= 2.5 * baseline"], 0.5),
        (["js >= 1.5"], 1.0),
        (["off_modes <= 0.1"], None),
    ],
)
def test_the_best_arm_keeps_the_constraints(tmp_path, constraints, wanted):
    changes = {"constraints": constraints, "baseline": {"loss.lambda": 1.0}}
    assert leader(tmp_path, **changes) == wanted
