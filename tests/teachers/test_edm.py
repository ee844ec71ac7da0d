"""A file that EDM wrote is the network that it was, and comes out of the cache afterwards."""

import re
import sys
from pathlib import Path

import pytest
import torch

from sid_sweep import spec, teachers
from sid_sweep.diffusion.noise import EDM, VP
from sid_sweep.nets.denoiser import raw
from sid_sweep.teachers import edm

sys.path.insert(0, str(Path(__file__).parent))
import official

NCSN = {"embedding": "fourier", "features_mult": 2, "encoder": "residual", "decoder": "skip"}
NCSN |= {"resample_filter": [1.0, 3.0, 3.0, 1.0]}
NCSN_KWARGS = {"embedding_type": "fourier", "channel_mult_noise": 2, "encoder_type": "residual"}
NCSN_KWARGS |= {"decoder_type": "skip", "resample_filter": (1, 3, 3, 1)}


def trial(path, **values):
    data = {"data": {"kind": "digits"}, "noise": {"kind": "edm"}}
    net = {"kind": "unet", "channels": 8}
    init = {"init": {"kind": "random", "net": net}}
    teacher = {"kind": "edm", "path": str(path)}
    return spec.Trial.model_validate(
        data | {"generator": init, "fake_score": init, "teacher": teacher} | values
    )


def levels(num):
    return torch.logspace(-2, 1.5, num).view(-1, 1, 1, 1)


def test_a_file_is_the_network_that_it_was(tmp_path):
    weights, around = official.digits(around={"sigma_data": 0.7})
    loaded = edm.load(str(official.write(tmp_path / "a.pkl", {"ema": around})), cache=tmp_path)
    assert loaded.net.state_dict().keys() == weights.keys()
    assert all(torch.equal(loaded.net.state_dict()[name], weights[name]) for name in weights)
    own = loaded.blueprint
    assert (own.sigma_data, own.shape, own.num_classes) == (0.7, [1, 8, 8], 0)
    assert own.net == spec.nets.UNet(kind="unet", **official.NET, dropout=0.13)
    assert not any(w.requires_grad for w in loaded.parameters())
    assert not loaded.net.training


@pytest.mark.parametrize("name", ["SongUNet", "DhariwalUNet"])
def test_classes_and_augmentation_are_kept(tmp_path, name):
    told = {"num_classes": 5, "num_augment": 9}
    sizes = official.NET if name == "SongUNet" else {**official.NET, "channels": 64}
    kind = {"SongUNet": "unet", "DhariwalUNet": "adm"}[name]
    net = spec.nets.Blueprint.model_validate(
        {"net": {"kind": kind, **sizes}, "shape": [1, 8, 8], "sigma_data": 0.5}
    ).net
    weights = official.stirred(net, **told).state_dict()
    kwargs = dict(official.KWARGS, label_dim=5, augment_dim=9, model_channels=sizes["channels"])
    if name == "DhariwalUNet":
        kwargs = {k: v for k, v in kwargs.items() if not re.search("type|noise|filter", k)}
    around = official.denoiser(official.network(weights, kwargs, name=name))
    loaded = edm.load(str(official.write(tmp_path / "a.pkl", around)), cache=tmp_path)
    assert (loaded.blueprint.num_classes, loaded.blueprint.num_augment) == (5, 9)
    assert loaded.net.state_dict().keys() == weights.keys()
    assert all(torch.equal(loaded.net.state_dict()[key], weights[key]) for key in weights)
    x, level = torch.randn(4, 1, 8, 8), EDM().level(levels(4))
    first, second = (loaded(x, level, torch.full((4,), label)) for label in (0, 3))
    assert not torch.allclose(first, second)
    with pytest.raises(ValueError, match="5 classes: give it labels"):
        loaded(x, level)


def test_a_network_of_three_novelties_is_read(tmp_path):
    """NCSN++ with a skip decoder: Fourier features, an encoder that takes pictures in, a filter."""
    weights, around = official.digits(kwargs=NCSN_KWARGS, net=NCSN)
    loaded = edm.load(str(official.write(tmp_path / "a.pkl", {"ema": around})), cache=tmp_path)
    assert all(torch.equal(loaded.net.state_dict()[name], weights[name]) for name in weights)
    net = raw(loaded.blueprint.net, (1, 8, 8)).eval()
    net.load_state_dict(weights)
    x, c_noise = torch.randn(3, 1, 8, 8), torch.tensor([-1.0, 0.0, 1.0])
    assert torch.equal(net(x, c_noise), loaded.net(x, c_noise))


