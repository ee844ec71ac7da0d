"""What sweeps in one process leave out to be run by the hundred."""

import numpy as np
import pytest

from sid_sweep import quality
from sid_sweep.teachers import trained


@pytest.fixture(scope="module")
def small_pictures():
    """Pictures that cost nothing to draw."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "picture", lambda *own, **more: np.zeros((8, 8), np.uint8))
        yield


@pytest.fixture(scope="module")
def eager_teachers():
    """A checkpoint of a teacher after every step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trained, "CHECKPOINT_SECONDS", 0.0)
        yield
