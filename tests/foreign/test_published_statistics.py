"""Weights and statistics that someone published: refused in one line before anything begins."""

import hashlib

import numpy as np
import pytest

from sid_sweep.foreign.identity import identity
from sid_sweep.foreign.statistics import gaussian_fit, weights_file
from sid_sweep.spec.evaluation import Inception


def features(path, **values):
    return Inception(kind="inception", path=str(path), **values)


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"no such file.*pt_inception-2015-12-05-6726825d.pth"):
        weights_file(features(tmp_path / "absent.pth"))


def test_other_weights_must_be_meant(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"some weights")
    own = hashlib.sha256(b"some weights").hexdigest()
    with pytest.raises(ValueError, match=f"SHA-256 begins with {own[:8]}, not with 6726825d"):
        weights_file(features(path))
    assert weights_file(features(path, sha256=own[:10])) == path


def save(path, **arrays):
    np.savez(path, **arrays)
    return str(path)


def test_statistics_are_read_in_double_precision(tmp_path):
    sigma = np.array([[2.0, 0.5], [0.5, 1.0]], dtype=np.float32)
    path = save(tmp_path / "a.npz", mu=np.array([1.0, 2.0]), sigma=sigma)
    fit = gaussian_fit(path, dimensions=2)
    assert fit.mean.tolist() == [1, 2]
    assert fit.covariance.dtype == np.float64
    assert np.array_equal(fit.covariance, sigma)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"mu": np.zeros(3), "sigma": np.eye(3)}, r"mu \[3\] and sigma \[3, 3\] are not of the 2"),
        ({"mu": np.zeros(2)}, "holds no sigma"),
        ({"mu": np.zeros(2), "sigma": np.full((2, 2), np.nan)}, "must be finite"),
        ({"mu": np.zeros(2), "sigma": np.array([[1.0, 2.0], [0.0, 1.0]])}, "is no covariance"),
        ({"mu": np.zeros(2), "sigma": np.array([{}])}, "no .npz file of plain arrays"),
    ],
)
def test_statistics_that_do_not_fit_are_refused(tmp_path, arrays, message):
    path = save(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        gaussian_fit(path, dimensions=2)


def test_what_is_no_npz_is_refused(tmp_path):
    for name, content in (("a.npz", b"PK\x03\x04 cut short"), ("b.npz", b"text"), ("c.npz", b"")):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"no \.npz file of plain arrays"):
            gaussian_fit(str(path), dimensions=2)


def test_a_part_is_known_by_what_its_files_hold(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"same")
    one, other = (identity(features(tmp_path / name)) for name in ("a", "b"))
    assert one == other
    assert one["path"] == hashlib.sha256(b"same").hexdigest()
