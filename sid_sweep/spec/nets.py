"""Networks, where their weights come from, and how they move."""

from typing import Annotated, Literal

from pydantic import Field

from .base import Count, Positive, Spec

# ---- architectures


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
