"""The disk: a sweep's folder with every path in it, a trial's files, and rows for tables.

Everybody reads the truth here; the driver and the workers write it. Needs neither torch nor ray.
"""

from .events import Watcher
from .folder import Measurement, Result, TrialFolder
from .sweep_folder import Entry, SweepFolder, sweeps_in

__all__ = ["Entry", "Measurement", "Result", "SweepFolder", "TrialFolder", "Watcher", "sweeps_in"]
