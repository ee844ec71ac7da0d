"""A denoiser of the user's own code.

The function that is named returns D: `D(x, sigma)`, or `D(x, sigma, labels)` where it has classes,
for x = x_0 + σ ε of shape [B, *shape], sigma of shape [B] and labels of shape [B], gives E[x_0 | x]
of x's shape. It carries `shape`, of one sample, `sigma_data`, the deviation of the data, and, if it
is conditional, `num_classes`. Where it is a torch module, students can begin with its weights.
"""

from typing import Any

from pydantic import ValidationError

from sid_sweep import spec
from sid_sweep.nets.denoiser import Denoiser
from sid_sweep.nets.outside import user_net
from sid_sweep.streams import seeded


def load(teacher: spec.teachers.PythonTeacher) -> Denoiser:
    """What the user's function returns, as a denoiser.

    Raises:
        ValueError: there is no such function, it fails, or what it returns lacks an attribute.
    """
    net = spec.outside.PythonNet(
        kind="python", factory=teacher.factory, arguments=teacher.arguments
    )
    with seeded("teacher", teacher.factory):  # what the function draws, it draws alike every time
        network, made = user_net(net)
    try:
        blueprint = spec.nets.Blueprint(
            net=net,
            shape=list(_attribute(made, "shape", teacher.factory)),
            num_classes=getattr(made, "num_classes", 0),
            sigma_data=float(_attribute(made, "sigma_data", teacher.factory)),
            preconditioning=spec.outside.Denoised(kind="denoised"),
        )
    except (TypeError, ValidationError) as error:
        raise ValueError(
            f"factory = {teacher.factory}: what it returns needs shape, a tuple such as (3, 32, "
            f"32), sigma_data, a number such as 0.5, and num_classes, an integer: {error}"
        ) from None
    return Denoiser(network, blueprint)


def _attribute(made: Any, name: str, factory: str) -> Any:
    if not hasattr(made, name):
        raise ValueError(
            f"factory = {factory}: what it returns has no {name}; give it shape, of one sample, "
            "and sigma_data, the deviation of the data"
        )
    return getattr(made, name)
