"""From a trial to its method."""

from sid_sweep import spec

from .dde import DensityEstimation
from .gan import LeastSquaresGAN
from .kd import KnowledgeDistillation
from .method import Method, Setting
from .progressive import ProgressiveDistillation
from .sampler import TeacherSampler
from .score_distillation import ScoreDistillation


def build(setting: Setting) -> Method:
    """The method that the trial names, at its beginning."""
    match setting.trial.method:
        case spec.Sid() | spec.DiffInstruct():
            return ScoreDistillation(setting)
        case spec.KD() as method:
            return KnowledgeDistillation(setting, method)
        case spec.GAN() as method:
            return LeastSquaresGAN(setting, method)
        case spec.DDE() as method:
            return DensityEstimation(setting, method)
        case spec.Progressive() as method:
            return ProgressiveDistillation(setting, method)
        case spec.Sampler() as method:
            return TeacherSampler(setting, method)
