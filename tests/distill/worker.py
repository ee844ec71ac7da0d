"""One of two workers: `worker.py RANK FILE FOLDER CACHE` trains small trials and saves their ends.

Every method as it should be, some in several passes over each worker's part, some from rank 0's
state in mid-training, and one with ranks that never average, to show what would be noticed.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from methods import IN_PASSES, PLAIN_TEACHERS, RESUMED, SHARED_OUT, in_passes, small

from sid_sweep.distill import distill
from sid_sweep.nets.ranks import Ranks
from sid_sweep.spec import Trial


class Unsynchronised(Ranks):
    """Ranks that share a batch and never speak."""

    def average(self, tensors: list[torch.Tensor]) -> None:
        del tensors

    def begin_sum(self, tensor: torch.Tensor) -> Callable[[], object]:
        tensor *= self.size  # as if the others had sent the same
        return lambda: None


def main(rank: int, meeting_place: str, folder: Path, cache: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting_place}", rank=rank, world_size=2)
    runs = [(name, "Ranks", Ranks, small(name)) for name in (*SHARED_OUT, *PLAIN_TEACHERS)]
    runs += [(name, "Passes", Ranks, in_passes(name)) for name in IN_PASSES]
    runs += [("sid", "Unsynchronised", Unsynchronised, small("sid"))]
    for name, case, kind, trial in runs:
        *first, last = distill(trial, cache=cache, ranks=kind(rank, 2))
        end = {"state": last.state(), "metrics": last.metrics, "images": last.images}
        end["samples"] = last.samples
        end["course"] = [own.metrics for own in [*first, last]]
        torch.save(end, folder / f"{case}-{name}-{rank}.pt")
    for name in RESUMED:
        place, state = folder / f"state-{name}", state_between(small(name), cache, Ranks(rank, 2))
        if rank == 0:
            torch.save(state, place)
        dist.barrier()
        state = torch.load(place, weights_only=True)
        resumed = distill(small(name), cache=cache, ranks=Ranks(rank, 2), resume=state)
        course = [own.metrics for own in resumed]
        torch.save({"course": course}, folder / f"Resumed-{name}-{rank}.pt")
    dist.destroy_process_group()


def state_between(trial: Trial, cache: Path, ranks: Ranks) -> dict[str, Any]:
    """The state at the first look that is no evaluation."""
    for record in distill(trial, cache=cache, ranks=ranks):
        if not record.metrics:
            return record.state()
    raise AssertionError("all looks are evaluations")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
