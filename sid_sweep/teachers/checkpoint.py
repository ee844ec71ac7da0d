"""A denoiser out of a file of this program: a trained teacher's in a cache, or the student of
method.kind = teacher, which is the teacher that was sampled."""

from pathlib import Path

from sid_sweep.nets import weights
from sid_sweep.nets.denoiser import Denoiser


def load(path: Path) -> Denoiser:
    """Raises:
    ValueError: it is no such file, or holds what does not denoise at all levels; one line.
    """
    header, tensors = weights.read(path)
    method = header.get("trial", {}).get("method", {}).get("kind", "teacher")
    if method != "teacher":
        raise ValueError(
            f"{path}: holds a student of method.kind = {method}, which denoises at its own levels "
            "alone; a teacher does so at all"
        )
    if not tensors:
        raise ValueError(f"{path}: holds a closed form; use teacher.kind = exact")
    if "blueprint" not in header:
        raise ValueError(f"{path}: its header holds no blueprint; export it with this version")
    return weights.restore(header, tensors, path)
