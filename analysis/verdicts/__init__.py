"""What may be claimed: from trials to a row per arm with its verdict, and what speaks against it.

    statistics.py   one short function per statistic: intervals, paired effects, families of claims
    evidence.py     what the seeds say of one arm against another: claims and verdicts
    selection.py    which arms stand in a table: the best tuned of each setting, the confirmed
    budgets.py      whether arms were given the same: images, compute, seconds
    pareto.py       how often an arm is in the Pareto set when seeds are resampled
    arms.py         trials to a row per arm: its mean, what it lost, the verdict
    referee.py      which arms get more seeds while a sweep runs
    importance.py   which knobs the metric hangs on
    edges.py        whether the best arm stands at the end of a range
    power.py        whether the seeds suffice
    health.py       what a careful referee would object to
    draws.py        random numbers that follow from a question

Frames in, frames out; no file is touched.
"""
