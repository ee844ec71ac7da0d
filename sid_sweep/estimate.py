"""What a trial will hold in memory, from its specification alone; loads no torch."""

from dataclasses import dataclass

from sid_sweep import spec
from sid_sweep.foreign.check import facts_of
from sid_sweep.nets.size import Size, size
from sid_sweep.spec import TrainedTeacher, Trial
from sid_sweep.spec.nets import Blueprint, Net, RandomInit, TeacherInit

MOVING = 3  # a gradient and two moments
WEIGHT_BYTES = 4
PASSES = 3  # at most so many networks keep activations at a time: generator, teacher, fake score


@dataclass(frozen=True)
class Memory:
    """Of one worker, in bytes."""

    state: int
    """Weights, gradients, moments and averages; what `cost/state_bytes` measures."""
    activations_each: int
    """At most, for each latent that passes at a time."""

    def __str__(self) -> str:
        return (
            f"{_amount(self.state)} of weights, gradients, moments and averages, and at most "
            f"{_amount(self.activations_each)} of activations for each latent that passes at a time"
        )


def memory(trial: Trial) -> Memory | None:
    """What the networks of a trial hold; None where the specification does not say how large they
    are: those of a teacher that is loaded, and low-rank additions."""
    still, learning = _still(trial), _learning(trial)
    if still is None or learning is None:
        return None
    weights = sum(own.weights for own in [*still, *learning])
    moving = MOVING * sum(own.weights for own in learning)
    kept = max((own.kept for own in [*still, *learning]), default=0)
    each = 4 if trial.precision == "float32" else 2
    return Memory(WEIGHT_BYTES * (weights + moving), PASSES * each * kept)


def _still(trial: Trial) -> list[Size] | None:
    """Networks that hold weights alone: the teacher, the average, a stage's teacher."""
    teacher = trial.teacher
    if teacher.has_weights and not isinstance(teacher, TrainedTeacher):
        return None
    own = [_of(teacher.net, trial)] if isinstance(teacher, TrainedTeacher) else []
    match trial.method.kind:
        case "teacher":
            students = []
        case "progressive":
            students = [_of_part(trial, trial.generator)] * 2
        case _:
            students = [_of_part(trial, trial.generator)]
    return None if None in [*own, *students] else [*filter(None, [*own, *students])]


def _learning(trial: Trial) -> list[Size] | None:
    """Networks with gradients and moments."""
    match trial.method:
        case spec.methods.PlainTeacher():
            own = []
        case spec.methods.GAN(discriminator=critic):
            own = [_of_part(trial, trial.generator), _of(critic.net, trial)]
        case spec.methods.DDE(estimator=critic):
            own = [_of_part(trial, trial.generator), *[_of(critic.net, trial)] * 2]
        case spec.methods.Sid():
            own = [_of_part(trial, part) for part in (trial.generator, trial.fake_score)]
        case spec.methods.KD() | spec.methods.Progressive():
            own = [_of_part(trial, trial.generator)]
    return None if None in own else [*filter(None, own)]


def _of_part(trial: Trial, part: spec.Generator | spec.FakeScore | None) -> Size | None:
    """Of the network of generator or fake score."""
    assert part is not None  # the method trains it
    match part.init if trial.method.kind != "progressive" else TeacherInit(kind="teacher"):
        case RandomInit(net=net):
            return _of(net, trial)
        case TeacherInit(lora=None) if isinstance(trial.teacher, TrainedTeacher):
            return _of(trial.teacher.net, trial)
    return None


def _of(net: Net, trial: Trial) -> Size | None:
    shape = _shape(trial.data)
    return None if shape is None else size(Blueprint(net=net, shape=shape, sigma_data=1.0))


def _shape(data: spec.Data) -> list[int] | None:
    """Of a sample; None where there are no data."""
    if isinstance(data, spec.data.Mixture):
        return [data.dimensions or 2]
    own = facts_of(data)
    return None if own is None else [own.channels, own.height, own.width]


def _amount(num_bytes: float) -> str:
    """`220 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1024
    return f"{num_bytes:.3g} GiB"
