"""Rows of the table as CSV, a piece at a time."""

from __future__ import annotations

import csv
import io
from typing import Iterable, Iterator, Sequence

from ..spreadsheet import defused
from .columns import COLUMNS, FLAG, NAMES, TEXT, Cell

_ROWS = 1000


def csv_pieces(rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """UTF-8 with a line of column names; flags are yes, no or empty, and no cell is taken for a formula."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(NAMES)
    for number, row in enumerate(rows, 1):
        writer.writerow([_cell(column.kind, value) for column, value in zip(COLUMNS, row)])
        if number % _ROWS == 0:
            yield stream.getvalue().encode("utf-8")
            stream.seek(0)
            stream.truncate()
    yield stream.getvalue().encode("utf-8")


def _cell(kind: str, value: Cell) -> Cell:
    if value is None:
        return ""
    if kind == FLAG:
        return "yes" if value else "no"
    return defused(str(value)) if kind == TEXT else value
