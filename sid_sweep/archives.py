"""What torch saves is a zip file: words beside its records, read without torch, and a sum of all.

Torch itself does not look at the sums of records, and goes on from weights whose bits have changed;
those of names, lengths and flags no record's sum covers. So the last bytes of a file, which are a
comment to whoever reads zip files, are the sum of all before them.
"""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

from sid_sweep.files import Damaged

STAMP = "stamp.json"  # beside torch's own records
SUM_BYTES = 64  # in hex
CHUNK_BYTES = 2**20


def stamp(path: Path, values: Any) -> None:
    """Add words in JSON to an archive, to be read without torch, and the sum of it all."""
    with zipfile.ZipFile(path, "a") as archive:
        place = archive.namelist()[0].partition("/")[0]  # torch takes no second folder
        archive.writestr(f"{place}/{STAMP}", json.dumps(values))
        archive.comment = bytes(SUM_BYTES)
    with path.open("r+b") as file:
        file.seek(-SUM_BYTES, 2)
        file.write(_sum(path))


def stamped(path: Path) -> bytes:
    """What `stamp` added, as JSON.

    Raises:
        Damaged: it is no such archive, or not as it was written.
    """
    if path.is_dir():
        raise Damaged(path, "is a folder, not a file")
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - SUM_BYTES))
        if file.read() != _sum(path):
            raise Damaged(path, "is no whole checkpoint: its sum is not that of what it holds")
    with zipfile.ZipFile(path) as archive:
        place = archive.namelist()[0].partition("/")[0]
        return archive.read(f"{place}/{STAMP}")


def _sum(path: Path) -> bytes:
    """Of all but the last bytes."""
    digest, left = hashlib.blake2b(digest_size=SUM_BYTES // 2), path.stat().st_size - SUM_BYTES
    with path.open("rb") as file:
        while left > 0 and (chunk := file.read(min(left, CHUNK_BYTES))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest().encode()
