"""A folder of the Hugging Face hub, fetched once into the cache: JSON and safetensors alone, at the
commit that the specification names."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sid_sweep.files import make_folder, sync, sync_tree
from sid_sweep.nets.outside import one_line

PATTERNS = ["*.json", "*.safetensors"]


def snapshot(name: str, cache: Path) -> Path:
    """The folder of hf://owner/name@<commit>, whole or absent.

    Raises:
        ValueError: the hub cannot be reached, or has no such commit; one line.
    """
    repository, _, commit = name.removeprefix("hf://").partition("@")
    folder = cache / "hub" / f"{repository.replace('/', '--')}@{commit}"
    if not folder.exists():
        with _appearing(folder) as partial:
            _fetch(name, repository, commit, partial)
    return folder


def _fetch(name: str, repository: str, commit: str, folder: Path) -> None:
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise ValueError(
            f"{name}: huggingface_hub is not installed; pip install -e '.[diffusers]'"
        ) from None
    try:
        snapshot_download(repository, revision=commit, local_dir=folder, allow_patterns=PATTERNS)
    except Exception as error:  # the network is the outside world
        raise ValueError(
            f"{name}: the hub did not give it ({one_line(error)}); without a network, copy the "
            "folder here and name it under teacher.path"
        ) from None
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the library's notes


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A folder that becomes `folder` when all went well, and else leaves nothing; of two processes
    that fetch the same, one is first."""
    missing = [parent for parent in folder.parents if not parent.exists()]
    make_folder(folder.parent)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    try:
        yield partial
        if not folder.exists():
            sync_tree(partial)
            partial.rename(folder)
            sync(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        for parent in missing if not folder.exists() else []:
            parent.rmdir()
