"""What a trial, a sweep and a domain are. Imports neither torch nor ray, so it answers at once."""

from .base import Spec, SpecError, digest, plain
from .data import Data, Digits, Mixture
from .load import load
from .methods import (
    DDE,
    GAN,
    KD,
    Critic,
    DiffInstruct,
    FullLoss,
    Loss,
    Method,
    MiddleLoss,
    NaiveLoss,
    PlaneLoss,
    Progressive,
    Sampler,
    Sid,
    SidLoss,
    TeacherOnlyLoss,
)
from .nets import EMA, MLP, Adam, Init, LoRA, Net, RandomInit, ResidualMLP, TeacherInit, UNet
from .noise import (
    EDM,
    VP,
    ComplementWeight,
    EDMWeight,
    FixedNoise,
    Flow,
    Importance,
    KarrasTimes,
    LogitNormalTimes,
    LogNormalTimes,
    LogUniformTimes,
    Noise,
    PowerWeight,
    SidLegacyWeight,
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
    Teacher,
    TrainedTeacher,
    Trial,
    teacher_file,
    teacher_name,
)
