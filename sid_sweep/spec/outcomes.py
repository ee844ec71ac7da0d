"""How a trial stands: the one list of outcomes, from the loop to the table."""

from typing import Literal, get_args

Outcome = Literal["running", "finished", "diverged", "collapsed", "pruned", "failed"]
"""running: no end yet; finished: the budget was spent; diverged: a number was not finite or a
sample too far out, which is a result; collapsed: its student did not keep what the evaluation asks;
pruned: its arm was given up for what others came to; failed: an error, tried again by the next
run."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
LOST: tuple[Outcome, ...] = ("diverged", "collapsed", "failed")
"""Ends without a value, for which nothing but the trial is to blame."""
SETTLED: tuple[Outcome, ...] = ("finished", "diverged", "collapsed", "pruned")
"""Ends that no further run changes."""
