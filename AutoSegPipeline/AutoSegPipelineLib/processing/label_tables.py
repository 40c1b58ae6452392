"""Tables of labels: CSV with ``value,name[,color]``, ITK-SNAP descriptions, Slicer colour tables.

A table is read leniently (delimiter, order and names of the columns, with or
without a header) and judged strictly: what cannot be understood is an error
that names the line.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import PipelineError
from ..core.segmentation import Colour

_VALUE = {"value", "label", "labelvalue", "label value", "index", "id", "number", "key", "idx"}
_NAME = {"name", "structure", "text", "labelname", "label name", "segment", "description", "title"}
_COLOUR = {"color", "colour", "rgb", "hex"}
_CHANNELS = ({"r", "red"}, {"g", "green"}, {"b", "blue"})
_SNAP = re.compile(r'\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+[\d.]+\s+\d\s+\d\s+"(.*)"\s*$')
_SLICER = re.compile(r"\s*(\d+)\s+(\S+)\s+(\d+)\s+(\d+)\s+(\d+)\s+\d+\s*$")


@dataclass(frozen=True)
class Entry:
    """One row: label ``value``, ``name`` and, where given, the sRGB colour in 0..1."""

    value: int
    name: str
    colour: Colour | None = None


class _Lines:
    """The table being read; collects entries and makes errors that name the line."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.entries: list[Entry] = []

    def error(self, line: int, why: str) -> PipelineError:
        return PipelineError("export.bad_table", f"{self.name}, line {line}: {why}")

    def add(self, line: int, value: str, name: str, colour: Colour | None) -> None:
        if not re.fullmatch(r"\d+(\.0*)?", value.strip()):
            raise self.error(line, f"{value.strip()!r} is not a label value (a whole number)")
        number, text = int(float(value)), " ".join(name.split())
        if number == 0:
            return  # background, which many tables name
        if not text:
            raise self.error(line, f"label {number} has no name")
        if any(entry.value == number for entry in self.entries):
            raise self.error(line, f"label {number} is there twice")
        self.entries.append(Entry(number, text, colour))


def read_table(path: Path, name: str = "") -> list[Entry]:
    """The rows of a table, background left out; raises ``export.bad_table`` naming the line.

    ``name`` is what messages call the table.
    """
    name = name or path.name
    text = _text(path, name)
    lines = _Lines(name)
    if _read_pattern(lines, text) or _read_csv(lines, text):
        return lines.entries
    raise PipelineError("export.bad_table", f"{name} holds no label")


def _text(path: Path, name: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PipelineError(
            "export.bad_table", f"the table {name} cannot be read: {error.strerror}"
        ) from error
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PipelineError("export.bad_table", f"{name}, line {line}: not UTF-8 text") from error


def _read_pattern(lines: _Lines, text: str) -> bool:
    """ITK-SNAP (``idx r g b a vis mesh "name"``) and Slicer (``value name r g b a``) tables."""
    for pattern, places in ((_SNAP, (1, 5, (2, 3, 4))), (_SLICER, (1, 2, (3, 4, 5)))):
        rows = [
            (n, row) for n, row in enumerate(text.splitlines(), 1) if row.strip() and row.lstrip()[0] != "#"
        ]
        if not rows or pattern.match(rows[0][1]) is None:
            continue
        for number, row in rows:
            match = pattern.match(row)
            if match is None:
                raise lines.error(number, f"cannot be understood: {row.strip()[:60]!r}")
            value, name, channels = places
            colour = _rgb(lines, number, [match.group(c) for c in channels])
            title = match.group(name)
            lines.add(
                number, match.group(value), title.replace("_", " ") if pattern is _SLICER else title, colour
            )
        return bool(lines.entries)
    return False


def _read_csv(lines: _Lines, text: str) -> bool:
    rows = [(n, row) for n, row in enumerate(text.splitlines(), 1) if row.strip() and row.lstrip()[0] != "#"]
    if not rows:
        return False
    delimiter = _delimiter(rows[0][1])
    split = [
        (number, [cell.strip() for cell in next(csv.reader(io.StringIO(row), delimiter=delimiter))])
        for number, row in rows
    ]
    widest = max(len(cells) for _, cells in split)
    columns = None
    for number, cells in split:
        if columns is None:
            columns, is_header = _columns(lines, number, cells, widest)
            if is_header:
                continue
        if not any(cells):
            continue
        if max(columns["value"], columns["name"]) >= len(cells):
            raise lines.error(number, f"needs a value and a name, has {len(cells)} cell(s)")
        colour = _row_colour(lines, number, cells, columns)
        lines.add(number, cells[columns["value"]], cells[columns["name"]], colour)
    return bool(lines.entries)


def _delimiter(line: str) -> str:
    return max((",", ";", "\t"), key=line.count)


def _columns(lines: _Lines, number: int, cells: list[str], widest: int) -> tuple[dict[str, int], bool]:
    """Where each column is, and whether the row was a header; ``widest`` counts the cells of any row."""
    words = [re.sub(r"[_\s]+", " ", cell).casefold() for cell in cells]
    found: dict[str, int] = {}
    known = {"value": _VALUE, "name": _NAME, "colour": _COLOUR}
    known.update({f"channel{n}": channel for n, channel in enumerate(_CHANNELS)})
    for key, accepted in known.items():
        place = next((n for n, word in enumerate(words) if word in accepted), None)
        if place is not None:
            found[key] = place
    if "value" in found and "name" in found:
        return found, True
    if cells and re.fullmatch(r"\d+", cells[0]) and len(cells) >= 2:
        plain = {"value": 0, "name": 1}
        if widest >= 5:
            plain.update({"channel0": 2, "channel1": 3, "channel2": 4})
        elif widest >= 3:
            plain["colour"] = 2
        return plain, False
    raise lines.error(number, f"the columns value and name are not there (found: {', '.join(cells)[:80]})")


def _row_colour(lines: _Lines, number: int, cells: list[str], columns: dict[str, int]) -> Colour | None:
    channels = [columns[key] for key in ("channel0", "channel1", "channel2") if key in columns]
    if len(channels) == 3 and max(channels) < len(cells) and all(cells[c] for c in channels):
        return _rgb(lines, number, [cells[c] for c in channels])
    place = columns.get("colour")
    if place is None or place >= len(cells) or not cells[place]:
        return None
    text = cells[place]
    match = re.fullmatch(r"#?([0-9a-fA-F]{6})", text)
    if match:
        digits = match.group(1)
        return _rgb(lines, number, [str(int(digits[n : n + 2], 16)) for n in (0, 2, 4)])
    parts = re.findall(r"[\d.]+", text)
    if len(parts) not in (3, 4) or re.search(r"[a-zA-Z]", re.sub(r"^rgba?", "", text)):
        raise lines.error(number, f"{text!r} is not a colour (#rrggbb or r g b from 0 to 255)")
    return _rgb(lines, number, parts[:3])


def _rgb(lines: _Lines, number: int, parts: list[str]) -> Colour:
    """0..255, or 0..1 where a point shows that fractions are meant."""
    try:
        channels = [float(part) for part in parts]
    except ValueError:
        raise lines.error(number, f"{' '.join(parts)!r} is not a colour") from None
    scale = 1.0 if any("." in part for part in parts) and max(channels) <= 1.0 else 255.0
    if max(channels) > scale or min(channels) < 0:
        raise lines.error(number, f"the colour {' '.join(parts)} is outside 0 to 255")
    red, green, blue = (channel / scale for channel in channels)
    return (red, green, blue)
