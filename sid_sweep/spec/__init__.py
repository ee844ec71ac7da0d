"""What a trial, a sweep and a domain are. Imports neither torch nor ray, so it answers at once."""

from .base import Spec, SpecError, digest, plain
from .data import Data, Digits, Mixture
from .load import load
from .nets import EMA, MLP, Adam, Init, Net, RandomInit, ResidualMLP, TeacherInit
from .noise import (
    EDM,
    VP,
    EDMWeight,
    FixedNoise,
    Flow,
    LogNormalTimes,
    LogUniformTimes,
    Noise,
    PowerWeight,
    Times,
    UniformTimes,
    Weight,
)
from .sweep import Arm, Sweep
from .trial import (
    Batch,
    Budget,
    Evaluation,
    ExactTeacher,
    FakeScore,
    Generator,
    Loss,
    Naive,
    Sid,
    Teacher,
    TrainedTeacher,
    Trial,
    teacher_file,
    teacher_name,
)
