"""Costs are what really ran: passes counted in the networks' own matrix products.

Every network here is an MLP of width W with one hidden layer of W x W. A sample that passes through
it makes one product of that shape forwards, one backwards to the layer's input, and one to its
weight. So what a method counts per sample can be read off the operations that torch carries out.
"""

import pytest
import torch
from methods import small
from torch.utils._python_dispatch import TorchDispatchMode

from sid_sweep import data, teachers
from sid_sweep.distill.build import build
from sid_sweep.distill.method import Setting
from sid_sweep.spec import Trial, losses, methods
from sid_sweep.spec.base import variants

WIDTH = 24  # of every network, and no other size here
NET = {"kind": "mlp", "width": WIDTH, "depth": 2}
OWN = {"init": {"kind": "random", "net": NET}}
TEACHER = {"kind": "trained", "images": 512, "net": NET}
FIXED = {"noise": {"kind": "fixed", "sigma": 0.3}}
CRITIC = {"net": NET}
LOSSES = {
    kind: {"loss": {"kind": kind, **({"cross": 0.5, "self": 1.0} if kind == "plane" else {})}}
    for kind in variants(losses.Loss)
}
METHODS = {
    "kd": {"method": {"kind": "kd", "pairs": 64, "steps": 3}},
    "gan": {"method": {"kind": "gan", "discriminator": CRITIC}},
    "dde": {**FIXED, "method": {"kind": "dde", "warmup_steps": 2, "estimator": CRITIC}},
    "progressive": {"method": {"kind": "progressive", "start_steps": 4}},
}
SHARED = {"fake_score": OWN, "batch": {"latents": 64, "shared": True}}
CASES = (
    LOSSES
    | METHODS
    | {"five_steps_of_psi": {"fake_score": {**OWN, "steps": 5}}}
    | {"shared": SHARED, "shared_kl": {**SHARED, "loss": {"kind": "reverse_kl"}}}
)


class Products(TorchDispatchMode):
    """Counts products with a W x W factor, by how many samples they are made of."""

    def __init__(self):
        super().__init__()
        self.forwards = self.backwards = 0.0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if name in ("addmm", "mm"):
            (rows, inner), columns = args[-2].shape, args[-1].shape[1]
            if sorted([rows, inner, columns])[:2] == [WIDTH, WIDTH]:
                num = rows * inner * columns / WIDTH**2
                if name == "addmm":  # with its bias: only a layer's own forward pass has one
                    self.forwards += num
                else:
                    self.backwards += num
        return function(*args, **(kwargs or {}))


def counted(name, cache, *, num_steps=3):
    """(what a method says, what was carried out) of its construction and some steps."""
    groups = {"generator": OWN}
    if name in LOSSES:
        groups["fake_score"] = OWN
    values = {**groups, "batch": {"latents": 64}, **CASES[name], "teacher": TEACHER}
    trial = small("sid", **values)
    teacher = teachers.load(trial, cache=cache)
    with Products() as products:
        method = build(Setting(trial, teacher, data.source(trial.data)))
        for step in range(num_steps):
            method.step(step * method.images_per_step)
    said = method.metrics()
    return (said["cost/forwards"], said["cost/backwards"]), (products.forwards, products.backwards)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("name", CASES)
def test_costs_are_what_ran(name, cache):
    said, ran = counted(name, cache)
    assert said == ran
    assert min(ran) > 0


def test_shared_draws_cost_nine_units_where_two_draws_cost_eleven(cache):
    """Of forward and backward passes, for a latent of each loss."""
    per_latent = {name: sum(counted(name, cache)[0]) / 3 / 64 for name in ("shared", "sid")}
    assert per_latent["shared"] == 9
    assert 2 * per_latent["sid"] == 11


def test_every_method_that_trains_and_every_loss_is_counted():
    trained = {kind for kind, method in variants(methods.Method).items() if method.groups}
    assert trained - {"sid"} == set(METHODS)
    assert set(variants(losses.Loss)) <= set(CASES)


def test_a_loss_that_says_something_else_is_noticed(cache, monkeypatch):
    monkeypatch.setattr(losses.NaiveLoss, "crosses", 1)
    said, ran = counted("naive", cache)
    assert said != ran


def test_a_plain_teacher_costs_nothing_to_train(cache):
    method = {"kind": "teacher", "steps": 4, "solver": "heun"}
    trial = Trial.model_validate(
        {"data": {"kind": "mixture"}, "teacher": TEACHER, "method": method}
    )
    teacher = teachers.load(trial, cache=cache)
    made = build(Setting(trial, teacher, data.source(trial.data))).metrics()
    assert made["cost/evaluations"] == 0
    assert made["cost/nfe"] == 7


@pytest.mark.parametrize("name", ["sid", "progressive"])
def test_the_cost_of_a_sample_is_what_a_sample_takes(name, cache):
    values = {"generator": OWN, **CASES[name], "teacher": TEACHER}
    trial = small("sid", **values)
    made = build(Setting(trial, teachers.load(trial, cache=cache), data.source(trial.data)))
    with Products() as products:
        made.student.draw(torch.zeros(64, 2), random=torch.Generator().manual_seed(0))
    assert products.forwards == 64 * made.metrics()["cost/nfe"]
    assert products.backwards == 0
