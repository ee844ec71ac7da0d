"""From a trial to its method."""

from sid_sweep import spec
from sid_sweep.nets import training

from .dde import DensityEstimation
from .gan import LeastSquaresGAN
from .kd import KnowledgeDistillation
from .method import Method, Setting
from .plain_teacher import PlainTeacher
from .progressive import ProgressiveDistillation
from .score_distillation import ScoreDistillation


def build(setting: Setting) -> Method:
    """The method that the trial names, at its beginning."""
    training.apply_globally(setting.trial.compute)
    match setting.trial.method:
        case spec.methods.Sid():
            return ScoreDistillation(setting)
        case spec.methods.KD() as method:
            return KnowledgeDistillation(setting, method)
        case spec.methods.GAN() as method:
            return LeastSquaresGAN(setting, method)
        case spec.methods.DDE() as method:
            return DensityEstimation(setting, method)
        case spec.methods.Progressive() as method:
            return ProgressiveDistillation(setting, method)
        case spec.methods.PlainTeacher():
            return PlainTeacher(setting)
