"""A diffusers folder is the network that the library loads, asked at any noise level; what cannot
be used is refused in one line."""

import json
import shutil
import sys

import pytest
import torch

from sid_sweep import sample, teachers
from sid_sweep.data import source
from sid_sweep.diffusion import noise as diffusion
from sid_sweep.diffusion import solvers
from sid_sweep.distill.build import build
from sid_sweep.distill.method import Setting
from sid_sweep.nets.outside import SteppedUNet, step_sigmas
from sid_sweep.spec import Trial
from sid_sweep.spec.outside import Steps
from sid_sweep.student import Student
from sid_sweep.teachers import diffusers_folder

diffusers = pytest.importorskip("diffusers")
pytestmark = [
    # the library's own readers leave files to the collector
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
PREDICTIONS = ("epsilon", "v_prediction", "sample")
SCHEDULES = ("linear", "scaled_linear", "squaredcos_cap_v2")
PROCESS = diffusion.VP()


def small_unet(**changes):
    """Two levels, 1 x 8 x 8 pixels, as the digits are."""
    torch.manual_seed(0)
    values = {
        "sample_size": 8, "in_channels": 1, "out_channels": 1, "block_out_channels": (16, 32),
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
        "layers_per_block": 1, "norm_num_groups": 8,
    }  # fmt: skip
    return diffusers.UNet2DModel(**(values | changes)).eval()


def saved(folder, unet=None, **scheduler):
    """A folder as the library writes it."""
    own = diffusers.DDPMScheduler(**scheduler)
    diffusers.DDPMPipeline(unet or small_unet(), own).save_pretrained(folder)
    return folder


def digits(folder, **changes):
    return Trial.model_validate(
        {
            "data": {"kind": "digits"},
            "teacher": {"kind": "diffusers", "path": str(folder)},
            "budget": {"images": 32}, "batch": {"latents": 16},
        } | changes
    )  # fmt: skip


def edit(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_at_trained_steps_it_is_what_the_librarys_scheduler_makes_of_it(
    tmp_path, prediction, schedule
):
    """add_noise of DDPMScheduler, and the x_0 of DDIMScheduler, are the second implementation."""
    unet, kinds = small_unet(), {"prediction_type": prediction, "beta_schedule": schedule}
    denoiser = diffusers_folder.load(saved(tmp_path, unet, **kinds), sigma_data=0.5)
    noising = diffusers.DDPMScheduler(**kinds)
    stepping = diffusers.DDIMScheduler(**kinds, clip_sample=False)
    stepping.set_timesteps(1000)
    random = torch.Generator().manual_seed(0)
    for t in (0, 10, 400, 900):
        x0, noise = torch.randn(2, 3, 1, 8, 8, generator=random)
        level = PROCESS.level(step_sigmas(Steps(beta_schedule=schedule))[t].view(1, 1, 1, 1))
        level = diffusion.Level(level.alpha.float(), level.beta.float())
        xt = noising.add_noise(x0, noise, torch.tensor([t] * 3))
        torch.testing.assert_close(diffusion.diffuse(x0, noise, level), xt, rtol=1e-4, atol=1e-5)
        with torch.no_grad():
            theirs = stepping.step(unet(xt, t).sample, t, xt).pred_original_sample
            ours, epsilon = denoiser.denoise(xt, level), denoiser(xt, level)
        scale = float(theirs.abs().max())
        torch.testing.assert_close(ours / scale, theirs / scale, rtol=1e-4, atol=1e-4)
        back = level.alpha * ours + level.beta * epsilon
        torch.testing.assert_close(back, xt, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_our_ddim_from_the_same_noise_at_the_same_steps_gives_the_librarys_samples(
    tmp_path, prediction
):
    unet = small_unet()
    denoiser = diffusers_folder.load(
        saved(tmp_path, unet, prediction_type=prediction), sigma_data=0.5
    )
    theirs = diffusers.DDIMScheduler(prediction_type=prediction, clip_sample=False)
    theirs.set_timesteps(8)
    x = start = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    sigmas = torch.cat([step_sigmas(Steps())[theirs.timesteps], torch.zeros(1)])
    first = PROCESS.level(sigmas[:1])
    with torch.no_grad():
        for t in theirs.timesteps:
            x = theirs.step(unet(x, t).sample, t, x).prev_sample
        ours = solvers.solve(denoiser, start / float(first.alpha), sigmas, process=PROCESS)
    torch.testing.assert_close(ours, x, rtol=1e-3, atol=1e-3)


def test_steps_are_interpolated_in_ln_sigma_and_end_at_the_trained_ones():
    sigmas = step_sigmas(Steps())
    net = SteppedUNet(torch.nn.Identity(), sigmas)
    torch.testing.assert_close(net.step(sigmas.log()), torch.arange(1000.0).double())
    between = (sigmas[:-1] * sigmas[1:]).sqrt().log()
    torch.testing.assert_close(net.step(between), torch.arange(999.0).double() + 0.5)
    assert net.step(torch.tensor([-30.0, 30.0])).tolist() == [0, 999]


def test_classes_reach_the_network(tmp_path):
    unet = small_unet(num_class_embeds=3)
    denoiser = diffusers_folder.load(saved(tmp_path, unet), sigma_data=0.5)
    assert denoiser.num_classes == 3
    x, labels = torch.randn(3, 1, 8, 8), torch.tensor([0, 2, 1])
    sigma = step_sigmas(Steps())[500]
    level = PROCESS.level(sigma.float().view(1, 1, 1, 1))
    with torch.no_grad():
        ours, theirs = denoiser(x, level, labels), unet(x, 500, labels).sample
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(ours, denoiser(x, level, labels.flip(0)), atol=1e-4)


@pytest.mark.parametrize("lora", [None, {"rank": 2}])
def test_a_student_begins_with_it_and_its_file_needs_no_folder(tmp_path, lora):
    folder = saved(tmp_path / "teacher", prediction_type="v_prediction")
    init = {"init": {"kind": "teacher", "lora": lora}}
    trial = digits(folder, generator=init, fake_score=init)
    teachers.check(trial, cache=tmp_path)
    teacher = teachers.load(trial, cache=tmp_path)
    assert teacher.shape == (1, 8, 8)
    assert teacher.sigma_data == 0.5
    method = build(Setting(trial, teacher, source(trial.data)))
    z = torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        ours = method.student.draw(z, random=torch.Generator())
        theirs = teacher.denoiser.generate(z, sigma_init=trial.generator.sigma_init)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    method.step(0)
    method.student.save(tmp_path / "student.safetensors")
    shutil.rmtree(folder)
    loaded = Student.load(tmp_path / "student.safetensors")
    torch.testing.assert_close(
        loaded.sample(4), method.student.sample(4).detach(), rtol=1e-4, atol=1e-4
    )


def test_a_student_goes_back_to_the_library(tmp_path):
    """The exported folder is a teacher again, and a network that diffusers itself loads."""
    folder = saved(tmp_path / "teacher", prediction_type="v_prediction")
    init = {"init": {"kind": "teacher"}}
    trial = digits(folder, generator=init, fake_score=init)
    teacher = teachers.load(trial, cache=tmp_path)
    method = build(Setting(trial, teacher, source(trial.data)))
    method.student.save(tmp_path / "student.safetensors")
    out = tmp_path / "exported"
    command = [str(tmp_path / "student.safetensors"), "--format", "diffusers", "--out", str(out)]
    assert sample.main(command) == 0
    told = json.loads((out / "student.json").read_text())
    unet = diffusers.UNet2DModel.from_pretrained(out)
    z, sigma = torch.randn(4, 1, 8, 8), told["sigma_init"]
    level = PROCESS.level(torch.full((1, 1, 1, 1), sigma))
    with torch.no_grad():
        xt = level.alpha * sigma * z
        step = torch.tensor([told["timestep"]])  # a number would be cut to a whole one
        v = unet(xt, step, return_dict=False)[0]
        x0 = level.alpha * xt - level.beta * v  # ᾱ² + β̄² = 1
        drawn = method.student.draw(z, random=torch.Generator())
    torch.testing.assert_close(x0, drawn, rtol=1e-4, atol=1e-4)
    again = diffusers_folder.load(out, sigma_data=0.5)
    assert again.blueprint == teacher.denoiser.blueprint


def test_a_folder_without_subfolders_is_read_as_well(tmp_path):
    """As older repositories of the hub are laid out."""
    saved(tmp_path / "pipe")
    flat = tmp_path / "flat"
    shutil.copytree(tmp_path / "pipe" / "unet", flat)
    shutil.copy(tmp_path / "pipe" / "scheduler" / "scheduler_config.json", flat)
    one, other = (diffusers_folder.load(f, sigma_data=0.5) for f in (tmp_path / "pipe", flat))
    assert all(map(torch.equal, one.parameters(), other.parameters()))


def no_scheduler(folder):
    shutil.rmtree(folder / "scheduler")


def truncated(folder):
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])


def pickled(folder):
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save({}, path.with_suffix(".bin"))
    path.unlink()


def without_a_weight(folder):
    from safetensors.torch import load_file, save_file

    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    del weights["conv_in.bias"]
    save_file(weights, path, metadata={"format": "pt"})


def unet_with(**values):
    return lambda folder: edit(folder / "unet" / "config.json", **values)


def scheduler_with(**values):
    return lambda folder: edit(folder / "scheduler" / "scheduler_config.json", **values)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (no_scheduler, "holds no scheduler_config.json"),
        (truncated, "diffusers cannot load it"),
        (pickled, "is a pickle, which could run code"),
        (without_a_weight, "1 weights are missing, such as conv_in.bias"),
        (unet_with(block_out_channels=[16, 64]), "diffusers cannot load it"),
        (unet_with(norm_num_groups=7), "diffusers cannot load it"),
        (unet_with(_class_name="UNet2DConditionModel"), "holds UNet2DConditionModel"),
        (unet_with(quantization_config={}), "knows no quantization_config"),
        (unet_with(time_embedding_type="learned"), "time_embedding_type = learned"),
        (unet_with(class_embed_type="timestep"), "class_embed_type = timestep"),
        (unet_with(sample_size=None), "sample_size is missing"),
        (scheduler_with(_class_name="FlowMatchEulerDiscreteScheduler"), "known are DDPMScheduler"),
        (scheduler_with(beta_schedule="sigmoid"), "beta_schedule = 'sigmoid'"),
        (scheduler_with(trained_betas=[0.1]), "trained_betas is set"),
        (scheduler_with(rescale_betas_zero_snr=True), "rescale_betas_zero_snr is set"),
        (scheduler_with(prediction_type="flow"), "prediction_type = flow"),
        (lambda folder: (folder / "unet" / "config.json").write_text("{"), "is no JSON"),
        (shutil.rmtree, "there is no such file or folder"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(tmp_path, spoil, reason):
    spoil(saved(tmp_path / "teacher"))
    with pytest.raises(ValueError, match=reason) as caught:
        teachers.load(digits(tmp_path / "teacher"), cache=tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    saved(tmp_path)
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ValueError, match=r"diffusers is not installed; pip install -e '\.\[diff"):
        teachers.load(digits(tmp_path), cache=tmp_path)


def test_a_teacher_of_another_resolution_is_refused(tmp_path):
    saved(tmp_path, small_unet(sample_size=16))
    with pytest.raises(ValueError, match=r"of shape 1 x 16 x 16, and those of .* are 1 x 8 x 8"):
        teachers.load(digits(tmp_path), cache=tmp_path)
