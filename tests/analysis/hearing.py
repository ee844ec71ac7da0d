"""What the warnings say of a small sweep, for the tests of each."""

from lambda_sweep import question

from analysis.frame import tidy
from analysis.verdicts.arms import arms
from analysis.verdicts.health import warnings

CLEAR = {0.0: (28.0, 28.1, 27.9), 0.5: (1.4, 1.41, 1.39), 1.0: (2.0, 2.01, 1.99)}
"""Best in the middle, far ahead of the baseline, all seeds finished: nothing to object to."""
FAR = {0.0: (9.0, 9.1, 8.9, 9.2)}


def heard(rows, **changes):
    """The warnings of rows, with the baseline λ = 1 unless told otherwise."""
    asked = question(**{"baseline": {"loss.lambda": 1.0}} | domain([0.0, 0.5, 1.0]) | changes)
    data = tidy(rows, asked)
    return warnings(data, arms(data, asked), asked)


def domain(values):
    """Of λ, by its values."""
    return {"domains": {"loss.lambda": {"kind": "choice", "values": values}}}
