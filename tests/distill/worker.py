"""One of two workers: `worker.py RANK FILE FOLDER` trains the tiny trial twice and saves both ends.

Once as it should be, and once with ranks that never average, to show what would be noticed.
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from tiny import records, tiny

from sid_sweep.nets.ranks import Ranks


class Unsynchronised(Ranks):
    """Ranks that share a batch and never speak."""

    def average(self, tensors: list[torch.Tensor]) -> None:
        del tensors


def main(rank: int, meeting_place: str, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting_place}", rank=rank, world_size=2)
    for kind in (Ranks, Unsynchronised):
        last = records(tiny(), ranks=kind(rank, 2))[-1]
        end = {"state": last.state(), "metrics": last.metrics, "images": last.images}
        torch.save(end, folder / f"{kind.__name__}-{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
