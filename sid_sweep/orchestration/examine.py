"""What is asked of every node before trials go there: the versions that it has, and whether it sees
the driver's files.

A node may lack this package, so the module is sent to it by value, and imports only what comes with
Python.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import time
from pathlib import Path

SEE_SECONDS = 10.0  # until a file that another machine wrote must be seen
PACKAGES = ("ray", "torch", "sid-sweep")
OWN = "sid_sweep"
WORD = "word"  # the driver's file


def examine(folder: str, word: str, name: str) -> tuple[dict[str, str], str]:
    """Versions of a node, and why it does not see the driver's folder; "" if it does.

    Args:
        word: what stands in the driver's file.
        name: of the file that is written here, for the driver to see.
    """
    return versions(), _trouble(Path(folder), word, name)


def versions() -> dict[str, str]:
    """Of Python and of what trains, with a digest of this package's code."""
    found = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:  # builds for CPU and GPU have one version
            found[package] = importlib.metadata.version(package).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    found["its code"] = _code()
    return found


def _code() -> str:
    own = importlib.util.find_spec(OWN)
    if own is None or not own.submodule_search_locations:
        return "absent"
    root = Path(next(iter(own.submodule_search_locations)))
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:8]


def _trouble(folder: Path, word: str, name: str) -> str:
    deadline = time.monotonic() + SEE_SECONDS
    while True:
        try:
            os.listdir(folder)  # has what a network's file system remembers looked up again
            if (folder / WORD).read_text() == word:
                (folder / name).write_text(word)
                return ""
            reason = "another file is there"
        except OSError as error:
            reason = error.strerror or type(error).__name__
        if time.monotonic() > deadline:
            return reason
        time.sleep(0.2)
