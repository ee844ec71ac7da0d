"""Classes reach every network that knows them: each method, told by the teacher that there are
some, trains and samples with them."""

import pytest
import torch

from sid_sweep import spec
from sid_sweep.data import Source
from sid_sweep.data.digits import digits
from sid_sweep.distill.build import build
from sid_sweep.distill.method import Setting
from sid_sweep.nets.denoiser import build as build_net
from sid_sweep.streams import seeded
from sid_sweep.teachers import Teacher

NET = {"kind": "unet", "channels": 8, "channel_mult": [1, 2], "attention_resolutions": [4]}
OWN = {"init": {"kind": "random", "net": NET}}
CASES = {
    "sid": {"generator": OWN, "fake_score": OWN},
    "shared": {"generator": OWN, "fake_score": OWN, "batch": {"latents": 16, "shared": True}},
    "passes": {"generator": OWN, "fake_score": OWN, "batch": {"latents": 16, "per_worker": 3}},
    "augmented": {"generator": OWN, "fake_score": {**OWN, "augment": 0.5}},
    "kd": {"method": {"kind": "kd", "pairs": 32, "steps": 2}, "generator": OWN},
    "gan": {"method": {"kind": "gan"}, "generator": OWN},
    "progressive": {"method": {"kind": "progressive", "start_steps": 2}},
    "plain_teacher": {"method": {"kind": "teacher", "solver": "ddim", "steps": 2}},
}


def data():
    images, classes = digits()

    def labelled(num, *, generator):
        which = torch.randint(len(images), (num,), generator=generator)
        return images[which], classes[which]

    def draw(num, *, generator):
        return labelled(num, generator=generator)[0]

    return Source((1, 8, 8), 0.6, draw, num_classes=10, labelled=labelled)


def teacher():
    blueprint = spec.nets.Blueprint(
        net=spec.nets.UNet.model_validate(NET), shape=[1, 8, 8], sigma_data=0.6, num_classes=10
    )
    with seeded("teacher"):
        network = build_net(blueprint)
        with torch.no_grad():
            for parameter in network.parameters():  # some begin at zero, and hear no class
                parameter.add_(0.05 * torch.randn_like(parameter))
    network.requires_grad_(False)
    return Teacher(network, (1, 8, 8), 0.6, torch.device("cpu"), network, 10)


def method(name, **changes):
    values = {
        "data": {"kind": "digits"},
        "noise": {"kind": "edm"},
        "teacher": {"kind": "trained", "net": NET},
        "batch": {"latents": 16},
        "budget": {"images": 640},
    }
    trial = spec.Trial.model_validate({**values, **CASES[name], **changes})
    return build(Setting(trial, teacher(), data()))


@pytest.mark.parametrize("name", [name for name in CASES if name != "plain_teacher"])
def test_every_method_trains_the_weights_that_hear_the_class(name):
    own = method(name)
    network = own.networks["generator"]
    before = network.net.embed.label.weight.detach().clone()
    for step in range(3):
        own.step(step * own.images_per_step)
    assert not torch.equal(before, network.net.embed.label.weight)
    assert own.monitor.trouble(sigma_data=1e4) == ""


@pytest.mark.parametrize("name", CASES)
def test_a_student_draws_what_it_is_told(name):
    if name == "plain_teacher":
        student = method(name).student
    else:
        init = {} if name == "progressive" else {"init": {"kind": "teacher"}}
        student = method(name, generator=init).student
    first, again, other = (student.sample(4, labels=label) for label in (3, 3, 5))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
