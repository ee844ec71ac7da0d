"""Combinations that make no sense, each refused with the reason and the way out."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .nets import Net, UNet
    from .trial import Trial

DIGIT_PIXELS = 8  # height and width of the digits


def problems(trial: "Trial") -> Iterator[str]:
    """Sentences that say what is wrong with a trial whose parts are each valid."""
    yield from _teacher(trial)
    yield from _noise(trial)
    yield from _weights(trial)
    yield from _networks(trial)


def _teacher(trial: "Trial") -> Iterator[str]:
    """An exact teacher has a mixture and no weights."""
    if trial.teacher.kind != "exact":
        return
    if trial.data.kind != "mixture":
        yield (
            f"teacher.kind = exact needs data.kind = mixture, not {trial.data.kind}: "
            "only a mixture has a closed-form score; use teacher.kind = trained"
        )
    for role in ("generator", "fake_score"):
        network = getattr(trial, role)
        if network is not None and network.init.kind == "teacher":
            lora = " and LoRA adds to them" if network.init.lora else ""
            yield (
                f"{role}.init.kind = teacher needs a teacher with weights{lora}, and an exact "
                "teacher has none; use init.kind = random or teacher.kind = trained"
            )
    if trial.method.kind == "progressive":
        yield (
            "method.kind = progressive begins with the teacher's weights, and an exact teacher has "
            "none; use teacher.kind = trained"
        )


def _noise(trial: "Trial") -> Iterator[str]:
    """One level has no ODE and nothing to choose from; a flow's last level is infinite."""
    kind = trial.method.kind
    single_level = trial.noise.kind == "fixed"
    if kind == "dde" and not single_level:
        yield (
            "method.kind = dde estimates densities at one noise level; "
            "use noise: {kind: fixed, sigma: ...}"
        )
    if single_level and kind in ("kd", "progressive", "sampler"):
        yield (
            f"method.kind = {kind} follows the teacher through all noise levels, and noise.kind = "
            "fixed has one; use vp, edm or flow"
        )
    for role in ("generator", "fake_score"):
        network = getattr(trial, role)
        if network is None:
            continue
        if single_level and network.importance is not None:
            yield (
                f"{role}.importance chooses among noise levels, and noise.kind = fixed has one; "
                "remove it"
            )
        if (
            trial.noise.kind == "flow"
            and network.times.kind == "uniform"
            and network.times.high == 1
        ):
            yield f"{role}.times.high = 1 is σ = ∞ with noise.kind = flow; use 0.99"


def _weights(trial: "Trial") -> Iterator[str]:
    """Weights that need what is not there."""
    for role in ("generator", "fake_score"):
        network = getattr(trial, role)
        if network is None:
            continue
        if network.weight.kind == "complement" and trial.noise.kind in ("edm", "fixed"):
            yield (
                f"{role}.weight.kind = complement is 1 - β̄, which is negative where β̄ > 1, as with "
                f"noise.kind = {trial.noise.kind}; use noise.kind = vp or flow, or another weight"
            )
    if trial.fake_score is not None and trial.fake_score.weight.kind == "sid_legacy":
        yield (
            "fake_score.weight.kind = sid_legacy is made from the teacher's error, which the fake "
            "score's loss does not have; it is for generator.weight"
        )


def _networks(trial: "Trial") -> Iterator[str]:
    """A U-Net wants images that its levels can halve."""
    for path, net in _nets(trial):
        if net.kind != "unet":
            continue
        if trial.data.kind != "digits":
            yield f"{path}.kind = unet is for images, and data.kind = {trial.data.kind}; use mlp"
        elif 2 ** (len(net.channel_mult) - 1) > DIGIT_PIXELS:
            yield (
                f"{path}.channel_mult = {net.channel_mult} halves 8 x 8 pixels below one; "
                "at most 4 levels"
            )
        elif unknown := set(net.attention_resolutions) - _heights(net):
            yield (
                f"{path}.attention_resolutions names {min(unknown)}, and its levels are "
                f"{', '.join(map(str, sorted(_heights(net), reverse=True)))} pixels high"
            )


def _heights(net: "UNet") -> set[int]:
    return {DIGIT_PIXELS >> level for level in range(len(net.channel_mult))}


def _nets(trial: "Trial") -> Iterator[tuple[str, "Net"]]:
    """Every architecture that a trial names, with its path."""
    if trial.teacher.kind == "trained":
        yield "teacher.net", trial.teacher.net
    for role in ("generator", "fake_score"):
        network = getattr(trial, role)
        if network is not None and network.init.kind == "random":
            yield f"{role}.init.net", network.init.net
    if trial.method.kind == "gan":
        yield "method.discriminator.net", trial.method.discriminator.net
    if trial.method.kind == "dde":
        yield "method.estimator.net", trial.method.estimator.net
