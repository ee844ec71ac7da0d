"""Networks, where their weights come from, and how they move."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from .base import Count, Positive, Spec
from .outside import Denoised, DiffusersNet, Prediction, PythonNet

if TYPE_CHECKING:
    from .trial import Trial

# ---- architectures

Depth = Annotated[int, Field(ge=1, le=1000)]
MOST_LEVELS = 12


class MLP(Spec):
    """Fully connected network over the flattened sample and Fourier features of ln σ."""

    kind: Literal["mlp"] = "mlp"
    width: Count = 128
    """Units of each hidden layer."""
    depth: Depth = 3
    """Hidden layers."""


class ResidualMLP(Spec):
    """Residual blocks of two layers each, modulated by the noise level."""

    kind: Literal["residual_mlp"]
    width: Count = 256
    """Units of the residual stream."""
    depth: Depth = 3
    """Residual blocks."""


class _OverImages(Spec):
    kind: str
    channel_mult: list[Count]
    attention_resolutions: list[Count]

    def refuses(self, trial: "Trial", path: str) -> Iterator[str]:
        if not trial.data.is_images:
            data = trial.data.kind
            yield f"{path}.kind = {self.kind} is for images, and data.kind = {data}; use mlp"
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


class UNet(_OverImages):
    """DDPM++ as EDM uses it (Song et al. 2021; Karras et al. 2022, Table 7); NCSN++ with fourier,
    residual, 1 3 3 1 and a features_mult of 2."""

    kind: Literal["unet"]
    channels: Annotated[int, Field(ge=4, multiple_of=4)] = 24
    """Channels at the highest resolution (official CIFAR-10: 128)."""
    channel_mult: list[Count] = Field(default=[1, 2], min_length=1, max_length=MOST_LEVELS)
    """Multiples of `channels`, by level; each level halves the resolution (official: 2, 2, 2)."""
    blocks: Depth = 1
    """Residual blocks of a level (official: 4)."""
    attention_resolutions: list[Count] = Field(default=[4])
    """Heights at which blocks attend over all positions (official: 16)."""
    embedding: Literal["positional", "fourier"] = "positional"
    """Features of the level: at fixed frequencies, or at random ones (NCSN++)."""
    features_mult: Count = 1
    """Multiple of `channels`: how many features of the level there are (NCSN++: 2)."""
    embedding_mult: Count = 4
    """Multiple of `channels`: width of the embedding that all blocks get."""
    encoder: Literal["standard", "residual"] = "standard"
    """Residual: every level of the encoder takes in the one above, convolved (NCSN++)."""
    decoder: Literal["standard", "skip"] = "standard"
    """Skip: the answer is a sum of one picture of each level."""
    resample_filter: list[Positive] = Field(default=[1.0, 1.0], min_length=2, max_length=8)
    """Taps along each axis where a level is halved or doubled (NCSN++: 1, 3, 3, 1)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of a block's activations that are zero in training (official CIFAR-10: 0.13)."""

    @model_validator(mode="after")
    def _even(self) -> "UNet":
        if len(self.resample_filter) % 2:
            raise ValueError(
                f"resample_filter has {len(self.resample_filter)} taps; halving needs an even "
                "number, such as [1, 3, 3, 1]"
            )
        return self


class ADM(_OverImages):
    """The U-Net of Dhariwal & Nichol 2021 as EDM uses it (Karras et al. 2022, Table 7)."""

    kind: Literal["adm"]
    channels: Annotated[int, Field(ge=4, multiple_of=4)] = 64
    """Channels at the highest resolution (official ImageNet-64: 192)."""
    channel_mult: list[Count] = Field(default=[1, 2], min_length=1, max_length=MOST_LEVELS)
    """Multiples of `channels`, by level; each level halves the resolution (official: 1, 2, 3,
    4)."""
    blocks: Depth = 1
    """Residual blocks of a level (official: 3)."""
    attention_resolutions: list[Count] = Field(default=[4])
    """Heights at which blocks attend over all positions, with a head for each 64 channels
    (official: 32, 16, 8)."""
    embedding_mult: Count = 4
    """Multiple of `channels`: width of the embedding that all blocks get."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of a block's activations that are zero in training (official ImageNet-64: 0.1)."""


Net = Annotated[MLP | ResidualMLP | UNet | ADM, Field(discriminator="kind")]

# ---- what makes a denoiser of a network


class EDMPreconditioning(Spec):
    """Input, output and target of unit variance (Karras et al. 2022, Table 1)."""

    kind: Literal["edm"] = "edm"


class VPPreconditioning(Spec):
    """The network predicts ε and is told the step of a variance-preserving diffusion."""

    kind: Literal["vp"]
    beta_d: Positive = 19.9
    """Rise of β(t) over t in [0, 1]."""
    beta_min: Positive = 0.1
    """β(0)."""
    steps: Annotated[int, Field(ge=2)] = 1000
    """M: it is told (M - 1) t."""


class VEPreconditioning(Spec):
    """The network predicts -ε and is told ln(σ/2)."""

    kind: Literal["ve"]


class IDDPMPreconditioning(Spec):
    """The network predicts ε, and a variance that is not used, at discrete steps (Nichol &
    Dhariwal 2021)."""

    kind: Literal["iddpm"]
    least_ratio: Positive = 0.001
    """C_1, least ratio of consecutive ᾱ."""
    shift: Positive = 0.008
    """C_2, of the cosine schedule."""
    steps: Annotated[int, Field(ge=2)] = 1000
    """M, discrete levels."""


Preconditioning = Annotated[
    EDMPreconditioning
    | VPPreconditioning
    | VEPreconditioning
    | IDDPMPreconditioning
    | Prediction
    | Denoised,
    Field(discriminator="kind"),
]


class Blueprint(Spec):
    """All that is needed to build a denoiser again, but its weights."""

    net: Annotated[
        MLP | ResidualMLP | UNet | ADM | DiffusersNet | PythonNet, Field(discriminator="kind")
    ]
    """Its architecture; that of others' code comes with their teachers alone."""
    shape: list[Count] = Field(min_length=1)
    """Of one sample."""
    sigma_data: Positive
    """Deviation of the data."""
    num_classes: Annotated[int, Field(ge=0)] = 0
    """Classes that it is conditional on; 0: unconditional."""
    num_augment: Annotated[int, Field(ge=0)] = 0
    """Numbers that tell it how a training image was augmented; absent: it was not."""
    preconditioning: Preconditioning = EDMPreconditioning()
    """What surrounds the network."""


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
