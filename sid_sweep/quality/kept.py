"""What judges keep in the cache: tensors, made once while others wait, and made again where a file
is damaged."""

from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sid_sweep.cache import figure, whole_or_made
from sid_sweep.files import Damaged, replacing, write_json


def kept_tensors(path: Path, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """By their names."""
    return whole_or_made(path, read=lambda: _read(path), make=lambda: _write(path, make()))


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
            network.load_state_dict(_read(path))
        except RuntimeError:
            raise Damaged(path, "holds another network") from None
        return figure(beside, "accuracy")

    def make() -> None:
        trained, accuracy = train()
        write_json(beside, {"accuracy": accuracy})
        _write(path, trained.state_dict())

    return whole_or_made(path, read=read, make=make, others=(beside,))


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError) as error:
        raise Damaged(path, f"is no whole file of tensors ({error})") from None


def _write(path: Path, tensors: dict[str, Tensor]) -> None:
    with replacing(path) as partial:
        save_file({name: x.contiguous().cpu() for name, x in tensors.items()}, partial)
