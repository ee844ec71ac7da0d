"""Methods: ways from a teacher to a student of few steps or one.

Each declares `groups`, the parts of a trial that it trains, and refuses what it cannot work with.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from .base import Count, Positive, Spec
from .nets import MLP, Adam, Net

if TYPE_CHECKING:
    from .trial import Trial


class Critic(Spec):
    """A network with one output that the generator plays against."""

    net: Net = MLP()
    """Its architecture; the mean of the outputs is the score."""
    optim: Adam = Adam(lr=0.001, beta1=0.5)
    """Its optimiser."""


class _Method(Spec):
    groups: ClassVar[tuple[str, ...]]
    """The parts of a trial that exist with it: what it trains, and with which loss."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        if "groups" not in vars(cls):
            raise TypeError(f"{cls.__name__} must say which groups of a trial it trains")


class Sid(_Method):
    """Score distillation: fake score and generator in turn (Zhou et al. 2024, Alg. 1), with any
    `loss`."""

    groups: ClassVar[tuple[str, ...]] = ("loss", "fake_score", "generator")

    kind: Literal["sid"] = "sid"


class KD(_Method):
    """Knowledge distillation (Luhman & Luhman 2021): regress g(z) on the teacher's deterministic
    sample from the same z."""

    groups: ClassVar[tuple[str, ...]] = ("generator",)

    kind: Literal["kd"]
    pairs: Count = 32_768
    """Pairs (z, sample), made once before training."""
    steps: Count = 16
    """Heun steps of the teacher for each pair (two evaluations each, the last one)."""
    sigma_min: Positive = 0.02
    """Last noise level of those steps before 0."""
    sigma_max: Positive = 20.0
    """First noise level."""

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        yield from _needs_all_levels(trial, path)


class GAN(_Method):
    """LSGAN (Mao et al. 2017) on the data: no teacher is asked, unless weights start from it."""

    groups: ClassVar[tuple[str, ...]] = ("generator",)

    kind: Literal["gan"]
    discriminator: Critic = Critic()
    """Told apart data (1) from samples (0)."""


class DDE(_Method):
    """Denoising Density Estimators (Bigdeli et al. 2020): two scalar networks estimate log
    densities at one noise level, of the data and of the generator, which descends the smoothed
    reverse KL. Needs noise.kind = fixed."""

    groups: ClassVar[tuple[str, ...]] = ("generator",)

    kind: Literal["dde"]
    estimator: Critic = Critic()
    """Each of the two; the one of the data goes on learning with the other."""
    warmup_steps: Annotated[int, Field(ge=0)] = 500
    """Steps of the data's estimator before the generator begins."""

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        if not trial.noise.single_level:
            yield (
                f"{path}.kind = dde estimates densities at one noise level; "
                "use noise: {kind: fixed, sigma: ...}"
            )


class Progressive(_Method):
    """Progressive distillation (Salimans & Ho 2022): N steps become N/2, ..., 2, 1."""

    groups: ClassVar[tuple[str, ...]] = ("generator",)

    kind: Literal["progressive"]
    start_steps: Annotated[int, Field(ge=2)] = 16
    """Steps of the first stage's student, a power of two; its teacher takes twice as many."""
    sigma_min: Positive = 0.02
    """Last noise level of those steps before 0."""
    sigma_max: Positive = 20.0
    """First noise level."""

    @property
    def num_stages(self) -> int:
        """Stages from `start_steps` down to one step."""
        return self.start_steps.bit_length()

    @model_validator(mode="after")
    def _power_of_two(self) -> "Progressive":
        if self.start_steps & (self.start_steps - 1):
            raise ValueError(f"start_steps = {self.start_steps} must be a power of two, such as 16")
        return self

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        yield from _needs_all_levels(trial, path)
        if not trial.teacher.has_weights:
            yield (
                f"{path}.kind = progressive begins with the teacher's weights, and an exact "
                "teacher has none; use teacher.kind = trained"
            )
        if trial.batch.latents * self.num_stages > trial.budget.images:
            yield (
                f"{path}.start_steps = {self.start_steps} makes {self.num_stages} stages of at "
                f"least a step of {trial.batch.latents} images each, and budget.images = "
                f"{trial.budget.images}; raise the budget or start with fewer steps"
            )


class PlainTeacher(_Method):
    """The teacher itself: nothing is trained."""

    groups: ClassVar[tuple[str, ...]] = ()

    kind: Literal["teacher"]
    solver: Literal["ancestral", "ddim", "heun"] = "ddim"
    """ancestral: DDPM (Ho et al. 2020); ddim: Euler (Song et al. 2021); heun: second order (Karras
    et al. 2022), two evaluations a step but for the last."""
    steps: Count = 50
    """Steps from the first noise level to 0."""
    sigma_min: Positive = 0.02
    """Last noise level before 0."""
    sigma_max: Positive = 20.0
    """First noise level."""
    rho: Positive = 7.0
    """Exponent of the schedule between them (Karras et al. 2022, eq. 5)."""

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        yield from _needs_all_levels(trial, path)


def _needs_all_levels(trial: "Trial", path: str) -> Iterator[str]:
    """One noise level has no ODE."""
    if trial.noise.single_level:
        yield (
            f"{path}.kind = {trial.method.kind} follows the teacher through all noise levels, and "
            f"noise.kind = {trial.noise.kind} has one; use vp, edm or flow"
        )


Method = Annotated[Sid | KD | GAN | DDE | Progressive | PlainTeacher, Field(discriminator="kind")]
