"""The manifest for Kubernetes asks for what this version understands. That KubeRay takes it was
seen once, by the schema of its version 1.7, which is too long to lie here."""

import re
import shlex
from pathlib import Path

import yaml

from sid_sweep.run import parser

ROOT = Path(__file__).parents[2]
SPEC = yaml.safe_load((ROOT / "clusters" / "kuberay.yaml").read_text())["spec"]


def test_its_command_is_one_of_ours_and_keeps_everything_on_the_volume():
    program, verb, *words = shlex.split(SPEC["entrypoint"])
    assert (program, verb) == ("sid-sweep", "run")
    options = parser().parse_args(words)
    assert options.address == "auto"
    own = SPEC["rayClusterSpec"]
    groups = [own["headGroupSpec"], *own["workerGroupSpecs"]]
    for group in groups:
        (container,) = group["template"]["spec"]["containers"]
        (mount,) = container["volumeMounts"]
        for place in (options.space, options.storage):
            assert str(place).startswith(f"{mount['mountPath']}/")
        assert container["resources"]["limits"] == container["resources"]["requests"]
    assert options.tracking_uri == "sqlite:////shared/mlflow.db"


def test_its_ray_is_the_one_that_is_installed():
    pinned = re.search(r'"ray\[.*\]~=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert SPEC["rayClusterSpec"]["rayVersion"] == pinned[1]
    assert SPEC["rayClusterSpec"]["authOptions"] == {"mode": "token"}
