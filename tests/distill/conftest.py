"""What many tests of methods look at is made once: teachers, and each method's undisturbed run."""

import functools
import io
from typing import Any, NamedTuple

import pytest
import torch
from methods import shown, small

from sid_sweep.distill import Progress, distill


class Run(NamedTuple):
    """A run of a trial: what it has shown, and the state of each record, as a file has it."""

    records: list[tuple]
    states: list[bytes]
    last: Progress

    def state(self, index: int) -> dict[str, Any]:
        """The state of a record, read again."""
        return torch.load(io.BytesIO(self.states[index]), weights_only=True)


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def straight(cache):
    """The undisturbed run of a method on one worker."""

    @functools.cache
    def run(name):
        records, states = [], []
        for progress in distill(small(name), cache=cache):
            file = io.BytesIO()
            torch.save(progress.state(), file)
            records.append(shown(progress))
            states.append(file.getvalue())
        return Run(records, states, progress)

    return run
