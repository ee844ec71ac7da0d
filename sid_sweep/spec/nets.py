"""Networks, where their weights come from, and how they move."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from .base import Count, Positive, Spec

if TYPE_CHECKING:
    from .trial import Trial

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


class UNet(Spec):
    """DDPM++ as EDM uses it (Song et al. 2021; Karras et al. 2022, Table 7)."""

    kind: Literal["unet"]
    channels: Annotated[int, Field(ge=4, multiple_of=4)] = 24
    """Channels at the highest resolution (official CIFAR-10: 128)."""
    channel_mult: list[Count] = Field(default=[1, 2], min_length=1)
    """Multiples of `channels`, by level; each level halves the resolution (official: 2, 2, 2)."""
    blocks: Count = 1
    """Residual blocks of a level (official: 4)."""
    attention_resolutions: list[Count] = Field(default=[4])
    """Heights at which blocks attend over all positions (official: 16)."""

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        if not trial.data.is_images:
            yield f"{path}.kind = unet is for images, and data.kind = {trial.data.kind}; use mlp"
        elif trial.data.pixels is not None:
            yield from self.fits(trial.data.pixels, path)

    def fits(self, pixels: int, path: str) -> Iterator[str]:
        heights = [pixels >> level for level in range(len(self.channel_mult))]
        if not heights[-1]:
            yield (
                f"{path}.channel_mult = {self.channel_mult} halves {pixels} x {pixels} pixels "
                f"below one; at most {pixels.bit_length()} levels"
            )
        elif pixels % 2 ** (len(heights) - 1):
            odd = next(height for height in heights if height % 2)
            yield (
                f"{path}.channel_mult = {self.channel_mult} halves {pixels} x {pixels} pixels to "
                f"{odd}, which is odd; at most {heights.index(odd) + 1} levels"
            )
        elif unknown := set(self.attention_resolutions) - set(heights):
            yield (
                f"{path}.attention_resolutions names {min(unknown)}, and its levels are "
                f"{', '.join(map(str, heights))} pixels high"
            )


Net = Annotated[MLP | ResidualMLP | UNet, Field(discriminator="kind")]


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


class LoRA(Spec):
    """Low-rank adaptation (Hu et al. 2022): the teacher's weights are shared and frozen, and each
    linear or convolutional layer learns an addition of small rank."""

    rank: Count = 8
    """Rank of each addition."""
    scale: Positive = 1.0
    """Factor of each addition (the paper's α/r)."""


class TeacherInit(Spec):
    """The teacher's network and weights."""

    kind: Literal["teacher"]
    lora: LoRA | None = None
    """Train low-rank additions alone; null: train all weights."""

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        if not trial.teacher.has_weights:
            lora = " and LoRA adds to them" if self.lora else ""
            yield (
                f"{path}.kind = teacher needs a teacher with weights{lora}, and an exact teacher "
                "has none; use init.kind = random or teacher.kind = trained"
            )


Init = Annotated[RandomInit | TeacherInit, Field(discriminator="kind")]
