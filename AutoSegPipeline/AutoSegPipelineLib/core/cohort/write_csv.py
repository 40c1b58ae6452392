"""Rows of the table as CSV, a piece at a time."""

from __future__ import annotations

import csv
import io
from typing import Iterable, Iterator, Sequence

from ..spreadsheet import defused
from .columns import COLUMNS, FLAG, NAMES, TEXT, Cell

_ROWS = 1000
_FLAGS = [place for place, column in enumerate(COLUMNS) if column.kind == FLAG]
_TEXTS = [place for place, column in enumerate(COLUMNS) if column.kind == TEXT]
_WORDS = {None: "", 0: "no", 1: "yes"}


def csv_pieces(rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """UTF-8 with a line of column names; flags are yes, no or empty, and no cell is taken for a formula."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(NAMES)
    for number, row in enumerate(rows, 1):
        cells = list(row)
        for place in _FLAGS:
            cells[place] = _WORDS[cells[place]]  # type: ignore[index]
        for place in _TEXTS:
            text = cells[place]
            if text:
                cells[place] = defused(str(text))
        writer.writerow(cells)
        if number % _ROWS == 0:
            yield stream.getvalue().encode("utf-8")
            stream.seek(0)
            stream.truncate()
    yield stream.getvalue().encode("utf-8")
