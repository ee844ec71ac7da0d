"""Networks whose code is not ours, as raw networks: diffusers' UNet2DModel, and the user's own.

diffusers counts noise in steps t = 0 ... T - 1 of a trained schedule, ᾱ_t² = Π (1 - β) (Ho et al.
2020, eq. 4); here a level is its σ = √(1 - ᾱ²)/ᾱ. Between two steps t is interpolated in ln σ, and
the sinusoidal embedding takes it as it is, not rounded; beyond the ends it stays the first or the
last step, while the sample is scaled by the σ that it has.
"""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sid_sweep import spec

EXTRA = "diffusers is not installed; pip install -e '.[diffusers]'"


def step_sigmas(steps: spec.outside.Steps) -> Float[Tensor, " T"]:
    """σ of every trained step, rising, by the library's own schedule."""
    scheduler = library().DDPMScheduler(**spec.plain(steps))
    kept = scheduler.alphas_cumprod.double()
    return ((1 - kept) / kept).sqrt()


class SteppedUNet(nn.Module):
    """A UNet2DModel asked by c_noise = ln σ instead of by step."""

    ln_sigmas: Tensor

    def __init__(self, unet: nn.Module, sigmas: Float[Tensor, " T"]) -> None:
        super().__init__()
        self.unet = unet
        self.register_buffer("ln_sigmas", sigmas.log(), persistent=False)

    def forward(
        self,
        x: Float[Tensor, "B C H W"],
        c_noise: Float[Tensor, " #B"],
        labels: Int[Tensor, " B"] | None = None,
    ) -> Float[Tensor, "B C H W"]:
        return self.unet(x, self.step(c_noise).to(x.dtype), labels, return_dict=False)[0]

    def step(self, ln_sigma: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        """t, linear in ln σ between two trained steps."""
        ladder, wanted = self.ln_sigmas, ln_sigma.double()
        above = torch.searchsorted(ladder, wanted.contiguous()).clamp(1, len(ladder) - 1)
        low, high = ladder[above - 1], ladder[above]
        return above - 1 + ((wanted - low) / (high - low)).clamp(0, 1)


class UserNet(nn.Module):
    """The user's D(x; σ), asked by c_noise = σ; one level for a whole batch is repeated for it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function  # a module is registered with its weights, a plain one has none

    def forward(
        self,
        x: Float[Tensor, "B ..."],
        c_noise: Float[Tensor, " #B"],
        labels: Int[Tensor, " B"] | None = None,
    ) -> Float[Tensor, "B ..."]:
        sigma = c_noise.to(x.dtype).expand(len(x))
        told = () if labels is None else (labels,)
        answer = self.function(x, sigma, *told)
        if answer.shape != x.shape:
            raise ValueError(f"of {list(x.shape)} it makes {list(answer.shape)}")
        return answer


def unet(net: spec.outside.DiffusersNet) -> SteppedUNet:
    """A fresh network of the library's, initialised from torch's global random state.

    Raises:
        ValueError: the library is missing, or its configuration is not as it should be.
    """
    try:
        own = library().UNet2DModel.from_config(net.config)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"UNet2DModel refuses its configuration: {one_line(error)}") from None
    return SteppedUNet(own, step_sigmas(net.steps))


def export_unet(net: SteppedUNet, blueprint: spec.nets.Blueprint, folder: Path) -> None:
    """A folder that diffusers loads: the network, and the schedule that it was trained with."""
    own, around = blueprint.net, blueprint.preconditioning
    assert isinstance(own, spec.outside.DiffusersNet)  # what a SteppedUNet is built from
    assert isinstance(around, spec.outside.Prediction)
    net.unet.save_pretrained(folder)  # pyright: ignore
    scheduler = library().DDPMScheduler(**spec.plain(own.steps), prediction_type=around.kind)
    scheduler.save_pretrained(folder)


def user_net(net: spec.outside.PythonNet) -> tuple[UserNet, Any]:
    """What the user's function makes: the network, and the object with its `shape`, `sigma_data`
    and `num_classes`.

    Raises:
        ValueError: there is no such function, or it fails.
    """
    place, _, name = net.factory.rpartition(":")
    function = getattr(_module(place), name, None)
    if not callable(function):
        raise ValueError(f"factory = {net.factory}: {place} has no function {name}")
    try:
        inspect.signature(function).bind(**net.arguments)
        made: Any = function(**net.arguments)
    except Exception as error:  # the user's code may raise anything
        raise ValueError(f"factory = {net.factory} fails: {one_line(error)}") from error
    if not callable(made):
        raise ValueError(
            f"factory = {net.factory} returns {type(made).__name__}, which cannot be called; "
            "return D(x, sigma, labels=None)"
        )
    return UserNet(made), made


def one_line(error: BaseException) -> str:
    """An exception's kind and first line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def library() -> Any:
    """diffusers, which takes seconds to load.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import diffusers
    except ImportError:
        raise ValueError(EXTRA) from None
    return diffusers


def _module(place: str) -> Any:
    """A module by its name or by its file."""
    try:
        if not place.endswith(".py"):
            return importlib.import_module(place)
        file = Path(place).expanduser().resolve()
        found = importlib.util.spec_from_file_location(f"sid_sweep_user_{file.stem}", file)
        assert found is not None  # the name ends with .py
        assert found.loader is not None
        module = importlib.util.module_from_spec(found)
        sys.modules[found.name] = module  # dataclasses look themselves up there
        found.loader.exec_module(module)
    except Exception as error:  # the user's code may raise anything
        raise ValueError(f"factory: {place} cannot be imported: {one_line(error)}") from error
    return module
