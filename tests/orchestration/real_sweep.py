"""A small sweep by the real command, whose processes tests look at and kill."""

import os
import subprocess
import sys
import time
from pathlib import Path

from sid_sweep.orchestration.processes import Process, _all
from sid_sweep.trials import SweepFolder

TINY = """\
question: {question}
sweep: tiny
objective: {{metric: js}}
seeds: [0, 1]
scientific:
  generator.optim.lr: {{choice: {rates}}}
baseline: {{generator.optim.lr: 0.001}}
fixed:
  data: {{kind: mixture, name: ring8}}
  generator: {{init: {{kind: random, net: {{kind: mlp, width: 16, depth: 2}}}}}}
  fake_score: {{init: {{kind: random, net: {{kind: mlp, width: 16, depth: 2}}}}}}
  batch: {{latents: 64}}
  budget: {{images: 40_000}}
  evaluation: {{times: 5, samples: 256}}
resources: {{checkpoint_seconds: {checkpoint_seconds}}}
"""
"""A sweep of seconds, for the real command."""


class Command:
    """The command, running in a folder of its own."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        space = TINY.format(question="Does it go on?", rates="[0.001]", checkpoint_seconds=0.3)
        (folder / "space.yaml").write_text(space)
        self.sweep = SweepFolder(folder / "sweeps" / "tiny")
        self._output = folder / "output.txt"
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sid_sweep.run", "space.yaml", *arguments],
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | environment,
            )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def wait_for_checkpoint(self, *, num: int = 1) -> None:
        """Until trials are under way."""
        wait_for(lambda: len(list(self.sweep.path.glob("trials/*/checkpoint.pt"))) >= num)

    def end(self, *, seconds: float = 240.0) -> int:
        """Wait for its end; returns the exit status."""
        return self.process.wait(seconds)

    def kill(self) -> None:
        """Whatever a test did, nothing is left running."""
        for process in self.tree():
            process.kill()
        self.process.wait()

    def tree(self) -> list[Process]:
        """The command's process and all below it."""
        found, every = [], list(_all())
        above = {self.process.pid}
        for process, _, _ in every:
            if process.pid == self.process.pid:
                found.append(process)
        while below := [process for process, _, parent in every if parent in above]:
            found += below
            above = {process.pid for process in below}
        return found

    def named(self, name: str) -> list[Process]:
        """Those of the tree that have such a name."""
        return [process for process in self.tree() if process.name.startswith(name)]


def wait_for(condition, *, seconds: float = 200.0) -> None:
    """Until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.1)
