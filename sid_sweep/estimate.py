"""What a trial will hold in memory and what it will compute, from its specification and the
blueprint of its teacher; loads no torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from sid_sweep import spec
from sid_sweep.foreign.check import facts_of
from sid_sweep.nets.size import NOTHING, Size, size
from sid_sweep.spec import TrainedTeacher, Trial
from sid_sweep.spec.nets import Blueprint, Net, RandomInit, TeacherInit

MOVING = 3  # a gradient and two moments
WEIGHT_BYTES = 4
PASSES = 3  # at most so many networks keep activations at a time: generator, teacher, fake score
IN_FLIGHT = 1.25  # gradients on their way and workspaces beside: 1.1 to 1.23 seen, on an H200
OPERATIONS = 2  # a multiplication and an addition
RATE = 1e13  # a round figure; README says what GPUs were seen to reach
CORE_RATE = 2.5e10  # of one CPU core; with the two below, fitted to what shipped sweeps cost
STEP_SECONDS = 0.003  # of a step, however small its networks
JUDGING_SECONDS = 0.3  # of an evaluation
PROCESS_BYTES = 2**29  # Python, torch and Ray
RECORD_BYTES = 2**17  # of a trial on the disk beside its student: measurements, pictures, a log


@dataclass(frozen=True)
class Memory:
    """Of one worker, in bytes."""

    state: int
    """Weights, gradients, moments and averages; what `cost/state_bytes` measures."""
    activations_each: int
    """At most, for each latent that passes at a time."""

    def __str__(self) -> str:
        return (
            f"{_bytes(self.state)} of weights, gradients, moments and averages, and at most "
            f"{_bytes(self.activations_each)} of activations for each latent that passes at a time"
        )


@dataclass(frozen=True)
class Work:
    """Of all workers together, in floating-point operations of matrices and convolutions."""

    step: float
    trial: float
    """Of training; evaluations are little beside it."""

    def __str__(self) -> str:
        hours = self.trial / RATE / 3600
        return (
            f"{_operations(self.step)} a step and {_operations(self.trial)} a trial: "
            f"{self.step / RATE:.2g} s and {hours:,.1f} h at {_operations(RATE)}/s"
        )


@dataclass(frozen=True)
class Forecast:
    """Of a sweep, before any of its trials has run: right to a factor of three or so."""

    seconds: float
    """Without teachers and judges that are made at first use."""
    memory: int
    """Of all trials at a time, in bytes; on GPUs, theirs and the machine's together."""
    disk: int
    """Students, records and the checkpoints of what runs; MLflow keeps each student once more."""

    def __str__(self) -> str:
        return f"{_bytes(self.memory)} of memory, {_bytes(self.disk)} on the disk"


class _Unknown(Exception):
    """The specification does not say how large a network is."""


def memory(trial: Trial, teacher: Blueprint | None = None) -> Memory | None:
    """What the networks of a trial hold; None where nobody says how large they are: those of user
    code and of other libraries, and low-rank additions.

    Args:
        teacher: of one that someone else trained, once it is known.
    """
    try:
        still, learning = _still(trial, teacher), _learning(trial, teacher)
    except _Unknown:
        return None
    weights = sum(own.weights for own in [*still, *learning])
    moving = MOVING * sum(own.weights for own in learning)
    kept = max((own.kept for own in [*still, *learning]), default=0)
    each = 4 if trial.precision == "float32" else 2
    return Memory(WEIGHT_BYTES * (weights + moving), math.ceil(IN_FLIGHT * PASSES * each * kept))


def work(trial: Trial, teacher: Blueprint | None = None) -> Work | None:
    """What training by score distillation multiplies, as `Costs` counts its passes; None for other
    methods, and where `memory` knows nothing."""
    if trial.method.kind != "sid":
        return None
    assert trial.fake_score is not None  # the method has both groups
    assert trial.loss is not None
    try:
        theta, psi = (_of_part(trial, p, teacher) for p in (trial.generator, trial.fake_score))
        phi = _of_teacher(trial, teacher)
    except _Unknown:
        return None
    batch, crosses = trial.batch, trial.loss.crosses
    again = trial.compute.checkpoint_activations  # a second way forward before the way back
    learning = 3 + again  # the way back to the weights costs two ways forward, to the input one
    across = [2 + again if crosses > num else 1 for num in (0, 1)]
    theta, psi, phi = (own.products for own in (theta, psi, phi))
    if batch.shared:
        step = batch.latents * (learning * (theta + psi) + across[0] * phi + psi * (crosses > 1))
    else:
        step = batch.generator_latents * (learning * theta + across[0] * phi + across[1] * psi)
        learnt = batch.fake_score_latents * trial.fake_score.steps
        step += learnt * (theta + learning * psi)
    steps = math.ceil(trial.budget.images / batch.generator_latents)
    return Work(OPERATIONS * step, OPERATIONS * step * steps)


