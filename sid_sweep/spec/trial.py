"""A trial: everything that decides what one training run computes, and nothing else.

σ = β̄/ᾱ is the noise-to-signal ratio of x_t = ᾱ x_0 + β̄ ε; levels of noise are always given as σ.
*Images*, the clock of training, are generator samples that entered the generator's loss.
"""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .base import Count, Positive, Spec, digest, plain

Fraction = Annotated[float, Field(gt=0, lt=1)]
Unit = Annotated[float, Field(ge=0, le=1)]


# ---- data: what the teacher knows and the student should come to know


class Mixture(Spec):
    """A Gaussian mixture: its score is a closed form at every noise level."""

    metrics: ClassVar[dict[str, str]] = {
        "sw2_ratio": "sliced W2 to fresh data, over that between two fresh data sets (limit 1)",
        "sw2": "sliced 2-Wasserstein distance to fresh data",
        "modes": "modes that hold at least a fifth of their share of the samples",
        "off_modes": "share of the samples further than 4 deviations from every mode",
    }

    columns: ClassVar[tuple[str, ...]] = ("modes",)

    kind: Literal["mixture"]
    name: Literal["ring8"] = "ring8"
    """ring8: eight equal Gaussians on a circle in the plane."""
    radius: Positive = 1.4
    """Radius of the circle."""
    deviation: Positive = 0.1
    """Standard deviation of each Gaussian."""


class Digits(Spec):
    """scikit-learn's 1,797 handwritten digits, 8x8 pixels, scaled to [-1, 1]."""

    metrics: ClassVar[dict[str, str]] = {
        "fd_ratio": "fd over the Fréchet distance of the teacher's own 50-step samples",
        "fd_ratio_real": "fd over the Fréchet distance of real digits drawn anew (limit 1)",
        "fd": "Fréchet distance to the real digits in the features of a small digit classifier",
        "class_score": "exp of the mutual information of sample and predicted class (at most 10)",
        "class_score_ratio": "class_score over that of the real digits",
    }

    columns: ClassVar[tuple[str, ...]] = ("fd_ratio_real", "class_score_ratio")

    kind: Literal["digits"]


Data = Annotated[Mixture | Digits, Field(discriminator="kind")]


# ---- noise processes


class VP(Spec):
    """Variance preserving, ᾱ² + β̄² = 1, with the linear schedule of Song et al. 2021 (App. C)."""

    kind: Literal["vp"] = "vp"
    beta_min: Positive = 0.1
    """Rate of noise at t = 0."""
    beta_max: Positive = 20.0
    """Rate of noise at t = 1."""


class EDM(Spec):
    """ᾱ = 1, β̄ = σ; t in [0, 1] runs along the ρ-schedule of Karras et al. 2022 (eq. 5)."""

    kind: Literal["edm"]
    sigma_min: Positive = 0.002
    """σ at t = 0."""
    sigma_max: Positive = 80.0
    """σ at t = 1."""
    rho: Positive = 7.0
    """Exponent of the schedule; larger puts more of [0, 1] at small σ."""


class FixedNoise(Spec):
    """A single noise level, ᾱ = 1 and β̄ = sigma, as in Denoising Density Estimators (2020)."""

    kind: Literal["fixed"]
    sigma: Positive
    """The one noise level."""


Noise = Annotated[VP | EDM | FixedNoise, Field(discriminator="kind")]


# ---- which noise levels are drawn, and how much each counts


class UniformTimes(Spec):
    """t uniform on [low, high], then σ(t) of the noise process."""

    kind: Literal["uniform"] = "uniform"
    low: Unit = 0.001
    """Smallest t."""
    high: Unit = 1.0
    """Largest t (the official SiD generator: 0.8)."""

    @model_validator(mode="after")
    def _ordered(self) -> "UniformTimes":
        if self.low >= self.high:
            raise ValueError(f"low = {self.low} must be below high = {self.high}")
        return self


class LogNormalTimes(Spec):
    """ln σ normal, as EDM trains (Karras et al. 2022, Table 1)."""

    kind: Literal["log_normal"]
    mean: float = -1.2
    """Mean of ln σ."""
    deviation: Positive = 1.2
    """Standard deviation of ln σ."""


class LogUniformTimes(Spec):
    """ln σ uniform between low and high."""

    kind: Literal["log_uniform"]
    low: Positive
    """Smallest σ."""
    high: Positive
    """Largest σ."""

    @model_validator(mode="after")
    def _ordered(self) -> "LogUniformTimes":
        if self.low >= self.high:
            raise ValueError(f"low = {self.low} must be below high = {self.high}")
        return self


Times = Annotated[UniformTimes | LogNormalTimes | LogUniformTimes, Field(discriminator="kind")]


class PowerWeight(Spec):
    """w = σ^exponent on the ε form of a loss: 0 leaves the ε form, 2 makes it the x_0 form."""

    kind: Literal["power"] = "power"
    exponent: float = 0.0
    """Power of σ."""


class EDMWeight(Spec):
    """EDM's weight, 1/σ² + 1/σ_data² on the x_0 form: all levels count alike at the start."""

    kind: Literal["edm"]


Weight = Annotated[PowerWeight | EDMWeight, Field(discriminator="kind")]


# ---- networks and optimisers


class MLP(Spec):
    """Fully connected network over the flattened sample and Fourier features of ln σ."""

    kind: Literal["mlp"] = "mlp"
    width: Count = 128
    """Units of each hidden layer."""
    depth: Count = 3
    """Hidden layers."""


class ResidualMLP(Spec):
    """Residual blocks of two layers each, modulated by the noise level."""

    kind: Literal["residual_mlp"]
    width: Count = 256
    """Units of the residual stream."""
    depth: Count = 3
    """Residual blocks."""


Net = Annotated[MLP | ResidualMLP, Field(discriminator="kind")]


class Adam(Spec):
    """Adam (Kingma & Ba 2015) with a schedule over images."""

    lr: Positive = 0.001
    """Learning rate after the warm-up."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the gradient's mean (official SiD: 0)."""
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay of the gradient's square."""
    eps: Positive = 1.0e-8
    """Added to the denominator."""
    warmup_images: Annotated[int, Field(ge=0)] = 0
    """Images over which the rate rises linearly from 0."""
    decay: Literal["constant", "linear", "cosine"] = "constant"
    """How the rate falls to 0 at the end of the budget."""
    clip_norm: Positive | None = None
    """Largest norm of the whole gradient; null for no clipping."""


class EMA(Spec):
    """Exponential moving average of the weights, the ones that are evaluated and exported."""

    half_life_images: Positive = 500_000.0
    """Images after which an old weight counts half."""
    ramp_up: Positive | None = 0.05
    """The half-life is at most this fraction of the images seen; null for none."""


class RandomInit(Spec):
    """A fresh network."""

    kind: Literal["random"] = "random"
    net: Net = MLP()
    """Its architecture."""


class TeacherInit(Spec):
    """The teacher's network and weights."""

    kind: Literal["teacher"]


Init = Annotated[RandomInit | TeacherInit, Field(discriminator="kind")]


# ---- the three networks of SiD


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
