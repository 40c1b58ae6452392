"""Rows of the table as CSV, a piece at a time."""

from __future__ import annotations

import csv
import io
import itertools
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
    left = iter(rows)
    while True:
        batch = list(itertools.islice(left, _ROWS))
        if batch:
            writer.writerows(zip(*_columns(batch)))
        yield stream.getvalue().encode("utf-8")
        if len(batch) < _ROWS:
            return
        stream.seek(0)
        stream.truncate()


def _columns(batch: Sequence[Sequence[Cell]]) -> list[Sequence[object]]:
    """A column at a time: of its thousand cells most are the same few texts."""
    columns: list[Sequence[object]] = list(zip(*batch))
    for place in _FLAGS:
        columns[place] = [_WORDS[cell] for cell in columns[place]]  # type: ignore[index]
    for place in _TEXTS:
        texts = {cell: defused(str(cell)) for cell in set(columns[place]) if cell}
        if any(text != cell for cell, text in texts.items()):
            columns[place] = [texts.get(cell, cell) for cell in columns[place]]
    return columns
