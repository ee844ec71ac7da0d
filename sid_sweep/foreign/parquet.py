"""Pictures in Parquet, as Hugging Face's hub lays them out: a column of files' bytes, bare or as
struct{bytes, path}, and a column `label` of whole numbers, whose names are in the metadata."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from .contents import Contents, Load, numbered
from .decode import decode

if TYPE_CHECKING:
    import pyarrow as pa

LABELS = ("label", "labels")
ROWS = 256  # read at a time
METADATA = b"huggingface"


def table(files: Sequence[Path], where: str) -> Contents:
    """The pictures of one or more files, in the order given.

    Raises:
        ValueError: one is no Parquet, or holds no pictures, or other columns than the first.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        opened = [pq.ParquetFile(file) for file in files]
        first = opened[0].schema_arrow
        image, label = _image(first, where), _label(first)
        for file, own in zip(files, opened, strict=True):
            if own.schema_arrow.remove_metadata() != first.remove_metadata():
                raise ValueError(f"{where}: {file.name} has other columns than {files[0].name}")
        columns = [own.read([label])[label].to_pylist() for own in opened] if label else []
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{where}: cannot be read as Parquet ({reason})") from None
    num = sum(own.metadata.num_rows for own in opened)
    if num == 0:
        raise ValueError(f"{where}: holds no pictures")
    classes = _classes(first, label)
    labels = [value for column in columns for value in column]
    names = [f"row {row}" for row in range(num)]
    own = numbered(labels, names, where=where, classes=classes) if label else None
    return Contents(num, lambda: _walk(opened, image, where), own, classes if label else ())


def _walk(opened: Sequence[Any], image: str, where: str) -> Iterator[tuple[str, Load]]:
    row = 0
    for file in opened:
        for batch in file.iter_batches(batch_size=ROWS, columns=[image]):
            for value in batch.column(0).to_pylist():
                content = value.get("bytes") if isinstance(value, dict) else value
                yield f"row {row}", functools.partial(_load, content, f"{where}: row {row}")
                row += 1


def _load(content: bytes | None, name: str) -> Any:
    if not content:
        raise ValueError(f"{name} holds no bytes; embed the files, whose paths mean nothing here")
    return decode(content, name)


def _image(schema: "pa.Schema", where: str) -> str:
    """The one column that holds pictures."""
    found = [field.name for field in schema if _holds_bytes(field.type)]
    if len(found) != 1:
        columns = ", ".join(f"{field.name}: {field.type}" for field in schema)
        raise ValueError(
            f"{where}: has {len(found) or 'no'} columns of pictures among {columns}; it takes one, "
            "of bytes or of struct{bytes, path}"
        )
    return found[0]


def _holds_bytes(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0 and _holds_bytes(kind.field("bytes").type)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _label(schema: "pa.Schema") -> str | None:
    import pyarrow as pa

    names = {field.name for field in schema if pa.types.is_integer(field.type)}
    return next((name for name in LABELS if name in names), None)


def _classes(schema: "pa.Schema", label: str | None) -> tuple[str, ...]:
    """The names that the hub's library writes beside the columns, where it did."""
    try:
        features = from_json((schema.metadata or {})[METADATA])["info"]["features"]
        return tuple(map(str, features[label]["names"]))
    except (KeyError, TypeError, ValueError):
        return ()
