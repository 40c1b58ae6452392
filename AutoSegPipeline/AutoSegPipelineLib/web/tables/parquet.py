"""The table as Parquet. pyarrow is loaded when a file is written, never before."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Iterator, Sequence

from ...core.cohort.columns import COLUMNS, COUNT, FLAG, NUMBER, TEXT, Cell
from ...core.errors import PipelineError

if TYPE_CHECKING:
    import pyarrow

# Rows of one group: what is in memory at a time.
_ROWS = 65536


def can_write() -> bool:
    """Whether pyarrow is there; 3D Slicer's own Python has none."""
    import importlib.util

    return importlib.util.find_spec("pyarrow") is not None


def write_parquet(path: Path, rows: Iterable[Sequence[Cell]]) -> int:
    """Write ``rows`` (zstd, texts as dictionaries); how many there were. Raises as :func:`parquet_beside`."""
    return sum(1 for _ in parquet_beside(path, rows))


def parquet_beside(path: Path, rows: Iterable[Sequence[Cell]]) -> Iterator[Sequence[Cell]]:
    """Pass ``rows`` on, and write them while they pass; the file is complete when the last was taken.

    Raises ``table.no_parquet`` without pyarrow, and OSError.
    """
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise PipelineError("table.no_parquet", f"Parquet needs the package pyarrow: {error}") from error
    left = iter(rows)
    with parquet.ParquetWriter(path, _schema(), compression="zstd") as writer:
        while True:
            batch = list(itertools.islice(left, _ROWS))
            if not batch:
                return
            writer.write_table(_table(batch))
            yield from batch


def _schema() -> pyarrow.Schema:
    import pyarrow

    types = {TEXT: pyarrow.string(), NUMBER: pyarrow.float64(), COUNT: pyarrow.int64(), FLAG: pyarrow.bool_()}
    # Empty texts and missing numbers are null, as statistics programs want them.
    return pyarrow.schema([(column.name, types[column.kind]) for column in COLUMNS])


def _table(batch: Sequence[Sequence[Cell]]) -> pyarrow.Table:
    import pyarrow
    from pyarrow import compute

    schema, arrays = _schema(), []
    for column, values in zip(COLUMNS, zip(*batch)):
        wanted = schema.field(column.name).type
        if column.kind == FLAG:
            arrays.append(pyarrow.array(values, pyarrow.int8()).cast(wanted))
            continue
        array = pyarrow.array(values, wanted)
        if column.kind == TEXT:
            array = compute.if_else(compute.equal(array, ""), None, array)
        arrays.append(array)
    return pyarrow.Table.from_arrays(arrays, schema=schema)
