"""A trial: everything that decides what one training run computes, and nothing else.

*Images*, the clock of training, are generator samples that entered the generator's loss.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from .base import Count, Positive, Spec, Unit, fill, parts, plain, variants
from .batch import Batch
from .compute import Compute
from .data import Data
from .evaluation import ClassifierFeatures, Evaluation, Features, TeacherFeatures
from .losses import Loss, SidLoss
from .methods import Method, Sid
from .nets import EMA, Adam, Init, RandomInit
from .noise import (
    VP,
    EDMWeight,
    Importance,
    LogUniformTimes,
    Noise,
    PowerWeight,
    Times,
    Weight,
)
from .presets import with_preset
from .seeds import Seed
from .teachers import ExactTeacher, Teacher

COSTS = {
    "cost/forwards": "network evaluations of training, per sample: student, fake score, teacher",
    "cost/backwards": "backward passes, per sample: 1 to the input alone, 2 to the weights too",
    "cost/evaluations": "forwards and backwards together: the compute of training",
    "cost/of_teacher": "cost/evaluations over those that the teacher was trained with",
    "cost/state_bytes": "distinct weights with the teacher's, gradients and moments, in bytes",
    "cost/nfe": "network evaluations for one sample of the student",
    "cost/samples_per_second": "how fast the student's samples were drawn, as measured",
}

# ---- the networks that learn


class Generator(Spec):
    """θ: the one-step student, g(z) = D_θ(sigma_init z; sigma_init)."""

    init: Init = RandomInit()
    """Where its weights come from."""
    sigma_init: Positive = 2.5
    """Scale of the latents z (official SiD: 2.5)."""
    times: Times = LogUniformTimes(kind="log_uniform", low=0.1, high=5.0)
    """Noise levels of its loss (sid)."""
    importance: Importance | None = None
    """Draw levels in proportion to their loss; null: as `times` says."""
    weight: Weight = PowerWeight(exponent=2.0)
    """How much each level counts in its loss."""
    loss_scale: Positive = 1.0
    """Factor of its loss (official SiD: 100); matters only beside eps and clip_norm."""
    optim: Adam = Adam(lr=0.002, beta1=0.5, warmup_images=20_000, decay="cosine")
    """Its optimiser."""
    ema: EMA = EMA(half_life_images=10_000.0)
    """Average of its weights."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of activations that are zero while it trains (official SiD: 0.13 on CIFAR-10)."""


class FakeScore(Spec):
    """ψ: the denoiser of the generator's own samples."""

    init: Init = RandomInit()
    """Where its weights come from."""
    steps: Count = 1
    """Steps of ψ for each step of the generator (official SiD: 1; DMD2: 5)."""
    times: Times = LogUniformTimes(kind="log_uniform", low=0.05, high=5.0)
    """Noise levels it is trained on."""
    importance: Importance | None = None
    """Draw levels in proportion to their loss; null: as `times` says."""
    weight: Weight = EDMWeight(kind="edm")
    """How much each level counts."""
    optim: Adam = Adam(lr=0.004, beta1=0.5, decay="cosine")
    """Its optimiser."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of activations that are zero while it trains (official SiD: 0.13 on CIFAR-10)."""
    augment: Unit = 0.0
    """Probability of each way in which the images that it trains on are moved (Karras et al. 2022,
    App. F.2; official SiD: 0.12 on CIFAR-10)."""

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        if self.augment and trial.data.closed_form:
            yield f"{path}.augment = {self.augment} moves images, and a mixture has none; use 0"


# ---- the budget


class Budget(Spec):
    """How long a trial trains."""

    images: Count = 400_000
    """Generator samples that enter its loss."""


# ---- the trial

METHODS = variants(Method)


class Trial(Spec):
    """One arm at one seed, and all that its metrics depend on.

    `preset: name` begins with the named values of `presets.py` instead of the defaults.
    """

    data: Data
    noise: Noise = VP()
    teacher: Teacher = ExactTeacher()
    method: Method = Sid()
    loss: Loss | None = None
    generator: Generator | None = None
    fake_score: FakeScore | None = None
    batch: Batch = Batch()
    budget: Budget = Budget()
    evaluation: Evaluation = Evaluation()
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the networks' forward and backward passes; weights, losses and metrics stay float32. With
    float16, losses are scaled so that small gradients survive; steps that overflow are counted."""
    compute: Compute = Compute()
    seed: Seed = 0
    """Repetition: decides initial weights, latents, noise and times."""

    @model_validator(mode="before")
    @classmethod
    def _resolve(cls, values: Any) -> Any:
        """Begin with the preset; give the method the groups that it trains."""
        if not isinstance(values, dict):
            return values
        values = with_preset(values)
        method = values.get("method", {})
        kind = method.get("kind", "sid") if isinstance(method, dict) else "sid"
        if not isinstance(kind, str) or kind not in METHODS:
            return values  # the union says what there is
        own = {"loss": SidLoss(), "generator": Generator(), "fake_score": FakeScore()}
        groups = METHODS[kind].groups
        for name in own:
            if values.get(name) is not None and name not in groups:
                owners = ", ".join(other for other, cls in METHODS.items() if name in cls.groups)
                raise ValueError(
                    f"{name} belongs to method.kind = {owners}; {kind} has none, so leave it out "
                    "or set it to null"
                )
        given = {name: {} if values.get(name) is None else values[name] for name in groups}
        return values | {name: fill(plain(own[name]), given[name]) for name in groups}

    @model_validator(mode="after")
    def _makes_sense(self) -> "Trial":
        """Every part is valid by itself; now each looks at the others."""
        for path, part in parts(self):
            for problem in part.refuses(self, path):
                raise ValueError(problem)
        return self

    @property
    def features(self) -> Features | None:
        """In what its images are compared: what was asked for, else what the data allow; None where
        the data have a judge of their own."""
        if self.data.judged_as != "images":
            return None
        usual = ClassifierFeatures() if self.data.num_classes else TeacherFeatures()
        return self.evaluation.features or usual

    @property
    def metrics(self) -> dict[str, str]:
        """What a student is judged by, and what it costs: metrics that an objective may name."""
        lacking = {name for _, part in parts(self) for name in part.lacks}
        offered = (self.features or self.data).metrics | COSTS
        return {name: doc for name, doc in offered.items() if name not in lacking}

    @property
    def positive(self) -> tuple[str, ...]:
        """Metrics that are above zero whatever the student; arms are compared by their ratio."""
        return (self.features or self.data).positive

    @property
    def most(self) -> dict[str, float]:
        """The largest value that a metric can have, where it has one; no interval goes beyond."""
        return (self.features or self.data).most

    @property
    def columns(self) -> tuple[str, ...]:
        """Metrics that a table shows beside the objective."""
        return tuple(c for c in (self.features or self.data).columns if c in self.metrics)

    @property
    def sampled(self) -> dict[str, int]:
        """By metric, the number of samples without which its value says little."""
        own = {} if self.features is None else self.features.metrics
        return {name: self.evaluation.samples for name in own if name in self.metrics}


TEACHER_VERSION = 3  # raise it when the networks or their training change
JUDGE_VERSION = 4  # raise it when a metric is measured otherwise: sweeps begun before are refused
