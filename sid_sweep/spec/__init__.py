"""What a trial, a sweep and a domain are. Imports neither torch nor ray, so it answers at once."""

from .base import Spec, SpecError, digest, plain
from .load import load
from .sweep import Arm, Sweep
from .trial import Trial

__all__ = ["Arm", "Spec", "SpecError", "Sweep", "Trial", "digest", "load", "plain"]
