"""How a trial stands: the one list of outcomes, from the loop to the table."""

from typing import Literal, get_args

Outcome = Literal["running", "finished", "diverged", "failed"]
"""running: no end yet; finished: the budget was spent; diverged: a number was not finite or a
sample too far out, which is a result; failed: an error, tried again by the next run."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
LOST: tuple[Outcome, ...] = ("diverged", "failed")
"""Ends without a value."""
