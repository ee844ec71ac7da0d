"""Where the workers of a group meet on one machine: at a file.

Torch's own meeting point, a TCP store, listens to the whole network, whatever address it is given.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import ray
import torch.distributed as dist
from ray.train.torch import TorchConfig
from ray.train.torch.config import _TorchBackend


@dataclass
class MeetAtFile(TorchConfig):
    """A process group that comes together at a new file of a folder that all workers see."""

    folder: Path = Path()

    @property
    def backend_cls(self) -> type[_TorchBackend]:
        return _Backend


class _Backend(_TorchBackend):
    def on_start(self, worker_group: Any, backend_config: Any) -> None:
        folder: Path = backend_config.folder
        folder.mkdir(parents=True, exist_ok=True)
        options = {
            "backend": backend_config.backend,
            "init_method": f"file://{folder / uuid.uuid4().hex}",
            "world_size": len(worker_group),
            "timeout": timedelta(seconds=backend_config.timeout_s),
        }
        ranks = range(len(worker_group))
        ray.get([worker_group.execute_single_async(rank, _join, rank, options) for rank in ranks])


def _join(rank: int, options: dict[str, Any]) -> None:
    dist.init_process_group(rank=rank, **options)