def forecast(
    trials: Sequence[Trial], *, num: int, concurrency: int, cores: int, gpus: float
) -> Forecast | None:
    """Of `num` trials like those given; None where nobody says how large their networks are.

    Args:
        concurrency: trials at a time.
        cores: of each trial.
        gpus: of each trial.
    """
    known = [trial for trial in trials if memory(trial) is not None]
    if not known:
        return None
    seconds = fmean(_seconds(trial, gpus * RATE or cores * CORE_RATE) for trial in known)
    kept = fmean(WEIGHT_BYTES * _student(trial).weights + RECORD_BYTES for trial in known)
    return Forecast(
        seconds=seconds * num / concurrency,
        memory=concurrency * max(map(_held, known)),
        disk=int(kept * num) + concurrency * max(map(_checkpoints, known)),
    )


def _seconds(trial: Trial, rate: float) -> float:
    """Of training, drawing what is judged, and judging it."""
    still, learning = _still(trial, None), _learning(trial, None)
    evaluations = trial.evaluation.times + 1 if learning else 1
    steps = math.ceil(trial.budget.images / trial.batch.generator_latents) if learning else 0
    training = work(trial)
    if training is not None:
        operations = training.trial
    else:  # once through every network, and two ways back through those that learn
        passed = sum(own.products for own in [*still, *learning, *learning, *learning])
        operations = OPERATIONS * trial.batch.latents * steps * passed
    passes = 1
    if isinstance(trial.method, spec.methods.PlainTeacher):
        passes = trial.method.steps * (2 if trial.method.solver == "heun" else 1)
    drawn = evaluations * trial.evaluation.samples * passes
    operations += OPERATIONS * drawn * _student(trial).products
    return STEP_SECONDS * steps + JUDGING_SECONDS * evaluations + operations / rate


def _held(trial: Trial) -> int:
    own = memory(trial)
    assert own is not None
    at_once = trial.batch.per_worker or trial.batch.latents
    return PROCESS_BYTES + own.state + own.activations_each * at_once


def _checkpoints(trial: Trial) -> int:
    """The last one and the one that is written: all but the teacher."""
    own = memory(trial)
    assert own is not None
    return 2 * (own.state - WEIGHT_BYTES * _of_teacher(trial, None).weights)


def _student(trial: Trial) -> Size:
    if trial.generator is None:
        return _of_teacher(trial, None)
    return _of_part(trial, trial.generator, None)


def _still(trial: Trial, teacher: Blueprint | None) -> list[Size]:
    """Networks that hold weights alone: the teacher, the average, a stage's teacher."""
    own = [_of_teacher(trial, teacher)]
    match trial.method.kind:
        case "teacher":
            return own
        case "progressive":
            return own + [_of_part(trial, trial.generator, teacher)] * 2
        case _:
            return [*own, _of_part(trial, trial.generator, teacher)]


def _learning(trial: Trial, teacher: Blueprint | None) -> list[Size]:
    """Networks with gradients and moments."""
    match trial.method:
        case spec.methods.PlainTeacher():
            return []
        case spec.methods.GAN(discriminator=critic):
            return [_of_part(trial, trial.generator, teacher), _of(critic.net, trial)]
        case spec.methods.DDE(estimator=critic):
            return [_of_part(trial, trial.generator, teacher), *[_of(critic.net, trial)] * 2]
        case spec.methods.Sid():
            parts = (trial.generator, trial.fake_score)
            return [_of_part(trial, part, teacher) for part in parts]
        case spec.methods.KD() | spec.methods.Progressive():
            return [_of_part(trial, trial.generator, teacher)]


def _of_part(
    trial: Trial, part: spec.Generator | spec.FakeScore | None, teacher: Blueprint | None
) -> Size:
    """Of the network of generator or fake score."""
    assert part is not None  # the method trains it
    match part.init if trial.method.kind != "progressive" else TeacherInit(kind="teacher"):
        case RandomInit(net=net):
            return _of(net, trial, teacher)
        case TeacherInit(lora=None):
            return _of_teacher(trial, teacher)
    raise _Unknown


def _of_teacher(trial: Trial, teacher: Blueprint | None) -> Size:
    match trial.teacher:
        case TrainedTeacher(net=net):
            return _of(net, trial)
        case own if not own.has_weights:
            return NOTHING
    if teacher is None:
        raise _Unknown
    return _size(teacher)


def _of(net: Net, trial: Trial, teacher: Blueprint | None = None) -> Size:
    """Of a network of our own for samples like the data, or like the teacher's."""
    shape = _shape(trial.data) or (teacher.shape if teacher else None)
    if shape is None:
        raise _Unknown
    return _size(Blueprint(net=net, shape=shape, sigma_data=1.0))


def _size(blueprint: Blueprint) -> Size:
    try:
        return size(blueprint)
    except ValueError:
        raise _Unknown from None


def _shape(data: spec.Data) -> list[int] | None:
    """Of a sample; None where there are no data."""
    if isinstance(data, spec.data.Mixture):
        return [data.dimensions or 2]
    own = facts_of(data)
    return None if own is None else [own.channels, own.height, own.width]


def _bytes(num: float) -> str:
    """`220 MiB`."""
    return _scaled(num, 1024, ("B", "KiB", "MiB", "GiB"))


def _operations(num: float) -> str:
    """`3.2 TFLOP`."""
    return _scaled(num, 1000, ("FLOP", "KFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP"))


def _scaled(num: float, base: int, units: tuple[str, ...]) -> str:
    for unit in units[:-1]:
        if num < 1000:
            return f"{num:.3g} {unit}"
        num /= base
    return f"{num:.3g} {units[-1]}"
