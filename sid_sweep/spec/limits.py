"""Limits: how much a sweep may spend before it stops by itself, to go on another time.

They decide when trials run and never what comes out of one, so they enter no digest, and each
command may bring its own.
"""

from .base import Count, Positive, Spec


class Limits(Spec):
    """How much may be spent; null: no limit. What is left then goes on where the limit is raised.

    Trials, GPU hours and the disk count for the sweep, over all its commands; wall time and
    failures for one command.
    """

    trials: Count | None = None
    """Most trials that are ever begun. Those that have begun run to their end."""
    failures: Count | None = None
    """Failed trials after which a command begins no other; those that run go on to their end, and
    the next command tries the failed ones again."""
    wall_hours: Positive | None = None
    """Hours after which a command stops its trials, which go on from their checkpoints next time.
    It takes up to a minute more to end."""
    gpu_hours: Positive | None = None
    """Hours of GPUs that were held by trials and teachers, after which trials stop at their
    checkpoints."""
    disk_gigabytes: Positive | None = None
    """Size of the sweep's folder, in 10⁹ bytes, at which trials stop at their checkpoints; neither
    `cache` nor MLflow's files are part of it."""
