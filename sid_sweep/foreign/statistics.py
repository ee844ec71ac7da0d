"""What judging takes from files that someone else made: the weights of a feature network, and the
mean and covariance of its features over a data set."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from sid_sweep.spec import Evaluation, SpecError
from sid_sweep.spec.evaluation import INCEPTION_DIMENSIONS, Inception, Statistics

from .fingerprint import fingerprint, locate

SYMMETRY = 1e-6  # relative to the largest entry; files hold float64, or a float32 of it


@dataclass(frozen=True)
class GaussianFit:
    """Mean and covariance of features."""

    mean: Float[np.ndarray, " F"]
    covariance: Float[np.ndarray, "F F"]


def check(evaluation: Evaluation) -> None:
    """That the files are there which students are judged by, and hold what they should.

    Raises:
        SpecError: one is not, or does not; one line.
    """
    features, reference = evaluation.features, evaluation.reference
    try:
        place = "evaluation.features.path"
        if isinstance(features, Inception):
            weights_file(features)
        place = "evaluation.reference.path"
        if isinstance(reference, Statistics):
            gaussian_fit(reference.path)
    except ValueError as error:
        raise SpecError(f"{place} = {error}") from None


def weights_file(features: Inception) -> Path:
    """Where Inception's weights lie.

    Raises:
        ValueError: there is no such file, or it is another one.
    """
    try:
        found = fingerprint(features.path)
    except ValueError as error:
        raise ValueError(
            f"{error}; pytorch-fid publishes it as pt_inception-2015-12-05-6726825d.pth"
        ) from None
    if not found.startswith(features.sha256):
        raise ValueError(
            f"{features.path}: its SHA-256 begins with {found[:8]}, not with {features.sha256}; "
            "with other weights a distance is no published FID; if they are meant, set "
            f"evaluation.features.sha256 = {found[:8]}"
        )
    return locate(features.path)


def gaussian_fit(path: str, *, dimensions: int = INCEPTION_DIMENSIONS) -> GaussianFit:
    """`mu` and `sigma` of an .npz file, in float64; nothing in it is unpickled.

    Raises:
        ValueError: it holds no mean and covariance of so many features.
    """
    found = locate(path)
    try:
        with found.open("rb") as content, np.load(content, allow_pickle=False) as file:
            mean, covariance = (
                np.asarray(file[name], dtype=np.float64) for name in ("mu", "sigma")
            )
    except KeyError as error:
        raise ValueError(
            f"{path}: holds no {error.args[0].split()[0]}; it needs mu and sigma"
        ) from None
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile):
        raise ValueError(f"{path}: is no .npz file of plain arrays") from None
    wanted = (dimensions,), (dimensions, dimensions)
    if (mean.shape, covariance.shape) != wanted:
        raise ValueError(
            f"{path}: mu {list(mean.shape)} and sigma {list(covariance.shape)} are not of the "
            f"{dimensions} features that are compared"
        )
    _require_covariance(path, mean, covariance)
    return GaussianFit(mean, covariance)


def _require_covariance(path: str, mean: np.ndarray, covariance: np.ndarray) -> None:
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise ValueError(f"{path}: mu and sigma must be finite")
    apart = np.abs(covariance - covariance.T).max()
    if apart > SYMMETRY * np.abs(covariance).max() or covariance.diagonal().min() < 0:
        raise ValueError(f"{path}: sigma is no covariance")
