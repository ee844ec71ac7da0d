"""What sweeps in one process leave out to be run by the hundred."""

import numpy as np
import pytest

from sid_sweep import quality


@pytest.fixture(scope="module")
def small_pictures():
    """Pictures that cost nothing to draw."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "picture", lambda *own, **more: np.zeros((8, 8), np.uint8))
        yield
