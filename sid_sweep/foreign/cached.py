"""What a trained teacher is cached under: what it learnt from, not where that lies."""

from pathlib import Path

from sid_sweep.spec import Trial, digest, plain
from sid_sweep.spec.trial import TEACHER_VERSION

from .identity import identity


def teacher_name(trial: Trial) -> str:
    """A digest of all that decides the weights of a trial's trained teacher.

    Raises:
        ValueError: the data that it names are not there.
    """
    parts = {
        "data": identity(trial.data),
        "noise": plain(trial.noise),
        "teacher": plain(trial.teacher),
    }
    key = digest(parts | {"code": TEACHER_VERSION})
    return f"{trial.data.kind}-{key}"


def teacher_file(name: str, cache: Path) -> Path:
    """Where the weights of a trained teacher lie, once they do."""
    return cache / "teachers" / f"{name}.safetensors"
