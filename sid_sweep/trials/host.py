"""What a trial was computed on: its numbers are bitwise the same on the same kind of machine."""

import importlib.metadata
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import with_config

from .checked import STRICT

LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn")
"""Whose arithmetic enters the metrics."""


@with_config(STRICT)
@dataclass(frozen=True, kw_only=True)
class Host:
    """A processor, a device, how the work was shared, the libraries' versions."""

    processor: str
    device: str
    """cpu, or the GPU's name."""
    workers: int
    threads: int
    """Of each worker."""
    python: str
    versions: dict[str, str]

    def differences(self, other: "Host") -> list[str]:
        """`torch 2.11.0, there 2.12.0` for all that is not the same on `other`."""
        own, there = _flat(self), _flat(other)
        return [
            f"{name} {own.get(name, 'absent')}, there {there.get(name, 'absent')}"
            for name in dict.fromkeys([*own, *there])
            if own.get(name) != there.get(name)
        ]


def this_host(*, device: str, workers: int, threads: int) -> Host:
    """This machine, as a worker of a trial finds it."""
    return Host(
        processor=processor(),
        device=device,
        workers=workers,
        threads=threads,
        python=platform.python_version(),
        versions={name: importlib.metadata.version(name) for name in LIBRARIES},
    )


def processor() -> str:
    """The model of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "")


def _flat(host: Host) -> dict[str, str]:
    values = asdict(host)
    return {**values.pop("versions"), **{name: str(value) for name, value in values.items()}}
