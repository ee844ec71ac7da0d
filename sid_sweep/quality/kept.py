"""What judges keep in the cache: tensors, made once while others wait, and made again where a file
is damaged."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from sid_sweep.cache import figure, whole_or_made
from sid_sweep.files import Damaged, write_json
from sid_sweep.tensors import read_tensors, write_tensors


def kept_tensors(path: Path, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """By their names."""
    return whole_or_made(
        path, read=lambda: read_tensors(path)[1], make=lambda: write_tensors(path, make())
    )


def kept_network(
    path: Path, network: nn.Module, train: Callable[[], tuple[nn.Module, float]]
) -> float:
    """Load a trained network's weights into `network`; returns its accuracy, which lies beside
    them.

    Args:
        train: gives the network and its accuracy.
    """
    beside = path.with_suffix(".json")

    def read() -> float:
        try:
            network.load_state_dict(read_tensors(path)[1])
        except RuntimeError:
            raise Damaged(path, "holds another network") from None
        return figure(beside, "accuracy")

    def make() -> None:
        trained, accuracy = train()
        write_json(beside, {"accuracy": accuracy})
        write_tensors(path, trained.state_dict())

    return whole_or_made(path, read=read, make=make, others=(beside,))
