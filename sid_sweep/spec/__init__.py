"""What a trial, a sweep and a domain are. Imports neither torch nor ray, so it answers at once.

Unions and groups stand here by their names; the variants of a union in its module, as in
`spec.data.Mixture`.
"""

from . import data, losses, methods, nets, noise, teachers
from .arm import Arm, Scalar, arm_text, value_text
from .base import Spec, SpecError, digest, plain
from .data import Data
from .load import load
from .losses import Loss
from .methods import Method
from .nets import Init, Net
from .noise import Noise, Times, Weight
from .outcomes import LOST, OUTCOMES, Outcome
from .sweep import Sweep
from .teachers import ExactTeacher, Teacher, TrainedTeacher
from .trial import (
    Batch,
    Budget,
    Evaluation,
    FakeScore,
    Generator,
    Trial,
    teacher_file,
    teacher_name,
)
