"""A folder as diffusers saves it: DDPMPipeline's, or UNet2DModel's with scheduler_config.json
beside config.json.

Only JSON and safetensors are read. What a configuration names is compared with what is known here
before the library sees it: another class, schedule or keyword is refused by its name.
"""

import inspect
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sid_sweep import spec
from sid_sweep.files import read_json
from sid_sweep.nets.denoiser import Denoiser
from sid_sweep.nets.outside import SteppedUNet, library, one_line, step_sigmas

WEIGHTS = "diffusion_pytorch_model"
BETAS = ("num_train_timesteps", "beta_schedule", "beta_start", "beta_end")
SCHEDULERS = ("DDPMScheduler", "DDIMScheduler", "PNDMScheduler", "DPMSolverMultistepScheduler")
"""Those whose configuration says how the network was trained, by the same keys."""


def load(folder: Path, *, sigma_data: float) -> Denoiser:
    """The network of a folder, frozen as it was saved.

    Raises:
        ValueError: it is no such folder, or one that cannot be used; one line.
    """
    place = folder / "unet" if (folder / "unet").is_dir() else folder
    config, scheduler = _config(place / "config.json"), _scheduler(folder)
    _refuse_weights(place)
    net = spec.outside.DiffusersNet(kind="diffusers", config=config, steps=_steps(scheduler))
    blueprint = spec.nets.Blueprint(
        net=net,
        shape=_shape(config, place),
        num_classes=config.get("num_class_embeds") or 0,
        sigma_data=sigma_data,
        preconditioning=_prediction(scheduler, folder),
    )
    return Denoiser(SteppedUNet(_weights(place), step_sigmas(net.steps)), blueprint)


def _config(path: Path) -> dict[str, Any]:
    """The keywords of UNet2DModel, all of them known and usable."""
    config = _json(path)
    if (name := config.get("_class_name")) != "UNet2DModel":
        raise ValueError(
            f"{path}: holds {name}; a teacher of kind = diffusers is a UNet2DModel, for pixels"
        )
    config = {key: value for key, value in config.items() if not key.startswith("_")}
    known = inspect.signature(library().UNet2DModel.__init__).parameters
    if unknown := sorted(set(config) - set(known)):
        raise ValueError(f"{path}: UNet2DModel of the installed diffusers knows no {unknown[0]}")
    for key, allowed, reason in (
        ("time_embedding_type", (None, "positional"), "is asked at fractional steps"),
        ("class_embed_type", (None,), "takes classes as integers"),
        ("out_channels", (config.get("in_channels", 3), None), "predicts one image, no variance"),
    ):
        if (value := config.get(key)) not in allowed:
            raise ValueError(f"{path}: {key} = {value}, and a teacher {reason}")
    return config


def _shape(config: dict[str, Any], place: Path) -> list[int]:
    size = config.get("sample_size")
    if size is None:
        raise ValueError(f"{place}/config.json: sample_size is missing; write the resolution there")
    height, width = (size, size) if isinstance(size, int) else size
    return [config.get("in_channels", 3), height, width]


def _scheduler(folder: Path) -> dict[str, Any]:
    """The configuration of the scheduler that the network was trained with."""
    places = [folder / "scheduler" / "scheduler_config.json", folder / "scheduler_config.json"]
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise ValueError(
            f"{folder}: holds no scheduler_config.json, which says how noise was added in "
            "training; name the folder that DDPMPipeline.save_pretrained wrote"
        )
    config = _json(found)
    if (name := config.get("_class_name")) not in SCHEDULERS:
        raise ValueError(f"{found}: holds {name}; known are {', '.join(SCHEDULERS)}")
    for key in ("trained_betas", "rescale_betas_zero_snr"):
        if config.get(key):
            raise ValueError(f"{found}: {key} is set, and only named schedules of β are known here")
    return config


def _steps(scheduler: dict[str, Any]) -> spec.outside.Steps:
    values = {key: scheduler[key] for key in BETAS if key in scheduler}
    try:
        return spec.outside.Steps.model_validate(values)
    except ValidationError as error:
        wrong = error.errors()[0]
        place = ".".join(map(str, wrong["loc"]))
        raise ValueError(
            f"scheduler_config.json: {place} = {wrong['input']!r}: {wrong['msg']}"
        ) from None


def _prediction(scheduler: dict[str, Any], folder: Path) -> spec.outside.Prediction:
    kind = scheduler.get("prediction_type", "epsilon")
    if kind not in ("epsilon", "v_prediction", "sample"):
        raise ValueError(
            f"{folder}: prediction_type = {kind}; known are epsilon, v_prediction and sample"
        )
    return spec.outside.Prediction(kind=kind)


def _refuse_weights(place: Path) -> None:
    """Only safetensors are read: the other format is a pickle."""
    if list(place.glob(f"{WEIGHTS}*.safetensors")):
        return
    if pickles := sorted(place.glob("*.bin")):
        raise ValueError(
            f"{pickles[0]}: is a pickle, which could run code; have its author write safetensors, "
            "save_pretrained(..., safe_serialization=True)"
        )
    raise ValueError(f"{place}: holds no {WEIGHTS}.safetensors")


def _weights(place: Path) -> Any:
    """The library's network with its weights, all of them there and of its shapes."""
    try:
        unet, found = library().UNet2DModel.from_pretrained(
            place, use_safetensors=True, local_files_only=True, low_cpu_mem_usage=False,
            output_loading_info=True,
        )  # fmt: skip
    except Exception as error:  # the library raises what its readers do
        raise ValueError(f"{place}: diffusers cannot load it: {one_line(error)}") from error
    for trouble in ("missing_keys", "unexpected_keys"):
        if names := sorted(found[trouble]):
            what = trouble.removesuffix("_keys")
            raise ValueError(f"{place}: {len(names)} weights are {what}, such as {names[0]}")
    return unet


def _json(path: Path) -> dict[str, Any]:
    try:
        values = read_json(path)
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file") from None
    except ValueError as error:
        raise ValueError(f"{path}: is no JSON: {one_line(error)}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path}: is no object of JSON")
    return values
