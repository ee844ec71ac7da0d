"""Networks whose code is not ours: a blueprint of one names the library or the function that builds
it."""

from typing import Annotated, Any, Literal

from pydantic import Field

from .base import Count, Positive, Spec

Argument = int | float | str | bool


class Steps(Spec):
    """The β of T trained steps, ᾱ_t² = Π (1 - β) (Ho et al. 2020, eq. 4), as diffusers names
    them."""

    num_train_timesteps: Count = 1000
    """T."""
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "linear"
    """β itself linear, √β linear, or ᾱ² a squared cosine (Nichol & Dhariwal 2021, eq. 17)."""
    beta_start: Positive = 0.0001
    """β of the first step; the squared cosine has its own."""
    beta_end: Positive = 0.02
    """β of the last step, likewise."""


class DiffusersNet(Spec):
    """diffusers' UNet2DModel."""

    kind: Literal["diffusers"]
    config: dict[str, Any]
    """What UNet2DModel.from_config takes."""
    steps: Steps = Steps()
    """Which step has which noise."""


class PythonNet(Spec):
    """What a function of the user's returns."""

    kind: Literal["python"]
    factory: str
    """module:function, or path/to/file.py:function."""
    arguments: dict[str, Argument] = Field(default={})
    """What it is called with."""


OutsideNet = Annotated[DiffusersNet | PythonNet, Field(discriminator="kind")]


class Prediction(Spec):
    """A network of x_t = x̃/√(1 + σ²) that predicts ε, v = ᾱ ε - β̄ x_0 or x_0 (Salimans & Ho 2022),
    as diffusers names them."""

    kind: Literal["epsilon", "v_prediction", "sample"]


class Denoised(Spec):
    """A network of x̃ = x_0 + σ ε and σ that gives D itself."""

    kind: Literal["denoised"]
