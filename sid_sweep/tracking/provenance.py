"""Where a figure comes from: code, versions, hardware, command."""

import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sid_sweep.trials.host import processor

from .client import redact

PACKAGES = ("torch", "ray", "optuna", "mlflow", "numpy", "scipy", "scikit-learn", "pydantic")


def provenance() -> dict[str, Any]:
    """What is needed to make a run again."""
    return {
        "command": redact(" ".join(published(sys.argv))),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted": _digest(_git("diff", "HEAD")),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "processor": processor(),
        "cpus": os.cpu_count(),
        "gpus": _gpus(),
    }


def published(words: Sequence[str]) -> list[str]:
    """A command without whom it notifies, which is nobody else's business."""
    kept: list[str] = []
    is_value = False
    for word in words:
        option, equals, _ = word.partition("=")
        if is_value:
            is_value = False
        elif len(option) > len("--n") and "--notify".startswith(option):
            is_value = not equals
        else:
            kept.append(word)
    return kept


def _git(*arguments: str) -> str:
    """What git says of the folder that this code lies in, or "" outside a repository."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else ""


def _gpus() -> list[str]:
    files = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    lines = [line for file in files for line in file.read_text().splitlines()]
    return [line.split(":")[1].strip() for line in lines if line.startswith("Model:")]
