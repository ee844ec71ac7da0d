"""Tune's function. Light: the driver, which loads this, never loads torch."""

from typing import Any

from .assignment import Assignment
from .failures import explain, is_passing, lost_node


def train_trial(config: dict[str, Any]) -> None:
    """Run the trial of `config`, its "assignment".

    An exception never leaves: that would end the actor, whose imports cost seconds. It is noted in
    the trial's folder, and the driver reads it there; where it cannot be written, the driver is
    told it.
    """
    from ray import tune

    assignment: Assignment = config["assignment"]
    passing = lost = False
    unwritten = ""
    try:
        assignment.settle()
        from .groups import train  # loads torch, here and not in the driver

        train(assignment)
    except Exception as error:
        cause, trace = explain(error)
        try:
            assignment.job.folder.write_failure(cause, traceback=trace)
        except OSError:
            unwritten = cause
        passing, lost = is_passing(error), lost_node(error)
    found = {"passing": passing, "lost_node": lost, "unwritten": unwritten}
    tune.report({"images": 0, "over": True, **found})
