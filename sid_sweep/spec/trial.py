"""A trial: everything that decides what one training run computes, and nothing else.

*Images*, the clock of training, are generator samples that entered the generator's loss.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import Count, Fraction, Positive, Spec, digest, plain
from .data import Data
from .nets import EMA, Adam, Init, Net, RandomInit, ResidualMLP
from .noise import VP, EDMWeight, LogNormalTimes, LogUniformTimes, Noise, PowerWeight, Times, Weight

# ---- teachers


class ExactTeacher(Spec):
    """The closed-form denoiser of a mixture."""

    kind: Literal["exact"] = "exact"


class TrainedTeacher(Spec):
    """A denoiser trained on the data at first use, then cached under a digest of this record."""

    kind: Literal["trained"]
    net: Net = ResidualMLP(kind="residual_mlp")
    """Its architecture."""
    images: Count = 2_000_000
    """Training images, with repetition."""
    batch: Count = 256
    """Images a step."""
    optim: Adam = Adam(beta1=0.9, decay="cosine")
    """Its optimiser."""
    ema: EMA = EMA(half_life_images=50_000.0)
    """Average of its weights; the average is the teacher."""
    times: Times = LogNormalTimes(kind="log_normal")
    """Noise levels it is trained on."""
    weight: Weight = EDMWeight(kind="edm")
    """How much each level counts."""
    seed: int = 0
    """Of its initialisation and training."""


Teacher = Annotated[ExactTeacher | TrainedTeacher, Field(discriminator="kind")]


class Generator(Spec):
    """θ: the one-step student, g(z) = D_θ(sigma_init z; sigma_init)."""

    init: Init = RandomInit()
    """Where its weights come from."""
    sigma_init: Positive = 2.5
    """Scale of the latents z (official SiD: 2.5)."""
    times: Times = LogUniformTimes(kind="log_uniform", low=0.1, high=5.0)
    """Noise levels of its loss."""
    weight: Weight = PowerWeight(exponent=2.0)
    """How much each level counts in its loss."""
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
    weight: Weight = EDMWeight(kind="edm")
    """How much each level counts."""
    optim: Adam = Adam(lr=0.004, beta1=0.5, decay="cosine")
    """Its optimiser."""


# ---- the loss, the batch, the budget, the judgement


class Sid(Spec):
    """L2 - λ L1 with L1 = |ε_φ - ε_ψ|² and L2 = <ε_φ - ε_ψ, ε_φ - ε> (Zhou et al. 2024)."""

    kind: Literal["sid"] = "sid"
    lambda_: float = Field(default=1.0, alias="lambda")
    """λ; the official code calls it alpha (1.2, for AFHQ 1.0)."""


class Naive(Spec):
    """L1 alone, the first form of the article; reported not to train."""

    kind: Literal["naive"]


Loss = Annotated[Sid | Naive, Field(discriminator="kind")]


class Batch(Spec):
    """How many latents a step draws, and who gets them."""

    latents: Annotated[int, Field(ge=2)] = 256
    """Latents of one step, over all workers."""
    generator_fraction: Fraction = 0.5
    """Share that enters the generator's loss; the others train the fake score."""

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
    """When and how a student is judged, always on the same evaluation seed."""

    times: Count = 8
    """Evaluations, evenly over the budget, the last at its end; the start is judged too."""
    samples: Annotated[int, Field(ge=16)] = 8192
    """Student samples of one evaluation."""


class Trial(Spec):
    """One arm at one seed, and all that its metrics depend on."""

    data: Data
    noise: Noise = VP()
    teacher: Teacher = ExactTeacher()
    loss: Loss = Sid()
    generator: Generator = Generator()
    fake_score: FakeScore = FakeScore()
    batch: Batch = Batch()
    budget: Budget = Budget()
    evaluation: Evaluation = Evaluation()
    seed: Annotated[int, Field(ge=0)] = 0
    """Repetition: decides initial weights, latents, noise and times."""

    @model_validator(mode="after")
    def _makes_sense(self) -> "Trial":
        if self.teacher.kind == "exact" and self.data.kind != "mixture":
            raise ValueError(
                f"teacher.kind = exact needs data.kind = mixture, not {self.data.kind}: "
                "only a mixture has a closed-form score; use teacher.kind = trained"
            )
        for role, network in (("generator", self.generator), ("fake_score", self.fake_score)):
            if network.init.kind == "teacher" and self.teacher.kind == "exact":
                raise ValueError(
                    f"{role}.init.kind = teacher needs a teacher with weights, and an exact "
                    "teacher has none; use init.kind = random"
                )
        return self


TEACHER_VERSION = 2  # raise it when the networks or their training change


def teacher_name(trial: Trial) -> str:
    """What a trained teacher is cached under: a digest of all that decides its weights."""
    parts = {"data": trial.data, "noise": trial.noise, "teacher": trial.teacher}
    key = digest({name: plain(part) for name, part in parts.items()} | {"code": TEACHER_VERSION})
    return f"{trial.data.kind}-{key}"


def teacher_file(name: str, cache: Path) -> Path:
    """Where the weights of a trained teacher lie, once they do."""
    return cache / "teachers" / f"{name}.safetensors"
