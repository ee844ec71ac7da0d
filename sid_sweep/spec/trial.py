"""A trial: everything that decides what one training run computes, and nothing else.

*Images*, the clock of training, are generator samples that entered the generator's loss.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from .base import Count, Fraction, Positive, Spec, digest, fill, parts, plain, variants
from .data import Data
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


# ---- the batch, the budget, the judgement


class Batch(Spec):
    """How many latents a step draws, and who gets them."""

    latents: Annotated[int, Field(ge=2)] = 256
    """Latents of one step, over all workers."""
    generator_fraction: Fraction = 0.5
    """Part that enters the generator's loss; the others train the fake score or the critics."""

    @property
    def generator_latents(self) -> int:
        return min(max(round(self.latents * self.generator_fraction), 1), self.latents - 1)

    @property
    def fake_score_latents(self) -> int:
        return self.latents - self.generator_latents


class Budget(Spec):
    """How long a trial trains."""

    images: Count = 400_000
    """Generator samples that enter its loss."""


class Evaluation(Spec):
    """When and how a student is judged: on latents of its seed, the same for all arms."""

    times: Count = 8
    """Evaluations, evenly over the budget, the last at its end; the start is judged too."""
    samples: Annotated[int, Field(ge=16)] = 8192
    """Student samples of one evaluation, where the data do not fix their number (digits do)."""
    noise_bins: Count = 4
    """Bins of equal probability of the generator's noise levels, for its diagnostics."""


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
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the networks' forward and backward passes; weights, losses and metrics stay float32."""
    seed: Annotated[int, Field(ge=0)] = 0
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
        if kind not in METHODS:
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
    def metrics(self) -> dict[str, str]:
        """What a student is judged by, and what it costs: metrics that an objective may name."""
        lacking = {name for _, part in parts(self) for name in part.lacks}
        offered = self.data.metrics | COSTS
        return {name: doc for name, doc in offered.items() if name not in lacking}


TEACHER_VERSION = 3  # raise it when the networks or their training change
JUDGE_VERSION = 2  # raise it when a metric is measured otherwise: sweeps begun before are refused


def teacher_name(trial: Trial) -> str:
    """What a trained teacher is cached under: a digest of all that decides its weights."""
    parts = {"data": trial.data, "noise": trial.noise, "teacher": trial.teacher}
    key = digest({name: plain(part) for name, part in parts.items()} | {"code": TEACHER_VERSION})
    return f"{trial.data.kind}-{key}"


def teacher_file(name: str, cache: Path) -> Path:
    """Where the weights of a trained teacher lie, once they do."""
    return cache / "teachers" / f"{name}.safetensors"
