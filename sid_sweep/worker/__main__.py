"""One trial alone, without a sweep: `python -m sid_sweep.worker FOLDER`.

The folder holds the trial's specification; all that a trial leaves is written beside it.
"""

import argparse
from pathlib import Path

from sid_sweep.spec import Trial
from sid_sweep.trials import TrialFolder

from .job import Job
from .run import run


def main() -> None:
    """Run the trial from its start, or from its checkpoint if it has one."""
    parser = argparse.ArgumentParser(prog="python -m sid_sweep.worker", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--cache", type=Path, required=True, help="trained teachers and judges")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ...")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    folder = TrialFolder(options.folder)
    job = Job(
        trial=Trial.model_validate(folder.values()),
        folder=folder,
        cache=options.cache,
        checkpoint_seconds=float("inf"),
        threads=options.threads,
    )
    run(job, lambda figures: None, device=options.device)


if __name__ == "__main__":
    main()
