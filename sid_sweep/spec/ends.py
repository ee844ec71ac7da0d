"""How much a sweep may ask for, found by counting: a plan that could not come to an end is neither
begun nor written out."""

import math
from itertools import islice

from .reader import Path_
from .sweep import GridSearch, Sweep

MAX_KNOBS = 100
MAX_ARMS = 10_000
"""Of a grid, whose every arm is validated before anything runs."""
MAX_TRIALS = 100_000


def size_problem(sweep: Sweep) -> tuple[Path_, str] | None:
    """Which part of a sweep asks for too much, and why; None if all of it can be done."""
    options = [len(domain.corners()) for domain in sweep.domains.values()]
    if len(options) > MAX_KNOBS:
        return ("scientific",), f"{len(options)} knobs are swept, and at most {MAX_KNOBS} may be"
    if isinstance(sweep.search, GridSearch):
        most = math.prod(options)
        if most > MAX_ARMS and len([*islice(sweep.grid(), MAX_ARMS + 1)]) > MAX_ARMS:
            return ("scientific",), (
                f"a grid of up to {most:,} arms, and at most {MAX_ARMS:,} are planned at once; "
                "list fewer values, or draw: search: {sampler: random, arms: 100}"
            )
    elif sum(options) > MAX_ARMS:
        return ("scientific",), f"{sum(options):,} values are listed; use a range, such as uniform"
    if sweep.num_trials > MAX_TRIALS:
        path = ("seeds",) if isinstance(sweep.search, GridSearch) else ("search", "arms")
        return (
            path,
            f"{sweep.num_trials:,} trials, and a sweep has at most {MAX_TRIALS:,}; ask for less",
        )
    return None
