"""What a trial, a sweep and a domain are. Imports neither torch nor ray, so it answers at once.

Unions and groups stand here by their names; the variants of a union in its module, as in
`spec.data.Mixture`.
"""

from . import data, evaluation, losses, methods, nets, noise, outside, teachers
from .arm import Arm, Scalar, arm_text, value_text
from .base import Spec, SpecError, departures, digest, plain
from .batch import Batch
from .compute import Compute
from .data import Data
from .evaluation import Evaluation
from .load import load
from .losses import Loss
from .methods import Method
from .nets import Init, Net
from .noise import Noise, Times, Weight
from .outcomes import LOST, OUTCOMES, SETTLED, Outcome
from .sweep import Sweep
from .teachers import EdmTeacher, ExactTeacher, Teacher, TrainedTeacher
from .trial import (
    Budget,
    FakeScore,
    Generator,
    Trial,
)
