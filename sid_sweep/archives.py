"""What torch saves is a zip file with a sum of each record: words beside them, read without torch,
and the sums looked at."""

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from sid_sweep.files import Damaged

STAMP = "stamp.json"  # beside torch's own records


def stamp(path: Path, values: Any) -> None:
    """Add words in JSON to an archive, to be read without torch."""
    with zipfile.ZipFile(path, "a") as archive:
        place = archive.namelist()[0].partition("/")[0]  # torch takes no second folder
        archive.writestr(f"{place}/{STAMP}", json.dumps(values))


def stamped(path: Path) -> Any:
    """What `stamp` added. All records are summed on the way: torch itself does not look, and goes
    on from weights whose bits have changed.

    Raises:
        Damaged: it is no such archive, or not a whole one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if (rotten := archive.testzip()) is not None:
                raise Damaged(path, f"its record {rotten} is not what was written")
            place = archive.namelist()[0].partition("/")[0]
            return from_json(archive.read(f"{place}/{STAMP}"))
    except IsADirectoryError:
        raise Damaged(path, "is a folder, not a file") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, LookupError, NotImplementedError) as error:
        raise Damaged(path, f"is no whole checkpoint ({error})") from None