@pytest.mark.parametrize(
    ("around", "expected"),
    [
        ({"name": "VPPrecond", "beta_d": 18.0, "M": 500}, ("vp", {"beta_d": 18.0, "steps": 500})),
        ({"name": "VEPrecond", "sigma_min": 0.01}, ("ve", {})),
        ({"name": "EDMPrecond", "use_fp16": True}, ("edm", {})),
    ],
)
def test_what_surrounds_the_network_is_read(tmp_path, around, expected):
    _, file = official.digits(around=around)
    loaded = edm.load(str(official.write(tmp_path / "a.pkl", {"ema": file})), cache=tmp_path)
    own = loaded.blueprint.preconditioning
    kind, numbers = expected
    assert own.kind == kind
    assert all(getattr(own, name) == number for name, number in numbers.items())
    assert loaded.blueprint.sigma_data == 0.5


def test_a_file_is_read_once_and_known_by_what_it_holds(tmp_path, monkeypatch):
    _, around = official.digits()
    first = official.write(tmp_path / "a.pkl", {"ema": around})
    before = edm.load(str(first), cache=tmp_path)
    moved = first.rename(tmp_path / "b.pkl")
    monkeypatch.setattr(edm, "read", None)  # a second reading would fail
    again = edm.load(str(moved), cache=tmp_path)
    assert all(map(torch.equal, before.parameters(), again.parameters()))


def test_it_is_a_teacher_from_which_students_begin(tmp_path):
    weights, around = official.digits()
    path = official.write(tmp_path / "a.pkl", {"ema": around})
    init = {"init": {"kind": "teacher"}}
    teacher = teachers.load(trial(path, generator=init, fake_score=init), cache=tmp_path)
    assert teacher.shape == (1, 8, 8)
    assert teacher.sigma_data == 0.5
    x, level = torch.randn(4, 1, 8, 8), VP().level(levels(4))
    assert torch.equal(teacher.epsilon(x, level), teacher.denoiser(x, level))
    assert teacher.denoiser.net.state_dict().keys() == weights.keys()


def broken(change):
    """A whole file with one thing wrong."""
    _, around = official.digits()
    model = around._modules["model"]
    change(around, model)
    return {"ema": around}


def _swap(module, name, tensor):
    module._parameters[name] = torch.nn.Parameter(tensor)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda a, m: m._init_kwargs.update(flux=1), "SongUNet was made with flux"),
        (lambda a, m: m._init_kwargs.update(encoder_type="skip"), "encoder = 'skip'"),
        (lambda a, m: m._init_kwargs.update(model_channels="many"), "channels = 'many'"),
        (lambda a, m: m._init_kwargs.pop("img_resolution"), "does not say its img_resolution"),
        (lambda a, m: m._init_kwargs.update(num_blocks=2), "56 weights are missing"),
        (lambda a, m: m._init_kwargs.update(channel_mult_emb=2), "has shape .* its arguments say"),
        (lambda a, m: m._modules.pop("map_layer1"), "2 weights are missing.*embed.layer1"),
        (lambda a, m: m.add_module("extra", m._modules["map_layer0"]), "a weight extra.weight"),
        (
            lambda a, m: _swap(m._modules["map_layer0"], "weight", torch.zeros(3, 8)),
            r"embed.layer0.weight has shape \(3, 8\)",
        ),
        (lambda a, m: setattr(a, "_name", "FlowPrecond"), "preconditioning is FlowPrecond"),
        (lambda a, m: setattr(m, "_name", "DiT"), "network is DiT; known are SongUNet"),
        (lambda a, m: a._modules.pop("model"), "surrounds no network"),
        (lambda a, m: setattr(m, "_init_kwargs", None), "does not say what it was made with"),
    ],
)
def test_a_file_that_is_no_such_network_is_one_line(tmp_path, change, sentence):
    path = official.write(tmp_path / "wrong.pkl", broken(change))
    with pytest.raises(ValueError, match=f"wrong.pkl: .*{sentence}") as refused:
        edm.load(str(path), cache=tmp_path / "cache")
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is no pickle, or not a whole one"),
        (b"PK\x03\x04 an archive", "is no pickle, or not a whole one"),
        (b"\x80\x04}.", "holds no network of EDM's"),
        (b"\x80\x04K\x01.", "holds no network of EDM's"),
        (None, "is no pickle, or not a whole one"),
    ],
)
def test_a_file_of_another_kind_is_one_line(tmp_path, content, sentence):
    """Empty, an archive, an empty table, a number, and half of a whole file."""
    path = tmp_path / "other.pkl"
    if content is None:
        whole = official.write(path, {"ema": official.digits()[1]}).read_bytes()
        content = whole[: len(whole) // 2]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"other.pkl: {sentence}") as refused:
        edm.load(str(path), cache=tmp_path / "cache")
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_or_a_folder(tmp_path):
    with pytest.raises(ValueError, match="there is no such file"):
        edm.load(str(tmp_path / "a.pkl"), cache=tmp_path)
    with pytest.raises(ValueError, match="is a folder"):
        edm.load(str(tmp_path), cache=tmp_path / "cache")
